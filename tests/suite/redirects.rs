//! Section C: whoever signs in or out ends where he meant to be, and never on a stranger's page.
//!
//! The oracle is a browser's: an address counts as the place where the WHATWG URL standard would take it.

use std::time::{Duration, Instant};

use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::corpus::{Case, case};
use crate::support::browser::{Browser, Kind, ORIGIN, address};
use crate::support::pool::{Asked, Endpoint};
use crate::support::upstream;
use crate::support::wire::{Answer, Ended, Head, Wire};
use crate::support::world::{Setup, Who, World};

/// Where everything ends that is not acceptable.
const HOME: &str = "https://app.test/";

/// Own hosts beside the origin, so that a refusal is not just for want of any.
const HOSTS: &str =
    r#"allowed_return_hosts = [".example.com", "port.example.net:8443", "any.example.net:*"]"#;

pub fn bench() -> World {
    Setup::bench().top(HOSTS).start()
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ELSEWHERE
        .iter()
        .map(|(id, values)| {
            let ids: &'static [&'static str] = Box::leak(Box::new([*id]));
            case(ids, move |world| values.iter().for_each(|value| is_refused(world, value)))
        })
        .collect();
    cases.extend([
        case(&["RED-14"], |world| {
            for query in ["rd=/ok&rd=//evil.com", "rd=/ok&rd=/ok", "%72d=/ok&rd=/x", "rd&rd=/x"] {
                for page in ["start", "signout"] {
                    let answer = get(world, &mut signed_out(world), &format!("/oauth2/{page}?{query}"), "");
                    let answer = answer.unwrap();
                    assert_eq!(answer.status, 400, "{page}?{query}: {answer:#?}");
                    assert!(answer.header("location").is_none());
                }
            }
            for query in ["rd[]=//evil.com", "RD=//evil.com", "rd%00=//evil.com", "rd%20=//evil.com"] {
                assert_eq!(through_start(world, query), HOME, "{query}");
            }
            assert_eq!(through_start(world, "rd=/ok&RD=//evil.com&rd[]=//evil.com"), "https://app.test/ok");
        }),
        case(&["RED-18"], every_known_redirect_through_every_carrier),
        case(&["RED-19"], |world| {
            for value in ELSEWHERE.iter().flat_map(|(_, values)| *values) {
                let encoded = encode(value);
                assert_eq!(through_landing(world, &format!("rd={encoded}")), HOME, "{value:?}");
                assert_eq!(through_switch(world, &format!("rd={encoded}")), HOME, "{value:?}");
            }
            for name in ["next", "post_logout_redirect_uri", "logout_uri", "redirect_uri", "returnTo"] {
                let query = format!("{name}=https%3A%2F%2Fevil.com%2F");
                assert_eq!(through_landing(world, &query), HOME, "{query}");
                assert_eq!(through_switch(world, &query), HOME, "{query}");
            }
            for (value, end) in KEPT {
                assert_eq!(through_landing(world, &format!("rd={}", encode(value))), *end);
                assert_eq!(through_switch(world, &format!("rd={}", encode(value))), *end);
            }
        }),
        case(&["RED-21", "RED-22", "RED-23"], the_callback_is_the_configurations),
        case(&["RED-24"], |world| {
            for value in
                ["https://evil.com/", "javascript:alert(1)", "https://app.test/admin/deep", "/admin", "//evil.com"]
            {
                for name in ["Referer", "X-Auth-Request-Redirect", "X-Forwarded-Uri", "X-Original-URL", "Origin"] {
                    let mut browser = signed_out(world);
                    let answer = get(world, &mut browser, "/oauth2/start", &format!("{name}: {value}\r\n"));
                    assert_eq!(finish(world, &mut browser, &answer.unwrap()), HOME, "{name}: {value}");
                }
            }
        }),
        case(&["RED-26"], |world| {
            // What the application says goes through as it is: it knows its own names (`pass_host`).
            world.upstream.at(
                "/public/moved",
                upstream::answers_with(
                    "HTTP/1.1 302 Found\r\nLocation: http://other.internal:8080/x\r\nContent-Length: 0\r\n\r\n",
                ),
            );
            let exchange = world.attack(Who::Nobody, "GET /public/moved HTTP/1.1\r\nHost: app.test\r\n\r\n");
            assert_eq!(exchange.answers[0].location(), "http://other.internal:8080/x");
            // The upstream's own address it cannot learn from us.
            let address = world.upstream.address.to_string();
            let seen = exchange.one().unwrap();
            let told = seen.head.headers.iter().find(|(_, value)| value.contains(&address));
            assert!(told.is_none(), "the upstream is told its internal address: {told:?}");
        }),
        case(&["RED-27"], |world| {
            for (target, end) in [
                ("//evil.com/..", "https://app.test/"),
                ("//evil.com/%2e%2e", "https://app.test/"),
                ("//evil.com", "https://app.test/evil.com"),
                ("///evil.com/x?y=//z", "https://app.test/evil.com/x?y=//z"),
                ("/x//evil.com", "https://app.test/x/evil.com"),
                ("/./evil.com/.//y", "https://app.test/evil.com/y"),
                ("/s?url=https://x.test//y", "https://app.test/s?url=https://x.test//y"),
                ("/s?a=b%2Fc&d=%25&e=+", "https://app.test/s?a=b%2Fc&d=%25&e=+"),
            ] {
                let mut browser = signed_out(world);
                let answer = get(world, &mut browser, target, "").unwrap();
                assert_eq!(answer.status, 302, "{target}: {answer:#?}");
                assert_eq!(finish(world, &mut browser, &answer), end, "{target}");
            }
        }),
        case(&["RED-28"], |world| {
            let json = "Accept: application/json\r\n";
            let prefetch = format!("{}Sec-Purpose: prefetch\r\n", Kind::Navigate.lines());
            for (method, lines, page) in [
                ("GET", Kind::Fetch.lines(), false),
                ("GET", Kind::Program.lines(), false),
                ("GET", Kind::CrossSiteImage.lines(), false),
                ("GET", Kind::Frame.lines(), true),
                ("GET", json, false),
                ("GET", "X-Requested-With: XMLHttpRequest\r\n", false),
                ("GET", prefetch.as_str(), false),
                ("POST", Kind::Fetch.lines(), false),
                ("POST", Kind::Form.lines(), true),
                ("DELETE", "Accept: text/html\r\n", true),
            ] {
                let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
                for target in ["/x", "/x?rd=//evil.com"] {
                    let exchange = world.attack(
                        Who::Nobody,
                        format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{lines}{length}\r\n"),
                    );
                    exchange.must_be_refused(&[401]);
                    let answer = &exchange.answers[0];
                    assert!(answer.header("location").is_none(), "{}", exchange.told());
                    assert!(answer.head.all("set-cookie").is_empty(), "{}", exchange.told());
                    let html = answer.header("content-type").unwrap().starts_with("text/html");
                    assert_eq!(html, page, "{}", exchange.told());
                }
            }
        }),
        // Not to be refused: a gate that sends everybody home would pass all of the above.
        case(&["RED-08", "RED-09", "RED-16"], |world| {
            for (value, end) in KEPT {
                assert_eq!(through_start(world, &format!("rd={}", encode(value))), *end, "{value}");
            }
        }),
    ]);
    cases
}

const ELSEWHERE: &[(&str, &[&str])] = &[
    ("RED-01", &["//evil.com", "///evil.com", "////evil.com", "//evil.com/%2f..", "//evil.com/..", "//"]),
    ("RED-02", &["/\\evil.com", "\\/\\/evil.com", "/\\/evil.com", "\\\\evil.com", "/x\\evil", "\\evil.com"]),
    (
        "RED-03",
        &[
            "/\t/evil.com",
            "/\n/evil.com",
            "/\r\n/evil.com",
            "/\u{b}/evil.com",
            "/%09/evil.com",
            "/%0d%0a/evil.com",
            "/%0a",
            "/x\r\nSet-Cookie: a=b",
            "/x?\r\nLocation: //evil.com",
            "\t//evil.com",
            " //evil.com",
            "/\u{0}/evil.com",
            "/ok ",
        ],
    ),
    ("RED-04", &["/.//evil.com", "/..//evil.com", "/x/../..//evil.com", "/%2e//evil.com", "/x/..//evil.com"]),
    (
        "RED-06",
        &[
            "javascript:alert(1)",
            "JavaScript://app.test/%0aalert(1)",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:x",
            "\u{19}javascript:alert(1)",
            "java\tscript:alert(1)",
            "blob:https://app.test/x",
            "file:///etc/passwd",
            "ftp://app.test/",
            "ws://app.test/",
            "https:app.test",
            "https:/app.test/x",
            "https:///app.test/x",
            "x",
            "app.test/x",
        ],
    ),
    (
        "RED-07",
        &[
            "https://app.example.com@evil.com",
            "https://app.example.com:443@evil.com",
            "//a@evil.com",
            "https://u:p@app.example.com/",
            "https://@app.example.com/",
            "https://app.test@evil.com/",
            "https://evil.com@app.test/x",
        ],
    ),
    (
        "RED-08",
        &[
            "https://app.example.com.evil.com",
            "https://evilexample.com",
            "https://example.com.evil",
            "https://.example.com/",
            "https://xexample.com/",
            "https://app.test.evil.com/",
            "https://evilapp.test/",
            "https://any.example.net.evil.com:1/",
            "https://sub.any.example.net/",
            "http://app.test/",
        ],
    ),
    (
        "RED-09",
        &[
            "https://app.example.com:8443/",
            "https://app.example.com:0",
            "https://app.example.com:65536",
            "https://app.example.com:080",
            "https://app.test:8443/",
            "http://app.test:443/",
            "https://port.example.net/",
            "https://port.example.net:8444/",
            "https://app.example.com:x/",
            "https://app.example.com:-1/",
        ],
    ),
    (
        "RED-11",
        &[
            "https://app.example.com\\.evil.com",
            "https://evil.com\\@app.example.com",
            "https://evil.com#@app.example.com",
            "https://evil.com?@app.example.com",
            "https://evil.com/@app.example.com",
            "https://evil.com%23@app.example.com",
            "https://app.example.com%2eevil.com",
            "https://evil.com%2f@app.example.com",
        ],
    ),
    (
        "RED-12",
        &[
            "https://\u{ff41}pp.example.com",
            "https://app\u{3002}example.com",
            "https://app.ex\u{e4}mple.com/",
            "https://app.xn--exmple-cua.com/",
            "https://xn--app-.test/",
            "https://xn--app.test/",
            "https://app.te\u{df}t/",
            "/\u{ff0f}evil.com",
        ],
    ),
    (
        "RED-13",
        &[
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0/",
        ],
    ),
    (
        "RED-16",
        &[
            "/oauth2/signout",
            "/oauth2/sign_out?rd=/x",
            "/oauth2/start?rd=/x",
            "/oauth2/start?rd=%2Foauth2%2Fstart%3Frd%3D%2Fx",
            "/oauth2/callback",
            "/oauth2",
            "/oauth2/",
            "/OAUTH2/signout",
            "/%6fauth2/signout",
            "/oauth2;x/signout",
            "https://app.test/oauth2/signout",
            "https://app.test//oauth2/signout",
            "https://app.test/x/../oauth2/signout",
            "//oauth2/signout",
        ],
    ),
    (
        "RED-17",
        &["", "?", "?x=y", "#frag", ".", "..", "./x", "../x", "%2f%2fevil.com", "%68%74%74%70%3a//evil.com"],
    ),
];

/// What must not be lost, and where it leads.
const KEPT: &[(&str, &str)] = &[
    ("/", "https://app.test/"),
    ("/ok", "https://app.test/ok"),
    ("/reports/q3?x=1&y=a%2Fb", "https://app.test/reports/q3?x=1&y=a%2Fb"),
    ("/s?url=https://evil.com//x&again=//y", "https://app.test/s?url=https://evil.com//x&again=//y"),
    ("/s?rd=//evil.com#frag//x", "https://app.test/s?rd=//evil.com#frag//x"),
    ("/a%20b/%C3%BC?q=%25", "https://app.test/a%20b/%C3%BC?q=%25"),
    ("/x?y=\\z", "https://app.test/x?y=\\z"),
    ("/oauth2x", "https://app.test/oauth2x"),
    ("/x/oauth2/start", "https://app.test/x/oauth2/start"),
    ("https://app.test/x?y", "https://app.test/x?y"),
    ("https://app.test", "https://app.test/"),
    ("https://app.example.com/x//y?z=//w", "https://app.example.com/x//y?z=//w"),
    ("https://deep.app.example.com/", "https://deep.app.example.com/"),
    ("https://port.example.net:8443/x", "https://port.example.net:8443/x"),
    ("http://any.example.net:81/x", "http://any.example.net:81/x"),
    ("https://any.example.net/x", "https://any.example.net/x"),
];

/// Encoded as a whole, and as it stands where a query may hold it: both end at home.
fn is_refused(world: &World, value: &str) {
    assert_eq!(through_start(world, &format!("rd={}", encode(value))), HOME, "{value:?}");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:.@?=;,~!$*()-_%[]".contains(&byte);
    if value.bytes().all(plain) {
        assert_eq!(through_start(world, &format!("rd={value}")), HOME, "rd={value} as it stands");
    }
}

/// Where a login with this query of `/oauth2/start` ends.
fn through_start(world: &World, query: &str) -> String {
    let mut browser = signed_out(world);
    let answer = get(world, &mut browser, &format!("/oauth2/start?{query}"), "").unwrap();
    assert_eq!(answer.status, 302, "start?{query}: {answer:#?}");
    finish(world, &mut browser, &answer)
}

/// Where the landing page's link leads after a sign-out with this query.
fn through_landing(world: &World, query: &str) -> String {
    let page = sign_out(world, query);
    let html = page.answer.text();
    let at = html.find("class=\"first\" href=\"").unwrap_or_else(|| panic!("{query}: no link: {html}"));
    let href = html[at + 20..].split('"').next().unwrap();
    assert_eq!(page.answer.status, 200, "{query}");
    href.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// Where "use another account" with this query ends.
fn through_switch(world: &World, query: &str) -> String {
    let query = format!("switch=1&{query}");
    let mut browser = signed_out(world);
    browser.jar.plant("__Host-rolegate", "stale");
    let answer = get(world, &mut browser, &format!("/oauth2/signout?{query}"), "").unwrap();
    assert_eq!(answer.status, 302, "{query}: {answer:#?}");
    finish(world, &mut browser, &answer)
}

fn sign_out(world: &World, query: &str) -> crate::support::browser::Page {
    let mut browser = signed_out(world);
    browser.jar.plant("__Host-rolegate", "stale");
    let answer = get(world, &mut browser, &format!("/oauth2/signout?{query}"), "").unwrap();
    let logout = format!("{}/logout?", world.pool.origin());
    assert!(answer.status == 302 && answer.location().starts_with(&logout), "{query}: {answer:#?}");
    browser.follow(answer.location(), |_| false)
}

fn signed_out(world: &World) -> Browser {
    let mut browser = world.browser();
    browser.signs_in_as = Some("user".into());
    browser
}

/// A navigation to exactly this target.
fn get(world: &World, browser: &mut Browser, target: &str, lines: &str) -> Result<Answer, Ended> {
    let mut wire = Wire::connect(world.gate.public);
    let cookies = browser.cookies("/");
    let cookies = if cookies.is_empty() { cookies } else { format!("Cookie: {cookies}\r\n") };
    let head = format!(
        " HTTP/1.1\r\nHost: app.test\r\n{}{cookies}{lines}Connection: close\r\n\r\n",
        Kind::Navigate.lines()
    );
    wire.write(&[b"GET ", target.as_bytes(), head.as_bytes()].concat());
    let answer = wire.answer(false)?;
    browser.jar.keep(&address("/"), &answer);
    Ok(answer)
}

/// Signs in at the pool that an answer leads to, and gives the address that the callback leads to.
fn finish(world: &World, browser: &mut Browser, answer: &Answer) -> String {
    let mut at_pool = Url::parse(answer.location()).unwrap();
    if at_pool.path() == "/logout" {
        let is_login = |next: &Url| next.path() == "/oauth2/authorize";
        at_pool = Url::parse(browser.follow(at_pool.as_str(), is_login).answer.location()).unwrap();
    }
    assert!(at_pool.as_str().starts_with(&format!("{}/oauth2/authorize?", world.pool.origin())), "{at_pool}");
    let parameters = at_pool.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned()));
    let asked = Asked {
        endpoint: Endpoint::Authorize,
        method: "GET".into(),
        target: String::new(),
        head: Head::default(),
        parameters: parameters.collect(),
    };
    let mut callback = Url::parse(asked.parameter("redirect_uri").unwrap()).unwrap();
    let code = world.pool.issue_code("user", &asked);
    callback
        .query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", asked.parameter("state").unwrap());
    let end = browser.open(callback.as_str());
    assert_eq!(end.status, 302, "the login did not end: {end:#?}");
    let location = end.location().to_owned();
    assert!(Url::parse(&location).is_ok_and(|url| url.has_host()), "not absolute: {location:?}");
    location
}

fn encode(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn the_callback_is_the_configurations(world: &World) {
    let lies = [
        "X-Forwarded-Host: evil.com\r\n",
        "Forwarded: host=evil.com;proto=http\r\n",
        "X-Host: evil.com\r\nX-Original-Host: evil.com\r\n",
        "X-Forwarded-Proto: javascript\r\n",
        "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n",
        "X-Forwarded-Prefix: //evil.com\r\nX-Script-Name: //evil.com\r\n",
        "X-Forwarded-Host: evil.com\r\nX-Forwarded-Host: app.test\r\n",
    ];
    for target in ["/oauth2/start?rd=/x", "/x"] {
        for lines in lies {
            let answer = get(world, &mut world.browser(), target, lines).unwrap();
            assert_eq!(answer.status, 302, "{lines:?}: {answer:#?}");
            let to = Url::parse(answer.location()).unwrap();
            let told: Vec<_> = to.query_pairs().filter(|(name, _)| name == "redirect_uri").collect();
            assert_eq!(told.len(), 1);
            assert_eq!(told[0].1, "https://app.test/oauth2/callback", "{lines:?}");
            assert!(answer.location().starts_with(&world.pool.origin()), "{lines:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            for cookie in answer.head.all("set-cookie") {
                assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{lines:?}: {cookie}");
            }
            let shown = format!("{:?}", answer.head);
            assert!(!shown.contains("evil.com"), "{lines:?}: {shown}");
        }
        for host in ["evil.com", "app.test.evil.com", "app.test:444", "evil.com:443"] {
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", Kind::Navigate.lines());
            let exchange = world.attack(Who::Nobody, bytes);
            let answer = &exchange.answers[0];
            assert_eq!((answer.status, answer.location()), (302, format!("{ORIGIN}{target}").as_str()));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(answer.head.all("set-cookie").is_empty(), "{}", exchange.told());
        }
    }
}

/// One row of `redirects.tsv`.
struct Row {
    /// As it stands behind `rd=`.
    encoded: String,
    decoded: String,
    utf8: bool,
    valid: bool,
}

fn rows() -> (Vec<Row>, Vec<String>) {
    let table = include_str!("../fixtures/redirects.tsv");
    let mut hosts = Vec::new();
    let rows = table.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        hosts = columns[2].split(',').map(|host| host.replace("*.", ".")).collect();
        // What is no UTF-8 is written down as Latin-1, with a note.
        let (text, utf8) = match columns[3].split_once(" (latin1") {
            Some((text, _)) => (text, false),
            None => (columns[3], true),
        };
        let decoded: String = serde_json::from_str(text).unwrap();
        Row { encoded: columns[0].into(), decoded, utf8, valid: columns[1] == "valid" }
    });
    let rows: Vec<Row> = rows.collect();
    (rows, hosts)
}

/// Whether a browser that is sent there ends on the own origin or on a host that was listed.
fn is_allowed(location: &str, hosts: &[String]) -> bool {
    let Ok(url) = Url::parse(ORIGIN).unwrap().join(location) else { return false };
    if url.origin() == Url::parse(ORIGIN).unwrap().origin() {
        return true;
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    matches!(url.scheme(), "http" | "https")
        && hosts.iter().any(|allowed| {
            let (name, allowed_port) = allowed.split_once(':').unwrap_or((allowed, ""));
            let named = match name.strip_prefix('.') {
                Some(domain) => host == domain || host.ends_with(name),
                None => host == name,
            };
            let ports = match allowed_port {
                "*" => true,
                "" => url.port().is_none(),
                exact => exact == port.to_string(),
            };
            named && ports
        })
}

fn every_known_redirect_through_every_carrier(_: &World) {
    let begun = Instant::now();
    let (rows, hosts) = rows();
    assert!(rows.len() > 300, "{} rows", rows.len());
    let world = Setup::bench().top(&format!("allowed_return_hosts = {hosts:?}")).start();
    let mark = world.mark();
    std::thread::scope(|scope| {
        let (world, hosts) = (&world, &hosts);
        for share in rows.chunks(rows.len().div_ceil(4)) {
            scope.spawn(move || share.iter().for_each(|row| goes_nowhere_else(world, hosts, row)));
        }
    });
    world.oracle(mark, &[world.session(Who::Nobody)]);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(30), "{} rows took {took:?}", rows.len());
}

fn goes_nowhere_else(world: &World, hosts: &[String], row: &Row) {
    let Row { encoded, decoded, valid, utf8 } = row;
    if !utf8 {
        for page in ["start", "signout", "signout?switch=1&x=y"] {
            let target =
                format!("/oauth2/{}{}rd={encoded}", page, if page.contains('?') { '&' } else { '?' });
            let answer = get(world, &mut signed_out(world), &target, "").unwrap();
            assert!(answer.status == 400 && answer.header("location").is_none(), "{target}: {answer:#?}");
        }
        return;
    }
    let expected = match decoded.strip_prefix('/') {
        Some(path) if *valid => Some(format!("{ORIGIN}/{path}")),
        _ => valid.then(|| decoded.clone()),
    };
    let check = |carrier: &str, end: &str| {
        assert!(is_allowed(end, hosts), "{decoded:?} through {carrier} ends at {end:?}");
        if let Some(expected) = &expected {
            assert_eq!(end, expected, "{decoded:?} through {carrier}");
        }
    };
    let query = format!("rd={encoded}");
    let visible = decoded.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    let said = if visible { decoded.as_str() } else { encoded.as_str() };
    let lies = format!(
        "Referer: {said}\r\nX-Auth-Request-Redirect: {said}\r\nX-Forwarded-Uri: {said}\r\nX-Forwarded-Host: {said}\r\n"
    );
    let mut browser = signed_out(world);
    let answer = get(world, &mut browser, &format!("/oauth2/start?{query}"), &lies).unwrap();
    check("start", &finish(world, &mut browser, &answer));
    check("signout", &through_landing(world, &query));
    check("signout?switch=1", &through_switch(world, &query));

    // As the request target itself, and behind a slash: a login comes back to the own origin, or none begins.
    let begins = |target: &str| {
        let mut browser = signed_out(world);
        match get(world, &mut browser, target, "") {
            Ok(answer) if answer.status == 302 => {
                let end = finish(world, &mut browser, &answer);
                assert!(end.starts_with(HOME), "the target {target:?} ends at {end:?}");
                return true;
            }
            Ok(answer) => assert!(matches!(answer.status, 400 | 404 | 421), "{target:?}: {answer:#?}"),
            Err(ended) => assert_eq!(ended, Ended::Closed, "{target:?}"),
        }
        false
    };
    let _ = begins(decoded)
        || begins(encoded)
        || begins(&format!("/{decoded}"))
        || begins(&format!("/{encoded}"));

    let nested = encode(&format!("/oauth2/start?rd={encoded}"));
    assert_eq!(through_start(world, &format!("rd={nested}")), HOME, "{decoded:?} nested");

    // What carries no return address.
    let form = format!("rd={encoded}");
    let answer = world.browser().post("/oauth2/start", &form);
    assert!(answer.status == 405 && answer.header("location").is_none(), "as a form: {answer:#?}");
    let answer = get(world, &mut world.browser(), &format!("/oauth2/callback?code=x&state={encoded}"), "");
    let answer = answer.unwrap();
    assert!(answer.status == 400 && answer.header("location").is_none(), "{decoded:?} as state: {answer:#?}");
}
