use http::Request;

use super::*;
use crate::config::{Overrides, from_text};

fn config(extra: &str) -> Config {
    let text = format!(
        r#"
        public_url = ["https://app.test", "http://localhost:4180"]
        upstream = "http://127.0.0.1:8080"
        required_roles = ["user"]
        {extra}
        [cognito]
        user_pool_id = "eu-central-1_AbCdEf123"
        client_id = "3n4b5urk1ft4fl3mg5e62d9ado"
        [session]
        keys = ["l+5DhuNytDT8bl2udeysOelwAIaOIKt+hkg/IpmigIo="]
        "#
    );
    from_text("test.toml", &text, &[], &Overrides::default()).unwrap().config
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn ask_with(extra: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Ask, Refusal> {
    let peer: IpAddr = "10.0.0.9".parse().unwrap();
    Ask::read(&head(method, target, headers), peer, false, &config(extra))
}

fn ask(target: &str, headers: &[(&str, &str)]) -> Result<Ask, Refusal> {
    ask_with("", "GET", target, headers)
}

#[test]
fn exactly_one_valid_host_is_asked_for() {
    let of = |host: &str| ask("/", &[("host", host)]).map(|ask| (ask.host, ask.origin));
    assert_eq!(of("APP.test"), Ok(("app.test".into(), Some(0))));
    assert_eq!(of("app.test:443"), Ok(("app.test".into(), Some(0))));
    assert_eq!(of("app.test."), Ok(("app.test".into(), None)));
    assert_eq!(of("app.test:8443"), Ok(("app.test".into(), None)));
    assert_eq!(of("localhost:4180"), Ok(("localhost".into(), Some(1))));
    assert_eq!(of("[::1]:80"), Ok(("[::1]".into(), None)));
    for host in
        ["", "a, b", "u@a", "a/b", "a b", "[::1", "app.test:", "app.test:x", "app.test:0", "a..b", "ä.test"]
    {
        assert!(of(host).is_err(), "{host:?}");
    }
    assert_eq!(ask("/", &[]), Err(Refusal::Host));
    assert_eq!(ask("/", &[("host", "app.test"), ("host", "app.test")]), Err(Refusal::Host));
}

#[test]
fn an_absolute_target_must_name_the_host() {
    let of = |target: &str| ask(target, &[("host", "app.test")]);
    assert_eq!(of("http://app.test/a?b").unwrap().target(), "/a?b");
    assert_eq!(of("http://app.test").unwrap().target(), "/");
    for target in ["http://evil.test/a", "ftp://app.test/a", "http://u:p@app.test/a", "app.test"] {
        assert_eq!(of(target), Err(Refusal::Target), "{target}");
    }
    assert!(of("*").is_err());
}

#[test]
fn a_navigation_is_what_a_browser_says_it_is() {
    let of = |method: &str, headers: &[(&'static str, &str)]| {
        let head = head(method, "/", headers);
        Kind::of(&head.method, &head.headers)
    };
    let (mode, dest) = ("sec-fetch-mode", "sec-fetch-dest");
    assert_eq!(of("GET", &[(mode, "navigate"), (dest, "document")]), Kind::Navigation);
    assert_eq!(of("HEAD", &[(mode, "navigate"), (dest, "document")]), Kind::Navigation);
    assert_eq!(of("GET", &[("accept", "text/html,application/xhtml+xml")]), Kind::Navigation);
    assert_eq!(of("POST", &[(mode, "navigate"), (dest, "document")]), Kind::Document);
    assert_eq!(of("GET", &[(mode, "navigate"), (dest, "iframe")]), Kind::Document);
    assert_eq!(of("POST", &[("accept", "text/html")]), Kind::Document);
    let prefetch = [(mode, "navigate"), (dest, "document"), ("sec-purpose", "prefetch;prerender")];
    assert_eq!(of("GET", &prefetch), Kind::Other);
    assert_eq!(of("GET", &[(mode, "cors"), (dest, "empty"), ("accept", "text/html")]), Kind::Other);
    assert_eq!(of("GET", &[(mode, "navigate"), ("accept", "text/html")]), Kind::Document);
    assert_eq!(of("GET", &[(dest, "document"), ("accept", "text/html")]), Kind::Other);
    assert_eq!(of("GET", &[("accept", "*/*")]), Kind::Other);
    assert_eq!(of("GET", &[]), Kind::Other);
}

#[test]
fn forwarded_headers_count_from_listed_peers_alone() {
    let headers = [
        ("host", "inner"),
        ("x-forwarded-host", "app.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "1.1.1.1, 203.0.113.7, 10.0.0.8"),
    ];
    let untrusted = ask("/", &headers).unwrap();
    assert_eq!((untrusted.host.as_str(), untrusted.client.to_string().as_str()), ("inner", "10.0.0.9"));
    let trusted = ask_with("trusted_proxies = [\"10.0.0.0/8\"]", "GET", "/", &headers).unwrap();
    assert_eq!((trusted.host.as_str(), trusted.client.to_string().as_str()), ("app.test", "203.0.113.7"));
    assert_eq!(trusted.origin, Some(0));
}

#[test]
fn the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
    for (chain, client) in [
        ("203.0.113.7", "203.0.113.7"),
        ("garbage, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, garbage", "10.0.0.9"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:80, 10.1.1.1", "2001:db8::1"),
        ("unknown", "10.0.0.9"),
        ("_hidden, 10.0.0.3", "10.0.0.3"),
        ("", "10.0.0.9"),
    ] {
        let headers = [("host", "app.test"), ("x-forwarded-for", chain)];
        let ask = ask_with("trusted_proxies = [\"10.0.0.0/8\"]", "GET", "/", &headers).unwrap();
        assert_eq!(ask.client.to_string(), client, "{chain}");
    }
}

#[test]
fn an_origin_is_ours_byte_for_byte_or_elsewhere() {
    let of = |lines: &[(&str, &str)]| {
        let headers = [&[("host", "app.test")], lines].concat();
        ask("/", &headers).unwrap().from
    };
    assert_eq!(of(&[]), From::Nowhere);
    assert_eq!(of(&[("origin", "https://app.test")]), From::Ours);
    assert_eq!(of(&[("origin", "http://localhost:4180")]), From::Ours);
    for elsewhere in ["null", "https://app.test.evil.test", "http://app.test", "HTTPS://APP.TEST", ""] {
        assert_eq!(of(&[("origin", elsewhere)]), From::Elsewhere, "{elsewhere}");
    }
    assert_eq!(of(&[("origin", "https://app.test"), ("origin", "https://app.test")]), From::Elsewhere);
}

#[test]
fn a_page_is_foreign_where_any_line_of_its_fetch_metadata_does_not_say_otherwise() {
    let of = |sites: &[&str], origin: &[(&'static str, &'static str)]| {
        let sites: Vec<_> = sites.iter().map(|site| ("sec-fetch-site", *site)).collect();
        let ask = ask("/", &[&[("host", "app.test")], &sites[..], origin].concat()).unwrap();
        (ask.foreign, ask.from)
    };
    let ours = [("origin", "https://app.test")];
    for sites in [&[][..], &["same-origin"], &["none"], &["none", "same-origin"]] {
        assert_eq!(of(sites, &[]), (false, From::Nowhere), "{sites:?}");
        assert_eq!(of(sites, &ours), (false, From::Ours), "{sites:?}");
    }
    for sites in [
        &["same-site"][..],
        &["cross-site"],
        &[""],
        &["Same-Origin"],
        &["none, cross-site"],
        &["\u{e9}"],
        &["same-origin", "cross-site"],
        &["cross-site", "same-origin"],
        &["none", "\u{e9}"],
    ] {
        assert_eq!(of(sites, &[]), (true, From::Elsewhere), "{sites:?}");
        // Of two public origins each is foreign to the other.
        assert_eq!(of(sites, &ours), (true, From::Ours), "{sites:?}");
    }
}

#[test]
fn too_much_is_refused_before_anything_else_is_read() {
    let long = format!("/{}", "x".repeat(9000));
    assert_eq!(ask(&long, &[("host", "app.test")]), Err(Refusal::TargetTooLong));
    let many: Vec<_> = (0..101).map(|_| ("x-a", "1")).collect();
    assert_eq!(ask("/", &many), Err(Refusal::HeadTooLarge));
    let large = "x".repeat(40_000);
    assert_eq!(ask("/", &[("host", "app.test"), ("cookie", &large)]), Err(Refusal::HeadTooLarge));
}

#[test]
fn connect_and_trace_are_for_nobody() {
    for method in ["TRACE", "CONNECT"] {
        assert_eq!(ask_with("", method, "/", &[("host", "app.test")]), Err(Refusal::Method));
    }
}

#[test]
fn what_is_sent_begins_with_its_path() {
    for (target, sent) in [
        ("/a?b", "/a?b"),
        ("/?b", "/?b"),
        ("/%61?b", "/a?b"),
        ("http://app.test/a?b", "/a?b"),
        ("http://app.test?b", "/?b"),
        ("http://app.test", "/"),
    ] {
        let ask = ask(target, &[("host", "app.test")]).unwrap();
        assert_eq!(ask.sent(&Rewrite::default()).unwrap().as_str(), sent, "{target}");
        assert!(ask.as_came.is_none_or(|came| came.as_str() == sent), "{target}");
    }
}
