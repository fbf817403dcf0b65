use super::*;
use crate::config::settings::Scheme;

fn origin() -> Origin {
    Origin { scheme: Scheme::Https, host: "app.test".into(), port: 443 }
}

fn parse(given: &str) -> Option<String> {
    let (origin, origins) = (origin(), [origin()]);
    let hosts = [
        ReturnHost { host: "foo.bar".into(), subdomains: false, port: ReturnPort::Default },
        ReturnHost { host: "example.com".into(), subdomains: true, port: ReturnPort::Any },
        ReturnHost { host: "port.bar".into(), subdomains: false, port: ReturnPort::Exactly(8080) },
    ];
    let bounds = Bounds {
        origin: &origin,
        origins: &origins,
        hosts: &hosts,
        auth_prefix: "/oauth2",
        keeps_slashes: false,
    };
    ReturnTo::parse(given, &bounds).map(|to| to.as_str().to_owned())
}

#[test]
fn a_deep_link_is_kept_exactly() {
    for path in ["/", "/reports/q3?x=1&y=a%2Fb", "/s?url=https://x.example//y", "/a/b/?//#frag", "/a%20b"] {
        assert_eq!(parse(path).as_deref(), Some(format!("https://app.test{path}").as_str()));
    }
    assert_eq!(parse("https://app.test/x?a=1").as_deref(), Some("https://app.test/x?a=1"));
}

#[test]
fn a_listed_host_is_allowed_by_label_and_port() {
    assert!(parse("https://foo.bar/x").is_some());
    assert!(parse("https://foo.bar:8443/x").is_none());
    assert!(parse("https://a.example.com:9/x").is_some());
    assert!(parse("https://example.com/x").is_some());
    assert!(parse("https://evilexample.com/x").is_none());
    assert!(parse("https://example.com.evil/x").is_none());
    assert!(parse("http://port.bar:8080/x").is_some());
    assert!(parse("http://port.bar/x").is_none());
}

#[test]
fn everything_else_is_not_acceptable() {
    for given in [
        "",
        "x",
        "?x",
        "#x",
        ".",
        "..",
        "//evil.com",
        "///evil.com",
        "/\\evil.com",
        "\\/evil.com",
        "/\t/evil.com",
        "/.//evil.com",
        "/..//evil.com",
        "/x/../..//evil.com",
        "/%2e/x",
        "/%2e%2e//evil.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:app.test",
        "https:/app.test/",
        "https:///app.test",
        "https://app.test@evil.com/",
        "https://app.test:443@evil.com",
        "https://u:p@app.test/",
        "https://@app.test/",
        "https://app.test.evil.com",
        "http://app.test/",
        "https://app.test:8443/",
        "https://app.test:0/",
        "https://app.test\\.evil.com",
        "https://evil.com#@app.test",
        "https://evil.com?@app.test",
        "https://ａpp.test/",
        "/%2f%2fevil.com",
        "%2f%2fevil.com",
        "/a%00",
        "/a b",
        "/é",
        "ftp://app.test/",
        "https://[::1]/",
        "https://2130706433/",
        "/oauth2/signout",
        "/oauth2",
        "/OAuth2/start?rd=/x",
        "/oauth2;x/signout",
        "https://app.test/oauth2/signout",
    ] {
        assert_eq!(parse(given), None, "{given}");
    }
    assert_eq!(parse(&format!("/{}", "x".repeat(MAX_LEN))), None);
    assert!(parse("/oauth2x").is_some());
}

#[test]
fn what_is_kept_is_never_read_as_another_host() {
    let origins = [origin()];
    let bounds = Bounds {
        origin: &origins[0],
        origins: &origins,
        hosts: &[],
        auth_prefix: "/oauth2",
        keeps_slashes: false,
    };
    let kept = |given: &str| ReturnTo::parse(given, &bounds).unwrap().relative_to(&origins[0]).to_owned();
    assert_eq!(kept("https://app.test/a?b"), "/a?b");
    assert_eq!(kept("https://app.test//evil.test/"), "https://app.test//evil.test/");
}
