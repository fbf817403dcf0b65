use proptest::prelude::*;

use super::super::{Cacheability, Forwarded};
use super::*;

fn scrub() -> Scrub {
    let names = ["x-user", "x-roles", "x-pet-preference"].map(HeaderName::from_static);
    Scrub::new(OwnCookies { bases: vec!["__Host-rolegate".into()] }, &names)
}

fn plan(user: Option<&'static str>) -> Plan {
    let identity = user.map(|user| (HeaderName::from_static("x-user"), HeaderValue::from_static(user)));
    Plan {
        upstream: 0,
        drops_authorization: false,
        target: "/".parse().unwrap(),
        host: HeaderValue::from_static("app.example.com"),
        identity: identity.into_iter().collect(),
        forwarded: Forwarded {
            for_: HeaderValue::from_static("192.0.2.1"),
            proto: "https",
            host: HeaderValue::from_static("app.example.com"),
            prefix: None,
        },
        request_id: HeaderValue::from_static("gate-1"),
        trace: None,
        upgrade: false,
        cacheability: Cacheability::Keep,
    }
}

fn head(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        })
        .fold(HeaderMap::new(), |mut head, (name, value)| {
            head.append(name, value);
            head
        })
}

fn sent(lines: &[(&str, &str)], user: Option<&'static str>) -> HeaderMap {
    let plan = plan(user);
    scrub().outgoing(head(lines), &plan.host, &plan, false)
}

fn names(head: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = head.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

const GATES_OWN: [&str; 5] =
    ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"];

#[test]
fn a_forged_x_user_is_removed_under_every_spelling() {
    // HDR-01, 03, 04, 06, 07, 09
    let joints = ["-", "_", ".", "!", "'", "~", "+", "*", "&", "#", "$", "^", "`", "%", "|", "", "--", "-_"];
    for joint in joints {
        for (before, after) in [("", ""), ("-", ""), ("", "-"), ("_", "_"), ("", ".")] {
            for name in ["X{}User", "x{}uSeR", "X{}Roles", "X{}Pet{}Preference"] {
                let name = format!("{before}{}{after}", name.replace("{}", joint));
                let sent = sent(&[(&name, "root"), (&name, "root")], None);
                assert_eq!(names(&sent), GATES_OWN, "{name}");
            }
        }
    }
}

#[test]
fn the_gates_identity_replaces_every_line_of_the_clients() {
    // HDR-02, 08, 18
    let sent = sent(&[("X-User", "a"), ("X_User", "b"), ("X-User", "\u{85}root")], Some("viewer"));
    assert_eq!(sent.get_all("x-user").iter().collect::<Vec<_>>(), ["viewer"]);
    assert!(!sent.contains_key("x_user"));
}

#[test]
fn connection_cannot_name_what_the_gate_puts_in() {
    // HDR-10, 11, 12
    for lines in [
        &[("Connection", "X-User, X-Roles, X-Forwarded-For, X-Request-Id")][..],
        &[("Connection", "x-user")],
        &[("Connection", "close"), ("Connection", "keep-alive,,X-User ,")],
    ] {
        let sent = sent(lines, Some("viewer"));
        assert_eq!(sent["x-user"], "viewer");
        assert_eq!(sent["x-forwarded-for"], "192.0.2.1");
        assert_eq!(sent["x-request-id"], "gate-1");
        assert!(!sent.contains_key("connection"));
    }
}

#[test]
fn connection_drops_what_it_names_but_nothing_that_decides() {
    // HDR-13
    let sent = sent(
        &[
            ("Connection", "X-Hop, ,Cookie, Host , Authorization, Origin"),
            ("X-Hop", "1"),
            ("Cookie", "a=1"),
            ("Authorization", "Basic eA=="),
            ("Origin", "https://app.example.com"),
        ],
        None,
    );
    assert!(!sent.contains_key("x-hop"));
    assert_eq!(sent["cookie"], "a=1");
    assert_eq!(sent["authorization"], "Basic eA==");
    assert_eq!(sent["origin"], "https://app.example.com");
    assert_eq!(sent["host"], "app.example.com");
}

#[test]
fn hop_by_hop_and_framing_headers_end_here() {
    // HDR-14
    let lines = [
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Proxy", "http://evil.example"),
        ("TE", "trailers"),
        ("Trailer", "x-user"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ("Expect", "100-continue"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "5"),
        ("Content_Length", "5"),
        ("Host", "evil.example"),
    ];
    assert_eq!(names(&sent(&lines, None)), GATES_OWN);
    assert_eq!(sent(&lines, None)["host"], "app.example.com");
}

#[test]
fn identity_headers_of_other_proxies_are_removed() {
    // HDR-32, 33, and every forwarding header a peer could forge
    for name in [
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Access-Token",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Uri",
        "X-Forwarded-Prefix",
        "X-Forwarded-Method",
        "X-Forwarded-Server",
        "Forwarded",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Original-URL",
        "X-Original-URI",
        "X-Original-Method",
        "X-Rewrite-URL",
        "X-Envoy-Original-Path",
        "X-Envoy-External-Address",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-Auth-Username",
        "Remote-User",
        "Remote_User",
        "X-Remote-User",
        "X-WEBAUTH-USER",
        "X-Amzn-Oidc-Data",
        "X-Amzn-Oidc-Identity",
        "x-amzn-oidc-accesstoken",
        "Ssl-Client-S-Dn",
        "X-Client-Cert",
        "X-Forwarded-Client-Cert",
        "X-Rolegate-Assertion",
        "X-Request-Id",
    ] {
        let sent = sent(&[(name, "forged")], None);
        assert_eq!(names(&sent), GATES_OWN, "{name}");
        assert!(sent.values().all(|value| value != "forged"), "{name}");
    }
}

#[test]
fn ordinary_headers_pass_untouched_and_in_order() {
    let lines = [
        ("accept", "text/html"),
        ("accept-encoding", "gzip"),
        ("user-agent", "x"),
        ("sec-fetch-mode", "navigate"),
        ("upgrade-insecure-requests", "1"),
        ("referer", "https://app.example.com/"),
        ("range", "bytes=0-1"),
        ("x-requested-with", "XMLHttpRequest"),
        ("x-username-hint", "y"),
        ("content-type", "text/plain"),
        ("x-api", "a"),
        ("x-api", "b"),
        ("authorization", "Bearer t"),
        ("x-xss", "\u{e9}"),
    ];
    let sent = sent(&lines, None);
    for (name, value) in lines {
        assert!(sent.get_all(name).iter().any(|sent| sent.as_bytes() == value.as_bytes()), "{name}");
    }
    assert_eq!(sent.get_all("x-api").iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn the_gates_cookies_never_reach_the_upstream() {
    let kept = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
        sent(&lines, None).get("cookie").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    assert_eq!(kept(&["a=1; b=2"]).unwrap(), "a=1; b=2");
    assert_eq!(kept(&["__Host-rolegate=s"]), None);
    assert_eq!(kept(&["a=1;__Host-rolegate=s;b=2"]).unwrap(), "a=1; b=2");
    assert_eq!(kept(&["a=1; \t__Host-rolegate\t =s", "b=2"]).unwrap(), "a=1; b=2");
    assert_eq!(kept(&["a=1", "b=2"]).unwrap(), "a=1; b=2");
    for own in ["", ".0", ".17", ".", ".a", "-refresh", "-refresh.1", "-login-abc", "-token", "-token.0"] {
        assert_eq!(kept(&[&format!("__Host-rolegate{own}=s; x=1")]).unwrap(), "x=1", "{own}");
    }
    for other in ["2", "-refreshed", "-tokens", "-login"] {
        let line = format!("__Host-rolegate{other}=s");
        assert_eq!(kept(&[&line]).unwrap(), line, "{other}");
    }
    // Another case or a Unicode space is another cookie; a nameless one looks like ours once it is sent.
    assert_eq!(kept(&["__host-rolegate=s"]).unwrap(), "__host-rolegate=s");
    assert_eq!(kept(&["\u{2000}__Host-rolegate=s"]).unwrap(), "\u{2000}__Host-rolegate=s");
    assert_eq!(kept(&["=__Host-rolegate=s; = =__Host-rolegate=s; __Host-rolegate"]), None);
}

#[test]
fn framing_with_more_than_one_meaning_is_refused() {
    // SMG-01, 03, 04, 07, 08, 12, 17, 42
    let fault = |lines: &[(&str, &str)]| framing_faults(&head(lines));
    assert_eq!(fault(&[("host", "a"), ("content-length", "5"), ("expect", "100-Continue")]), None);
    assert_eq!(fault(&[("transfer-encoding", "Chunked")]), None);
    for value in ["gzip, chunked", ",chunked", "chunked,", "chunked, chunked", "identity", "", "chunked;a=b"]
    {
        assert_eq!(fault(&[("transfer-encoding", value)]), Some("transfer_encoding"), "{value}");
    }
    let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
    assert_eq!(fault(&twice), Some("transfer_encoding"));
    let both = [("content-length", "5"), ("transfer-encoding", "chunked")];
    assert_eq!(fault(&both), Some("length_and_encoding"));
    assert_eq!(fault(&[("content-length", "5"), ("content-length", "5")]), Some("content_length_twice"));
    assert_eq!(fault(&[("host", "a"), ("host", "a")]), Some("host_twice"));
    for alias in
        ["Transfer_Encoding", "transfer.encoding", "Content_Length", "contentlength", "Host_", "_Host"]
    {
        assert_eq!(fault(&[(alias, "5")]), Some("framing_alias"), "{alias}");
    }
    for value in ["100-continue, x", "y 100-continue", "100-continue;q=1", ""] {
        assert_eq!(fault(&[("expect", value)]), Some(EXPECTATION), "{value}");
    }
    assert_eq!(fault(&[("expect", "100-continue"), ("expect", "100-continue")]), Some(EXPECTATION));
    assert_eq!(fault(&[("connection", &"a,".repeat(600))]), Some("connection_options"));
}

#[test]
fn an_upgrade_is_put_in_by_the_gate_alone() {
    let plan = plan(None);
    let client =
        head(&[("connection", "upgrade"), ("upgrade", "websocket, h2c"), ("sec-websocket-key", "k")]);
    let sent = scrub().outgoing(client, &plan.host, &plan, true);
    assert_eq!(sent["connection"], "upgrade");
    assert_eq!(sent["upgrade"], "websocket");
    assert_eq!(sent["sec-websocket-key"], "k");
}

#[test]
fn what_browsers_always_say_is_harmless_unless_a_claim_goes_by_its_name() {
    let said = USUAL.map(|name| (name.as_str().to_owned(), "said"));
    let said: Vec<_> = said.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let left = |scrub: &Scrub, lines: &[(&str, &str)]| {
        let plan = plan(Some("viewer"));
        let sent = scrub.outgoing(head(lines), &plan.host, &plan, false);
        sent.values().filter(|value| *value == "said").count()
    };
    assert_eq!(left(&scrub(), &said), said.len());
    let own = || OwnCookies { bases: vec!["__Host-rolegate".into()] };
    assert_eq!(left(&Scrub::new(own(), &USUAL), &said), 0);
    for name in USUAL {
        let claimed = Scrub::new(own(), std::slice::from_ref(&name));
        assert_eq!(left(&claimed, &said), said.len() - 1, "{name}");
        assert_eq!(left(&claimed, &[(&name.as_str().replace('-', "_").to_ascii_uppercase(), "said")]), 0);
        assert_eq!(left(&claimed, &[(&format!("{name}_"), "said")]), 0);
    }
}

fn class(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A name of a class that is dropped, spelled at random.
fn aliases() -> impl Strategy<Value = String> {
    let classes: Vec<&'static [u8]> =
        GATES.iter().chain(STRIPPED).chain(PREFIXES).chain(MESSAGE).copied().collect();
    let joint = "[-_.!'~+*&#$^`%|]{0,2}";
    (proptest::sample::select(classes), proptest::collection::vec((joint, any::<bool>()), 32)).prop_map(
        |(class, spelling)| {
            let mut name = String::new();
            for (byte, (joint, upper)) in class.iter().zip(spelling.iter().cycle()) {
                let letter = char::from(*byte);
                name.push_str(joint);
                name.push(if *upper { letter.to_ascii_uppercase() } else { letter });
            }
            name
        },
    )
}

proptest! {
    #[test]
    fn no_spelling_of_a_dropped_class_survives(name in aliases()) {
        let sent = sent(&[(&name, "forged=1")], Some("viewer"));
        let class = class(&name);
        for (name, value) in &sent {
            // The true Cookie line is the one of these names that has something to pass.
            prop_assert!(value != "forged=1" || name == "cookie" && class == "cookie", "{name}");
        }
    }

    #[test]
    fn whatever_is_sent_is_of_no_dropped_class(
        names in proptest::collection::vec("[-!#$%&'*+.^_`|~0-9A-Za-z]{1,40}", 0..20),
    ) {
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), "forged")).collect();
        let sent = sent(&lines, Some("viewer"));
        prop_assert_eq!(sent.get_all("x-user").iter().count(), 1);
        for (name, value) in &sent {
            let class = class(name.as_str());
            let bytes = class.as_bytes();
            let dropped = GATES.contains(&bytes) || STRIPPED.contains(&bytes) || PREFIXES.iter().any(|prefix| bytes.starts_with(prefix));
            prop_assert!(!dropped || value != "forged");
        }
    }

    #[test]
    fn no_cookie_line_carries_the_gates_cookies_on(line in "[ \t=;a_Hostrlegx.0-]{0,10}(; ?__Host-rolegate(-refresh)?[ \t]*=?[a-z]{0,3}){0,3}[ ;=]{0,3}") {
        let own = OwnCookies { bases: vec!["__Host-rolegate".into()] };
        if let Some(kept) = sent(&[("cookie", &line)], None).get("cookie") {
            for pair in kept.as_bytes().split(|&byte| byte == b';') {
                let name = trim(pair.split(|&byte| byte == b'=').next().unwrap());
                prop_assert!(!own.is_own(name), "{:?}", kept);
            }
        }
    }
}

#[test]
fn where_the_gate_speaks_authorization_nobody_else_does() {
    let client = [
        ("authorization", "Bearer of-the-client"),
        ("Authorization", "Basic YTpi"),
        ("author_ization", "x"),
        ("a.uthorization", "y"),
        ("authorizations", "another name"),
    ];
    let mut plan = plan(Some("ada"));
    let passed = scrub().outgoing(head(&client), &plan.host, &plan, false);
    assert_eq!(passed.get_all("authorization").iter().count(), 2, "untouched elsewhere");
    plan.identity.push((header::AUTHORIZATION, HeaderValue::from_static("Bearer of-the-person")));
    let sent = scrub().outgoing(head(&client), &plan.host, &plan, false);
    assert_eq!(sent.get_all("authorization").iter().collect::<Vec<_>>(), ["Bearer of-the-person"]);
    assert!(!sent.contains_key("author_ization") && !sent.contains_key("a.uthorization"));
    assert!(sent.contains_key("authorizations"));
}
