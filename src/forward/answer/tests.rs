use super::super::{Forwarded, OwnCookies};
use super::*;

fn fit(lines: &[(&str, &str)], cacheability: Cacheability) -> Result<HeaderMap, &'static str> {
    let names = ["x-user", "x-roles", "x-pet"].map(HeaderName::from_static);
    let scrub = Scrub::new(OwnCookies { bases: vec!["__Host-rolegate".into()] }, &names);
    let value = HeaderValue::from_static;
    let plan = Plan {
        upstream: 0,
        drops_authorization: false,
        target: "/".parse().unwrap(),
        host: value("a"),
        identity: Vec::new(),
        forwarded: Forwarded { for_: value("192.0.2.1"), proto: "https", host: value("a"), prefix: None },
        request_id: value("gate-1"),
        trace: None,
        upgrade: false,
        cacheability,
    };
    let mut head = HeaderMap::new();
    for (name, value) in lines {
        head.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    scrub.fit(&mut head, Asked { head: false, status: StatusCode::OK }, &plan).map(|()| head)
}

fn cache_control(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
    let head = fit(&lines, Cacheability::Private).unwrap();
    assert_eq!(head.get_all("cache-control").iter().count(), 1);
    head["cache-control"].to_str().unwrap().to_owned()
}

#[test]
fn hop_by_hop_headers_of_the_answer_end_here() {
    let head = fit(
        &[
            ("connection", "keep-alive, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("upgrade", "h2c"),
            ("proxy-authenticate", "Basic"),
            ("transfer-encoding", "chunked"),
            ("content-type", "text/plain"),
        ],
        Cacheability::Keep,
    )
    .unwrap();
    let mut names: Vec<_> = head.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "x-request-id"]);
}

#[test]
fn an_upstream_cannot_set_the_gates_cookies_or_echo_identity() {
    // HDR-31
    let head = fit(
        &[
            ("set-cookie", "a=1; Path=/"),
            ("set-cookie", "__Host-rolegate=evil; Path=/"),
            ("set-cookie", " \t__Host-rolegate-refresh.0\t=evil"),
            ("set-cookie", "=__Host-rolegate=evil"),
            ("set-cookie", "__Host-rolegate"),
            ("set-cookie", "b=__Host-rolegate; Secure"),
            ("x-user", "viewer"),
            ("X_Roles", "admin"),
            ("x-pet", "cat"),
            ("x-rolegate-assertion", "t"),
        ],
        Cacheability::Keep,
    )
    .unwrap();
    let cookies: Vec<_> = head.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/", "b=__Host-rolegate; Secure"]);
    assert_eq!(head.len(), 3);
}

#[test]
fn a_private_answer_says_nothing_to_shared_caches() {
    // CON-02
    assert_eq!(cache_control(&[]), "private");
    assert_eq!(cache_control(&["public, max-age=60"]), "private, max-age=60");
    assert_eq!(cache_control(&["Public", "S-MaxAge=9, no-cache"]), "private, no-cache");
    assert_eq!(
        cache_control(&["private=\"a, public\", x=\"s-maxage, \\\" public\""]),
        "private, x=\"s-maxage, \\\" public\""
    );
    assert_eq!(cache_control(&["no-store"]), "private, no-store");
    assert_eq!(cache_control(&["x=\"open, no-store"]), "private, no-store");
    let targeted = [
        ("cdn-cache-control", "max-age=9"),
        ("surrogate-control", "x"),
        ("cloudflare-cdn-cache-control", "x"),
    ];
    assert_eq!(fit(&targeted, Cacheability::Private).unwrap().len(), 2);
    assert_eq!(fit(&targeted, Cacheability::Keep).unwrap().len(), 4);
}

#[test]
fn an_answer_with_the_gates_cookie_is_for_no_cache() {
    let head = fit(&[("cache-control", "public, max-age=60")], Cacheability::PrivateNoStore).unwrap();
    assert_eq!(head["cache-control"], "private, no-store");
}

#[test]
fn a_public_answer_keeps_its_cacheability() {
    let head = fit(&[("cache-control", "public, s-maxage=60")], Cacheability::Keep).unwrap();
    assert_eq!(head["cache-control"], "public, s-maxage=60");
}

#[test]
fn framing_with_more_than_one_meaning_is_a_bad_answer() {
    // SMG-48
    for lines in [
        &[("content-length", "5"), ("content-length", "5")][..],
        &[("content-length", "5"), ("transfer-encoding", "chunked")],
        &[("content-length", "-5")],
        &[("content-length", "")],
        &[("content-length", "5, 5")],
        &[("transfer-encoding", ",chunked")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    ] {
        assert!(fit(lines, Cacheability::Keep).is_err(), "{lines:?}");
    }
}

#[test]
fn the_gates_request_id_replaces_the_upstreams() {
    let head = fit(&[("x-request-id", "theirs"), ("x-request-id", "more")], Cacheability::Keep).unwrap();
    assert_eq!(head.get_all("x-request-id").iter().collect::<Vec<_>>(), ["gate-1"]);
}

#[test]
fn the_upstreams_patience_is_read() {
    let timeout = |line: &str| {
        keep_alive_timeout(
            &[(HeaderName::from_static("keep-alive"), line.parse().unwrap())].into_iter().collect(),
        )
    };
    assert_eq!(timeout("timeout=5, max=100"), Some(5));
    assert_eq!(timeout("max=100, Timeout = 7"), Some(7));
    assert_eq!(timeout("max=100"), None);
    assert_eq!(timeout("timeout=soon"), None);
}
