//! The heads that leave: toward the upstream with our identity and nobody else's, toward the client without
//! the gate's names.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::forward::answer::{Asked, Cacheability};
use crate::forward::headers::{OwnCookies, Scrub, framing_faults};
use crate::forward::plan::{Forwarded, Plan};

const PASS: &str = "__Host-rolegate";

/// Whatever a client sends (`name: value` a line): the upstream sees the gate's identity headers and nobody
/// else's; and whatever an upstream answers, it sets no cookie of the gate and speaks not in its name.
pub fn headers(data: &[u8]) {
    let mut head = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(100) {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..at], line.get(at + 1..).unwrap_or_default());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.trim_ascii()), HeaderValue::from_bytes(value.trim_ascii()))
        {
            head.append(name, value);
        }
    }
    let _ = framing_faults(&head);
    for signed_in in [true, false] {
        toward_upstream(&head, signed_in);
    }
    for cacheability in [Cacheability::Keep, Cacheability::Private, Cacheability::PrivateNoStore] {
        toward_client(&head, cacheability);
    }
}

/// What goes on of a head, for a gate whose pass has this name.
pub(super) fn sent_on(head: &HeaderMap, pass: &str) -> HeaderMap {
    let plan = plan(false, Cacheability::Keep);
    scrub(pass).outgoing(head.clone(), &plan.host, &plan, false)
}

fn toward_upstream(client: &HeaderMap, signed_in: bool) {
    let plan = plan(signed_in, Cacheability::Keep);
    let sent = scrub(PASS).outgoing(client.clone(), &plan.host, &plan, false);
    for (class, ours) in [("xuser", "ada"), ("xroles", "reader,writer"), ("xpetpreference", "cat")] {
        let there: Vec<&[u8]> = of_class(&sent, class);
        let wanted: &[&[u8]] = if signed_in { &[ours.as_bytes()] } else { &[] };
        assert_eq!(there, wanted, "{class}");
    }
    for (class, ours) in [
        ("xforwardedfor", "192.0.2.1"),
        ("xforwardedproto", "https"),
        ("xforwardedhost", "app.test"),
        ("xrequestid", "gate-1"),
        ("host", "app.test"),
    ] {
        assert_eq!(of_class(&sent, class), [ours.as_bytes()], "{class}");
    }
    for (name, _) in &sent {
        let class = class(name);
        assert!(!GONE.contains(&class.as_str()), "{name} went on");
        let family = GONE_FAMILIES.iter().any(|family| class.starts_with(family));
        assert!(!family || name.as_str().starts_with("x-forwarded-"), "{name} went on");
    }
    for listed in listed(client) {
        if let Ok(name) = HeaderName::from_bytes(&listed)
            && !STAYS.contains(&name.as_str())
            && !SET_ANEW.contains(&name.as_str())
        {
            assert!(!sent.contains_key(&name), "{name} is listed in Connection and went on");
        }
    }
}

fn toward_client(upstream: &HeaderMap, cacheability: Cacheability) {
    let plan = plan(true, cacheability);
    let mut sent = upstream.clone();
    let asked = Asked { head: false, status: http::Response::new(()).status() };
    if scrub(PASS).fit(&mut sent, asked, &plan).is_err() {
        return;
    }
    for line in sent.get_all(header::SET_COOKIE) {
        let name = line.as_bytes().split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
        let own = ["", "-refresh", "-token"].iter().any(|kind| name == format!("{PASS}{kind}"))
            || name.starts_with(&format!("{PASS}-login-"));
        assert!(!own, "the upstream set {line:?}");
    }
    for (name, _) in &sent {
        assert!(!["xuser", "xroles", "xpetpreference"].contains(&class(name).as_str()), "{name} came back");
        assert!(!["connection", "transfer-encoding", "upgrade"].contains(&name.as_str()), "{name} came back");
    }
    let ids: Vec<_> = sent.get_all("x-request-id").iter().collect();
    assert_eq!(ids, ["gate-1"]);
    let caches: Vec<String> = sent
        .get_all(header::CACHE_CONTROL)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase())
        .collect();
    match cacheability {
        Cacheability::Keep => {}
        Cacheability::PrivateNoStore => assert_eq!(caches, ["private, no-store"]),
        Cacheability::Private => {
            let [line] = &caches[..] else { panic!("not one Cache-Control: {caches:?}") };
            assert!(line.starts_with("private"), "{line}");
            // What stands in quotes is nobody's directive, whatever commas it holds.
            let quoted =
                line.split('"').enumerate().map(|(at, text)| if at % 2 == 1 { "quoted" } else { text });
            let masked: String = quoted.collect();
            let shared = masked.split(',').any(|directive| {
                let name = directive.split('=').next().unwrap_or_default().trim();
                name == "public" || name == "s-maxage"
            });
            assert!(!shared, "{line}");
        }
    }
}

fn scrub(pass: &str) -> Scrub {
    let names = ["x-user", "x-roles", "x-pet-preference"].map(HeaderName::from_static);
    Scrub::new(OwnCookies { bases: vec![pass.to_owned()] }, &names)
}

fn plan(signed_in: bool, cacheability: Cacheability) -> Plan {
    let identity = [("x-user", "ada"), ("x-roles", "reader,writer"), ("x-pet-preference", "cat")]
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Plan {
        upstream: 0,
        drops_authorization: false,
        target: http::uri::PathAndQuery::from_static("/"),
        host: HeaderValue::from_static("app.test"),
        identity: if signed_in { identity.to_vec() } else { vec![] },
        forwarded: Forwarded {
            for_: HeaderValue::from_static("192.0.2.1"),
            proto: "https",
            host: HeaderValue::from_static("app.test"),
            prefix: None,
        },
        request_id: HeaderValue::from_static("gate-1"),
        trace: None,
        upgrade: false,
        cacheability,
    }
}

/// What a backend that folds names sees.
fn class(name: &HeaderName) -> String {
    name.as_str().chars().filter(char::is_ascii_alphanumeric).collect()
}

fn of_class<'a>(head: &'a HeaderMap, wanted: &str) -> Vec<&'a [u8]> {
    head.iter().filter(|(name, _)| class(name) == wanted).map(|(_, value)| value.as_bytes()).collect()
}

fn listed(head: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = head.get_all(header::CONNECTION).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|name| name.trim_ascii().to_vec())
        .collect()
}

/// Hop-by-hop and framing (RFC 9110 §7.6.1), and identity of other proxies', by class.
const GONE: &[&str] = &[
    "connection",
    "keepalive",
    "te",
    "trailer",
    "transferencoding",
    "contentlength",
    "upgrade",
    "expect",
    "http2settings",
    "forwarded",
    "xrealip",
    "xrolegateassertion",
    "remoteuser",
    "xremoteuser",
    "xoriginalurl",
    "xrewriteurl",
];
const GONE_FAMILIES: &[&str] = &["xforwarded", "xauthrequest", "xwebauth", "xamznoidc", "sslclient", "proxy"];
/// A client gains nothing by listing these.
const STAYS: &[&str] = &[
    "cookie",
    "authorization",
    "host",
    "origin",
    "content-type",
    "content-encoding",
    "cache-control",
    "set-cookie",
];
const SET_ANEW: &[&str] = &[
    "x-user",
    "x-roles",
    "x-pet-preference",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "keep-alive",
    "close",
    "upgrade",
    "te",
];
