//! Section G: only a cookie that this gate sealed for this browser counts, and only as what it was sealed for.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::corpus::{Case, case};
use crate::support::browser::{Browser, Cookie, Kind};
use crate::support::pool::{CLIENT_SECRET, User};
use crate::support::token::random;
use crate::support::until;
use crate::support::upstream::{self, Recorder};
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Delivery, Exchange, Session, Setup, Who, World};

pub const PASS: &str = "__Host-rolegate";
pub const TICKET: &str = "__Host-rolegate-refresh";

pub fn cases() -> Vec<Case> {
    vec![
        case(&["CK-01"], |world| {
            for line in
                ["", "Cookie:\r\n", "Cookie: ;;; =; a\r\n", "Cookie: =\r\nCookie: ;\r\n", "Cookie: a\r\n"]
            {
                let bytes = format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{line}\r\n");
                world.attack(Who::Nobody, bytes).must_be_refused(&[401]);
            }
            for value in ["", "=", " ", "\t", ";", "\"\""] {
                no_session(world, format!("{PASS}={value}").as_bytes());
            }
            no_session(world, PASS.as_bytes());
        }),
        case(&["CK-02"], every_bit_of_the_pass_counts),
        case(&["CK-03"], only_the_canonical_encoding_counts),
        case(&["CK-04"], an_unknown_format_or_key_is_no_session_and_stays),
        case(&["CK-06"], a_cookie_of_another_pool_or_client_is_none),
        case(&["CK-07", "CK-08"], parts_count_only_whole_in_order_and_of_one_session),
        case(&["CK-09"], a_shorter_session_leaves_no_part_behind),
        case(&["CK-11", "CK-12", "CK-13", "CK-14"], a_name_is_its_bytes),
        case(&["CK-16"], a_jar_that_is_too_large_can_be_left),
        case(&["CK-17"], |world| {
            let session = world.session(Who::User);
            for junk in [&b"\x80\xff"[..], b"\xc3\xbc", b"a\xa0b"] {
                no_session(world, &[PASS.as_bytes(), b"=", junk].concat());
                // Beside a cookie that counts it makes no difference.
                let cookie = [session.cookie.as_bytes(), b"; ", PASS.as_bytes(), b"=", junk].concat();
                let exchange = send(world, &session, &cookie);
                assert_eq!(exchange.status(), 200, "{}", exchange.told());
            }
            for control in [&b"\0"[..], b"\r", b"\n", b"\x01", b"\x7f"] {
                let cookie = [session.cookie.as_bytes(), b"; a=", control, b"b"].concat();
                let exchange = send(world, &session, &cookie);
                exchange.must_be_refused(&[400]);
            }
        }),
        case(&["CK-18"], no_cookie_of_the_gate_reaches_the_upstream),
        case(&["CK-19", "CK-21"], an_upstream_sets_its_own_cookies_alone_and_one_a_line),
        case(&["CK-22"], a_login_replaces_whoever_was_planted),
        case(&["CK-23"], a_cookie_from_before_the_sign_out_is_refused),
        case(&["CK-24"], |_| a_cookie_from_before_the_refresh_is_served_for_a_while()),
        case(&["CK-27"], |_| a_weak_key_starts_no_gate()),
        case(&["CK-28"], |_| keys_roll_without_a_sign_out()),
        case(&["CK-29"], a_session_that_is_too_large_is_a_page_with_the_reason),
        case(&["CK-31"], |_| a_cookie_counts_at_its_own_origin_alone()),
        case(&["CK-32", "CK-33"], cookies_are_lax_and_a_frame_gets_a_page),
        case(&["CK-34"], |_| cleartext_is_for_loopback_and_said_aloud()),
        case(&["CK-38"], the_last_login_of_two_tabs_counts_whole),
    ]
}

/// A request with exactly these bytes as its one Cookie line; `session` is what it may turn out to be.
fn send(world: &World, session: &Session, cookie: &[u8]) -> Exchange {
    let bytes = [b"GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: ", cookie, b"\r\n\r\n"].concat();
    let identity = session.identity.clone();
    world.attack_as(&Session { cookie: session.cookie.clone(), identity }, Delivery::Whole, bytes)
}

fn nobody() -> Session {
    Session { cookie: String::new(), identity: None }
}

/// Nothing in it makes a session, and nothing is said about it.
fn no_session(world: &World, cookie: &[u8]) {
    let exchange = send(world, &nobody(), cookie);
    exchange.must_be_refused(&[401]);
    assert!(exchange.answers[0].head.all("set-cookie").is_empty(), "{}", exchange.told());
}

/// Either no session or exactly this one: the oracle holds the identity to it.
fn none_or_exactly(world: &World, session: &Session, cookie: &str) -> bool {
    let bytes = format!("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: {cookie}\r\n\r\n");
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public);
    wire.write(bytes.as_bytes());
    let answer = wire.answer(false).unwrap();
    world.oracle(mark, std::slice::from_ref(session));
    assert!(matches!(answer.status, 200 | 401), "{answer:#?}");
    answer.status == 200
}

/// The value of one cookie in a Cookie header.
fn value(cookies: &str, name: &str) -> String {
    let pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    pairs.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).next().unwrap()
}

/// What an answer looks like when its own request id is left out.
pub fn shape(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let id = answer.header("x-request-id").unwrap_or("none").to_owned();
    let text = answer.text().replace(&id, "ID");
    // An attempt that is forgotten has a name of its own.
    let plain = |value: &str| match value.strip_prefix("__Host-rolegate-login-") {
        Some(attempt) => attempt.split_once('=').map_or(String::new(), |(_, rest)| rest.to_owned()),
        None => value.replace(&id, "ID"),
    };
    let lines = answer.head.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    (answer.status, lines.map(|(name, value)| (name.clone(), plain(value))).collect(), text)
}

fn every_bit_of_the_pass_counts(world: &World) {
    let text = value(&world.session(Who::User).cookie, PASS);
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public);
    let mut ask = |text: &[u8]| {
        let head =
            [b"GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: __Host-rolegate=", text, b"\r\n\r\n"].concat();
        wire.write(&head);
        wire.answer(false).unwrap()
    };
    assert_eq!(ask(text.as_bytes()).status, 200, "the cookie itself counts");
    let reference = shape(&ask(b"nonsense"));
    assert_eq!(reference.0, 401);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let answer = ask(URL_SAFE_NO_PAD.encode(flipped).as_bytes());
            assert_eq!(shape(&answer), reference, "bit {bit} of byte {at}");
        }
    }
    // The same in the text, where it stays a text.
    for at in 0..text.len() {
        let mut flipped = text.clone().into_bytes();
        flipped[at] ^= 1 << (at % 5);
        if flipped[at].is_ascii_graphic() && flipped[at] != b';' {
            assert_eq!(shape(&ask(&flipped)), reference, "character {at}");
        }
    }
    drop(wire);
    let session = world.session(Who::User);
    world.oracle(mark, &[session]);
}

fn only_the_canonical_encoding_counts(world: &World) {
    let text = value(&world.session(Who::User).cookie, PASS);
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for length in (0..text.len()).step_by(7).chain(text.len() - 8..text.len()) {
        no_session(world, format!("{PASS}={}", &text[..length]).as_bytes());
    }
    for more in ["A", "AA", "AAAA", "=", "==", "%3D", "~"] {
        no_session(world, format!("{PASS}={text}{more}").as_bytes());
    }
    let middle = text.len() / 2;
    for between in [" ", "\t", "\\", "=", "+", "%41", "\u{a0}"] {
        no_session(world, format!("{PASS}={}{between}{}", &text[..middle], &text[middle..]).as_bytes());
    }
    let standard = STANDARD.encode(&bytes);
    if standard.trim_end_matches('=') != text {
        no_session(world, format!("{PASS}={standard}").as_bytes());
        no_session(world, format!("{PASS}={}", standard.trim_end_matches('=')).as_bytes());
    }
    if !text.len().is_multiple_of(4) {
        // The last character's unused bits.
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = ALPHABET.iter().position(|byte| *byte == text.as_bytes()[text.len() - 1]).unwrap();
        let other = char::from(ALPHABET[last + 1]);
        no_session(world, format!("{PASS}={}{other}", &text[..text.len() - 1]).as_bytes());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    no_session(world, format!("{PASS}={}", URL_SAFE_NO_PAD.encode(longer)).as_bytes());
    no_session(world, format!("{PASS}={}", text.to_ascii_lowercase()).as_bytes());
    no_session(world, format!("{PASS}={}", "A".repeat(20_000)).as_bytes());
}

/// `no_session` also holds that such a cookie is not cleared: a replica that has the key may have set it.
fn an_unknown_format_or_key_is_no_session_and_stays(world: &World) {
    let cookies = world.session(Who::User).cookie;
    let text = value(&cookies, PASS);
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for version in [0, 2, 3, 0x7f, 0xff] {
        let mut other = bytes.clone();
        other[0] = version;
        no_session(world, format!("{PASS}={}", URL_SAFE_NO_PAD.encode(other)).as_bytes());
    }
    for parts in [0, 2, 5, 6, 0xff] {
        let mut other = bytes.clone();
        other[1] = parts;
        no_session(world, format!("{PASS}={}", URL_SAFE_NO_PAD.encode(other)).as_bytes());
    }
    let mut other = bytes.clone();
    other[2..6].copy_from_slice(&[0; 4]);
    no_session(world, format!("{PASS}={}", URL_SAFE_NO_PAD.encode(other)).as_bytes());
    // One purpose never passes as another.
    no_session(world, format!("{PASS}={}", value(&cookies, TICKET)).as_bytes());
    no_session(world, format!("{TICKET}={text}").as_bytes());
    let mut browser = world.browser();
    browser.open("/x");
    let attempt = browser.jar.named("__Host-rolegate-login-")[0].value.clone();
    no_session(world, format!("{PASS}={attempt}").as_bytes());
    // Plain texts that earlier formats might have been.
    for legacy in [
        r#"{"i":"x","s":"x","u":"root","r":["admin"],"b":0,"e":99999999999,"f":0,"a":99999999999,"l":0,"t":false}"#,
        "eyJ1Ijoicm9vdCIsInIiOlsiYWRtaW4iXX0",
        "root|admin|99999999999|sig",
    ] {
        no_session(world, format!("{PASS}={legacy}").as_bytes());
    }
    let mut browser = world.browser();
    browser.jar.plant(PASS, "stale");
    let answer = browser.open("/x");
    assert_eq!(answer.status, 302, "a navigation goes to sign in: {answer:#?}");
    assert_eq!(browser.jar.get(PASS).unwrap().value, "stale", "an unopenable session is not cleared");
}

fn a_cookie_of_another_pool_or_client_is_none(world: &World) {
    let cookies = world.session(Who::User).cookie;
    let keys = world.setup().keys.clone();
    // Another pool, the same keys.
    let other_pool = Setup::bench().keys(&keys).start();
    no_session(&other_pool, cookies.as_bytes());
    let theirs = other_pool.session(Who::Admin).cookie;
    no_session(world, theirs.as_bytes());
    // Another client of the same pool.
    let mut setup = Setup::bench().keys(&keys);
    setup.provider = setup.provider.replace("EXAMPLE", "ANOTHER");
    let other_client = setup.start_with(world.pool.clone(), Recorder::start());
    no_session(&other_client, cookies.as_bytes());
    // The same pool, client and keys: a replica.
    let replica = Setup::bench().keys(&keys).start_with(world.pool.clone(), Recorder::start());
    let session = world.session(Who::User);
    assert_eq!(send(&replica, &session, cookies.as_bytes()).status(), 200);
}

/// Signs in somebody whose session takes several cookies.
fn large(world: &World, name: &str, groups: usize) -> (Browser, Session) {
    let mut roles: Vec<String> = (0..groups).map(|n| format!("group-{n:03}-{}", "x".repeat(24))).collect();
    roles.push("user".into());
    let names: Vec<&str> = roles.iter().map(String::as_str).collect();
    world.pool.user(User::new(name, &names));
    let browser = world.signed_in(name);
    roles.sort();
    let session = Session { cookie: browser.cookies("/"), identity: Some((name.into(), roles.join(","))) };
    (browser, session)
}

fn parts_count_only_whole_in_order_and_of_one_session(world: &World) {
    let (_, a) = large(world, "large-a", 180);
    let (_, b) = large(world, "large-b", 180);
    let parts: Vec<String> = (0..9)
        .map_while(|n| {
            a.cookie.split("; ").find_map(|c| c.strip_prefix(&format!("{PASS}.{n}="))).map(str::to_owned)
        })
        .collect();
    let of_b: Vec<String> = (0..parts.len()).map(|n| value(&b.cookie, &format!("{PASS}.{n}"))).collect();
    assert!(parts.len() >= 3, "the session takes {} parts", parts.len());
    assert_eq!(send(world, &a, a.cookie.as_bytes()).status(), 200, "the whole counts");

    let named = |parts: &[(&str, &str)]| {
        let pairs: Vec<_> = parts.iter().map(|(n, text)| format!("{PASS}.{n}={text}")).collect();
        pairs.join("; ")
    };
    let (p0, p1, p2) = (parts[0].as_str(), parts[1].as_str(), parts[2].as_str());
    for wrong in [
        vec![("0", p1), ("1", p0), ("2", p2)],
        vec![("0", p0), ("1", p2), ("2", p1)],
        vec![("0", p0), ("2", p2)],
        vec![("1", p1), ("2", p2)],
        vec![("0", p0), ("1", p1)],
        vec![("0", p0)],
        vec![("0", p0), ("1", p0), ("2", p2)],
        vec![("0", p0), ("1", of_b[1].as_str()), ("2", p2)],
        vec![("0", of_b[0].as_str()), ("1", p1), ("2", p2)],
        vec![("0", p0), ("1", p1), ("2", of_b[2].as_str())],
        vec![("00", p0), ("01", p1), ("02", p2)],
        vec![("-1", p0), ("0", p1), ("1", p2)],
    ] {
        if wrong.len() <= parts.len() {
            no_session(world, named(&wrong).as_bytes());
        }
    }
    // More than there are: ignored, or all refused; never put together with the rest.
    for extra in ["99", "-1", "1e9", "99999999", "3", "4", "x"] {
        for text in ["AAAA", p0] {
            none_or_exactly(world, &a, &format!("{}; {PASS}.{extra}={text}", a.cookie));
            none_or_exactly(world, &a, &format!("{PASS}.{extra}={text}; {}", a.cookie));
        }
    }
    none_or_exactly(world, &a, &format!("{}; {PASS}.1={}", a.cookie, of_b[1]));
    none_or_exactly(world, &a, &format!("{PASS}.1={}; {}", of_b[1], a.cookie));
    // A count that promises what does not come.
    let mut head = URL_SAFE_NO_PAD.decode(p0).unwrap();
    for count in [0, 1, 5, 6, 99, 255] {
        head[1] = count;
        let first = URL_SAFE_NO_PAD.encode(&head);
        no_session(world, named(&[("0", &first), ("1", p1), ("2", p2)]).as_bytes());
    }
    // As many of them as fit into a head, in bounded time.
    let begun = Instant::now();
    let many: String = (0..900).map(|n| format!("{PASS}.{}={}; ", n % 100, "A".repeat(8))).collect();
    no_session(world, many.as_bytes());
    assert!(begun.elapsed().as_secs() < 10, "took {:?}", begun.elapsed());
}

fn a_shorter_session_leaves_no_part_behind(world: &World) {
    let (mut browser, long) = large(world, "shrinks", 180);
    assert!(browser.jar.named(&format!("{PASS}.")).len() >= 3);
    world.pool.change_user("shrinks", |user| user.groups = vec!["user".into()]);
    browser.sign_in("shrinks");
    assert!(browser.jar.named(&format!("{PASS}.")).is_empty(), "parts are left: {:?}", browser.jar.all());
    let short = Session { cookie: browser.cookies("/"), identity: Some(("shrinks".into(), "user".into())) };
    // Also where a browser kept them all the same.
    let stale: Vec<&str> = long.cookie.split("; ").filter(|cookie| cookie.contains("rolegate.")).collect();
    assert!(none_or_exactly(world, &short, &format!("{}; {}", short.cookie, stale.join("; "))));
    assert!(none_or_exactly(world, &short, &format!("{}; {}", stale[1..].join("; "), short.cookie)));
    // And the other way round.
    let (groups, roles) = {
        let roles = long.identity.clone().unwrap().1;
        (roles.split(',').map(str::to_owned).collect::<Vec<_>>(), roles)
    };
    world.pool.change_user("shrinks", |user| user.groups = groups);
    browser.sign_in("shrinks");
    assert!(browser.jar.get(PASS).is_none(), "the short one is left: {:?}", browser.jar.all());
    let session = Session { cookie: browser.cookies("/"), identity: Some(("shrinks".into(), roles)) };
    assert!(none_or_exactly(world, &session, &session.cookie));
}

fn a_name_is_its_bytes(world: &World) {
    let session = world.session(Who::User);
    let text = value(&session.cookie, PASS);
    for name in [
        "\u{2000}__Host-rolegate",
        "\u{a0}__Host-rolegate",
        "__Host-rolegate\u{a0}",
        "__Host-rolegate\u{2000}",
        "\u{3000}__Host-rolegate",
        "__host-rolegate",
        "__HOST-ROLEGATE",
        "__Host-Rolegate",
        "rolegate",
        "__Host-rolegate.",
        "__Host-rolegate.0",
        "__Host-rolegate-",
        "X__Host-rolegate",
        "__%48ost-rolegate",
        "__Host%2Drolegate",
        "%5F_Host-rolegate",
        "__Host-rolegate%00",
        "\"__Host-rolegate\"",
        "=__Host-rolegate",
        "a=__Host-rolegate",
        "$Version=1, __Host-rolegate",
    ] {
        no_session(world, format!("{name}={text}").as_bytes());
    }
    // Raw Latin-1 spaces.
    no_session(world, &[b"\xa0__Host-rolegate=", text.as_bytes()].concat());
    no_session(world, &[b"\x85__Host-rolegate=", text.as_bytes()].concat());
    no_session(world, format!("$Version=1; {PASS}=\"{text}\"; $Path=/").as_bytes());
    no_session(world, format!("{PASS}=\"{text}\"").as_bytes());
    no_session(world, format!("{PASS}=\"a; b={text}\"").as_bytes());
    no_session(world, format!("a=\"; b={text}").as_bytes());
    no_session(world, format!("{PASS}, a={text}").as_bytes());
    no_session(world, format!("a=b, {PASS}={text}").as_bytes());
    // Split at every semicolon, quotes or not, and blanks around a pair are none of its bytes (RFC 6265 §5.2).
    for cookie in [
        format!("{PASS}=\"a; {PASS}={text}; b=\""),
        format!(";;{PASS}={text};"),
        format!("a=b;\t{PASS}={text} ;c"),
        format!("{PASS}=junk; {PASS}={text}"),
    ] {
        assert!(none_or_exactly(world, &session, &cookie), "{cookie}");
    }
    none_or_exactly(world, &session, &format!("{PASS} ={text}"));
    // Over several lines, and beside so many of the same name that looking must end.
    let lines = format!("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: a=b\r\nCookie: {PASS}={text}\r\n\r\n");
    assert_eq!(world.attack_as(&session, Delivery::Whole, lines).status(), 200);
    let flood: String = (0..500).map(|n| format!("{PASS}=junk{n}; ")).collect();
    none_or_exactly(world, &session, &format!("{flood}{PASS}={text}"));
}

fn a_jar_that_is_too_large_can_be_left(world: &World) {
    // Others crowd the session out: that is a visit without one, and no loop.
    let crowd: String = (0..180).map(|n| format!("c{n}=0123456789abcdef; ")).collect();
    no_session(world, crowd.as_bytes());
    let cookies = world.session(Who::User).cookie;
    let session = world.session(Who::User);
    let fits = send(world, &session, format!("{crowd}{cookies}").as_bytes());
    assert_eq!(fits.status(), 200, "{}", fits.told());

    for size in [33_000, 60_000] {
        let cookie = format!("a={}; {cookies}; {PASS}-login-x=y; {PASS}.0=z", "x".repeat(size));
        for lines in [Kind::Navigate.lines(), ""] {
            let bytes = format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{lines}Cookie: {cookie}\r\n\r\n");
            let exchange = world.attack_as(&nobody(), Delivery::Whole, bytes);
            exchange.must_be_refused(&[431]);
            let answer = &exchange.answers[0];
            assert!(answer.header("location").is_none(), "{}", exchange.told());
            let mut browser = world.browser();
            for pair in cookies.split("; ") {
                let (name, value) = pair.split_once('=').unwrap();
                browser.jar.plant(name, value);
            }
            browser.jar.plant(&format!("{PASS}-login-x"), "y");
            browser.jar.plant(&format!("{PASS}.0"), "z");
            browser.jar.plant("a", "x");
            browser.jar.keep(&crate::support::browser::address("/x"), answer);
            let left: Vec<&str> = browser.jar.all().iter().map(|cookie| cookie.name.as_str()).collect();
            assert_eq!(left, ["a"], "{}", exchange.told());
            if !lines.is_empty() {
                assert!(answer.text().contains("href=\"/x\""), "a way on: {}", answer.text());
            }
        }
    }
}

fn no_cookie_of_the_gate_reaches_the_upstream(world: &World) {
    for who in [Who::Nobody, Who::User, Who::Admin] {
        let session = world.session(who);
        let own = format!(
            "{}{PASS}=junk; {PASS}-login-abc=def; {PASS}-login-return=x; {PASS}.0=a; {PASS}.1=b; {PASS}-refresh.0=c; {PASS}-token=d",
            if session.cookie.is_empty() { String::new() } else { format!("{}; ", session.cookie) }
        );
        for target in ["/public/x", "/x"] {
            if who == Who::Nobody && target == "/x" {
                continue;
            }
            let exchange = world.attack_as(
                &session,
                Delivery::Whole,
                format!(
                    "GET {target} HTTP/1.1\r\nHost: app.test\r\nCookie: a=1; {own}; b=\"2\"\r\n\
                     Cookie: {PASS}=x\r\ncookie: c=3\r\n\r\n"
                ),
            );
            let seen = exchange.one().unwrap_or_else(|| panic!("{}", exchange.told()));
            let cookies = seen.head.all("cookie").join("; ");
            assert_eq!(cookies, "a=1; b=\"2\"; c=3", "{}", exchange.told());
        }
    }
}

fn an_upstream_sets_its_own_cookies_alone_and_one_a_line(world: &World) {
    world.upstream.at(
        "/sets",
        upstream::answers_headers(
            "Set-Cookie: a=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n\
             Set-Cookie: __Host-rolegate=forged; Path=/; Secure\r\n\
             SET-COOKIE: __Host-rolegate-refresh=; Max-Age=0; Path=/; Secure\r\n\
             Set-Cookie: \t__Host-rolegate.1=forged; Path=/; Secure\r\n\
             Set-Cookie: __Host-rolegate-login-x=forged; Path=/; Secure\r\n\
             Set-Cookie: b=2; Path=/\r\n",
            "",
        ),
    );
    let exchange = world.attack(Who::User, "GET /sets HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
    assert_eq!(
        exchange.answers[0].head.all("set-cookie"),
        ["a=1; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2; Path=/"],
        "{}",
        exchange.told()
    );
    let page = world.browser().sign_in("user");
    let lines = page.answer.head.all("set-cookie");
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        assert_eq!(line.matches("Path=/").count(), 1, "joined: {line}");
    }
}

fn a_login_replaces_whoever_was_planted(world: &World) {
    let attacker = world.signed_in("admin");
    let mut victim = world.browser();
    for cookie in attacker.jar.named(PASS) {
        victim.jar.plant(&cookie.name, &cookie.value);
    }
    let planted: Vec<String> = attacker.jar.named(PASS).iter().map(|cookie| cookie.value.clone()).collect();
    victim.sign_in("user");
    world.keep_secret(victim.jar.all().iter().map(|cookie| cookie.value.clone()));
    for cookie in victim.jar.all() {
        assert!(!planted.contains(&cookie.value), "{} stayed", cookie.name);
    }
    let session = Session { cookie: victim.cookies("/"), identity: Some(("user".into(), "user".into())) };
    assert!(none_or_exactly(world, &session, &session.cookie));
    // The planted pass counts no more, alone or beside the new one.
    no_session(world, attacker.cookies("/").as_bytes());
    let both = format!("{}; {PASS}={}", session.cookie, planted[0]);
    assert!(none_or_exactly(world, &session, &both));
    let both = format!("{PASS}={}; {}", planted[0], session.cookie);
    none_or_exactly(world, &session, &both);

    // A login that the attacker began, finished by the victim: only with the attacker's own cookie, which
    // another host cannot plant under __Host-; without it there is no session of anybody's.
    let mut attacker = world.browser();
    let callback = attacker.callback_for("admin", "/");
    let mut victim = world.browser();
    let answer = victim.open(callback.as_str());
    assert!(victim.jar.get(PASS).is_none(), "{answer:#?}");
}

fn a_cookie_from_before_the_sign_out_is_refused(world: &World) {
    let mut browser = world.signed_in("user");
    let session = Session { cookie: browser.cookies("/"), identity: Some(("user".into(), "user".into())) };
    assert!(none_or_exactly(world, &session, &session.cookie));
    let answer = browser.open("/oauth2/signout");
    assert_eq!(answer.status, 302, "{answer:#?}");
    assert!(browser.jar.named(PASS).is_empty(), "{:?}", browser.jar.all());
    no_session(world, session.cookie.as_bytes());

    // Where another process is asked it counts for as long as its roles do, and its refresh token is dead.
    let world = Setup::bench().session("max_role_age = \"1s\"").start();
    let mut browser = world.signed_in("user");
    let session = Session { cookie: browser.cookies("/"), identity: Some(("user".into(), "user".into())) };
    browser.open("/oauth2/signout");
    until("the refresh token is revoked", || (!world.pool.revoked().is_empty()).then_some(()));
    let world = world.restarted(|setup| setup);
    until("its roles are too old", || (!none_or_exactly(&world, &session, &session.cookie)).then_some(()));
    no_session(&world, session.cookie.as_bytes());
}

fn a_cookie_from_before_the_refresh_is_served_for_a_while() {
    let world = World::bench();
    world.pool.set_rotation(true);
    // An access token that ends with its login: the first request is a refresh, and no other is due for long.
    world.pool.set_life(0);
    let session = world.session_of("user", "user");
    world.pool.set_life(3600);
    assert!(none_or_exactly(&world, &session, &session.cookie));
    world.keep_secret(world.pool.secrets());
    for _ in 0..20 {
        assert!(none_or_exactly(&world, &session, &session.cookie), "the old cookie is served");
    }
    assert_eq!(world.pool.grants("refresh_token"), 1, "from the one refresh that there was");

    // Where that refresh is remembered no longer, its refresh token has been used up: nobody, and no newer cookie goes.
    let world = world.restarted(|setup| setup);
    no_session(&world, session.cookie.as_bytes());
}

fn a_weak_key_starts_no_gate() {
    let (pool, upstream) = (crate::support::pool::FakePool::start(), Recorder::start());
    let refused = |keys: &str| {
        let refused = Setup::bench().keys(keys).try_start_with(&pool, &upstream);
        let refused = refused.err().unwrap_or_else(|| panic!("a gate started with the key {keys:?}"));
        assert_eq!(refused.code, Some(78), "{keys:?}: {refused:#?}");
        let secret = keys.trim();
        let shown = secret.len() >= 16 && !secret.contains(' ') && refused.stderr.contains(secret);
        assert!(!shown, "the key is shown: {}", refused.stderr);
    };
    for length in [1, 8, 16, 24, 31, 33] {
        refused(&random(length));
    }
    refused(&URL_SAFE_NO_PAD.encode([0; 32]));
    refused(&STANDARD.encode([0; 32]));
    refused(&STANDARD.encode([0xff; 32]));
    refused(&STANDARD.encode(b"0123456789abcdef0123456789abcdef"));
    refused(&STANDARD.encode(b"changemechangemechangemechangeme"));
    refused("not base64 at all, not even near");
    refused("");
    refused(&format!("{}\n{}", random(32), URL_SAFE_NO_PAD.encode([0; 32])));
    refused(CLIENT_SECRET);
    // As long as it should be, and still the client's secret.
    let same = random(32);
    let mut setup = Setup::bench().keys(&same);
    setup.files.push(("client-secret".into(), same.clone().into_bytes()));
    let started = setup.try_start_with(&pool, &upstream);
    assert!(started.is_err(), "a gate started whose key is the client's secret");
}

fn keys_roll_without_a_sign_out() {
    let (old, new) = (random(32), random(32));
    let world = Setup::bench().keys(&old).start();
    let mut browser = world.signed_in("user");
    let before = browser.cookies("/");
    let session = Session { cookie: before.clone(), identity: Some(("user".into(), "user".into())) };

    // A replica that has both opens it, and seals it anew with its answer.
    let world = world.restarted(|setup| setup.keys(&format!("{new}\n{old}")));
    let mut browser = {
        let mut fresh = world.browser();
        for cookie in browser.jar.named(PASS) {
            fresh.jar.plant(&cookie.name, &cookie.value);
        }
        browser.jar.clear();
        fresh
    };
    let answer = browser.fetch("/x");
    assert_eq!(answer.status, 200, "{answer:#?}");
    let after = browser.cookies("/");
    for name in [PASS, TICKET] {
        assert_ne!(value(&after, name), value(&before, name), "{name} is sealed anew");
    }
    world.keep_secret(after.split('=').map(str::to_owned));
    assert!(none_or_exactly(&world, &session, &before), "the old cookie still opens");
    assert!(none_or_exactly(&world, &session, &after));

    // A replica that has not got there yet, and still seals with the old one.
    let behind =
        Setup::bench().keys(&format!("{old}\n{new}")).start_with(world.pool.clone(), Recorder::start());
    assert!(none_or_exactly(&behind, &session, &before));
    assert!(none_or_exactly(&behind, &session, &after));

    let world = world.restarted(|setup| setup.keys(&new));
    no_session(&world, before.as_bytes());
    assert!(none_or_exactly(&world, &session, &after));
}

fn a_session_that_is_too_large_is_a_page_with_the_reason(world: &World) {
    let (_, fits) = large(world, "fits", 250);
    assert!(none_or_exactly(world, &fits, &fits.cookie), "250 groups fit");
    // More than a token of ours may hold: an answer of the pool that is not looked at.
    let groups = |letter: &str, count: usize| -> Vec<String> {
        (0..count).map(|n| format!("group-{letter}-{n:03}-{}", "x".repeat(40))).collect()
    };
    let many = groups("m", 500);
    let names: Vec<&str> = many.iter().map(String::as_str).collect();
    world.pool.user(User::new("token-too-large", &names));
    let mut browser = world.browser();
    let callback = browser.callback_for("token-too-large", "/");
    let answer = browser.open(callback.as_str());
    assert_eq!(answer.status, 502, "{answer:#?}");
    assert!(browser.jar.get(PASS).is_none() && browser.jar.named(&format!("{PASS}.")).is_empty());
    // What two tokens say together, more than cookies may hold.
    let (id, access) = (groups("i", 160), groups("a", 160));
    let names: Vec<&str> = id.iter().map(String::as_str).collect();
    world.pool.user(User::new("too-large", &names).with_access("cognito:groups", access));
    let mut browser = world.browser();
    let callback = browser.callback_for("too-large", "/");
    let answer = browser.open(callback.as_str());
    assert_eq!(answer.status, 403, "{answer:#?}");
    assert!(answer.text().contains("too much about your account"), "{}", answer.text());
    assert!(browser.jar.get(PASS).is_none() && browser.jar.named(&format!("{PASS}.")).is_empty());
    assert!(answer.header("location").is_none(), "{answer:#?}");
}

fn a_cookie_counts_at_its_own_origin_alone() {
    let mut setup = Setup::bench();
    setup.public_url = r#"["https://app.test", "https://two.test", "https://app.test:8443"]"#.into();
    let world = setup.start();
    let session = world.session(Who::User);
    for (host, status) in [
        ("app.test", 200),
        ("app.test:443", 200),
        ("APP.TEST", 200),
        ("two.test", 401),
        ("app.test:8443", 401),
        ("three.test", 421),
        ("app.test:80", 421),
        ("127.0.0.1", 421),
    ] {
        let bytes = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{{session}}\r\n");
        let mark = world.mark();
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&session.fill(bytes.as_bytes()));
        let answer = wire.answer(false).unwrap();
        assert_eq!(answer.status, status, "{host}: {answer:#?}");
        drop(wire);
        world.oracle(mark, std::slice::from_ref(&session));
    }
}

fn cookies_are_lax_and_a_frame_gets_a_page(world: &World) {
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/");
    let url = crate::support::browser::address("/");
    let begin = world.browser().open("/x");
    let end = browser.open(callback.as_str());
    let out = browser.open("/oauth2/signout?switch=1&rd=/x");
    let mut count = 0;
    for line in [&begin, &end, &out].iter().flat_map(|answer| answer.head.all("set-cookie")) {
        let cookie = Cookie::read(&url, line).unwrap_or_else(|| panic!("a browser drops {line:?}"));
        assert!(cookie.secure && cookie.http_only && cookie.host_only && cookie.path == "/", "{line}");
        assert_eq!(cookie.same_site.as_deref(), Some("Lax"), "{line}");
        assert!(cookie.name.starts_with("__Host-rolegate"), "{line}");
        count += 1;
    }
    assert!(count >= 6, "only {count} cookies were seen");

    // What comes from another site comes without Lax cookies.
    let foreign = "Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.test\r\n";
    for (method, kind, length) in [("POST", Kind::Form, "Content-Length: 0\r\n"), ("GET", Kind::Frame, "")] {
        let bytes =
            format!("{method} /x HTTP/1.1\r\nHost: app.test\r\n{}{foreign}{length}\r\n", kind.lines());
        let exchange = world.attack(Who::Nobody, bytes);
        exchange.must_be_refused(&[401]);
        let answer = &exchange.answers[0];
        assert!(answer.header("location").is_none() && answer.head.all("set-cookie").is_empty());
        assert!(answer.text().contains("/oauth2/start"), "a link to sign in: {}", answer.text());
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}

fn cleartext_is_for_loopback_and_said_aloud() {
    let (pool, upstream) = (crate::support::pool::FakePool::start(), Recorder::start());
    for url in ["http://app.test", "http://app.localhost.evil.test", "http://10.0.0.1:4180", "http://0.0.0.0"]
    {
        let mut setup = Setup::bench();
        setup.public_url = format!("{url:?}");
        let refused = setup.try_start_with(&pool, &upstream);
        let refused = refused.err().unwrap_or_else(|| panic!("a gate started with {url}"));
        assert_eq!(refused.code, Some(78), "{refused:#?}");
        assert!(refused.stderr.contains("public_url"), "{}", refused.stderr);
    }
    let mut setup = Setup::bench();
    setup.public_url = "\"http://localhost:4180\"".into();
    let world = setup.start_with(pool, upstream);
    let log = world.gate.stderr().all();
    assert!(log.contains("Secure") || log.contains("cleartext"), "no warning: {log}");
    let mut browser = world.browser().route("localhost", world.gate.public);
    let answer = browser.open("http://localhost:4180/x");
    let lines = answer.head.all("set-cookie");
    assert!(answer.status == 302 && lines.len() == 1, "{answer:#?}");
    assert!(lines[0].starts_with("rolegate-login-") && !lines[0].contains("Secure"), "{lines:?}");
}

fn the_last_login_of_two_tabs_counts_whole(_: &World) {
    let world = Setup::bench().session("max_role_age = \"1s\"").start();
    let mut browser = world.browser();
    let first = browser.callback_for("admin", "/a");
    let second = browser.callback_for("user", "/b");
    assert_eq!(browser.open(second.as_str()).location(), "https://app.test/b");
    let of_user = browser.cookies("/");
    assert_eq!(browser.open(first.as_str()).location(), "https://app.test/a");
    let of_admin = browser.cookies("/");
    let admin = Session { cookie: of_admin.clone(), identity: Some(("admin".into(), "admin,user".into())) };
    let user = Session { cookie: of_user.clone(), identity: Some(("user".into(), "user".into())) };
    assert!(none_or_exactly(&world, &admin, &of_admin), "the last login counts");
    assert!(!none_or_exactly(&world, &user, &of_user), "the one that it replaced has ended");
    let user = world.session_of("user", "user");
    let of_user = user.cookie.clone();

    // One's pass with the other's ticket is nobody as soon as the ticket is looked at.
    let mixed = format!("{PASS}={}; {TICKET}={}", value(&of_user, PASS), value(&of_admin, TICKET));
    until("a refresh is due", || (!none_or_exactly(&world, &user, &mixed)).then_some(()));
    let mixed = format!("{PASS}={}; {TICKET}={}", value(&of_admin, PASS), value(&of_user, TICKET));
    assert!(!none_or_exactly(&world, &admin, &mixed));
    assert!(none_or_exactly(&world, &admin, &of_admin), "its own ticket refreshes it");
    parts_of_one_login_and_the_whole_of_another_are_one_of_them();
}

/// Two logins at the same moment, one of somebody whose session takes parts: neither request shows the other's cookies,
/// so that no answer clears them.
fn parts_of_one_login_and_the_whole_of_another_are_one_of_them() {
    let world = World::bench();
    let (_, large) = large(&world, "in-parts", 180);
    let small = world.session_of("user", "user");
    let parts: Vec<&str> = large.cookie.split("; ").filter(|cookie| cookie.contains("rolegate.")).collect();
    assert!(parts.len() >= 3);
    for ticket in [value(&large.cookie, TICKET), value(&small.cookie, TICKET)] {
        let both = format!("{}; {PASS}={}; {TICKET}={ticket}", parts.join("; "), value(&small.cookie, PASS));
        assert!(none_or_exactly(&world, &small, &both), "as one of them, whole");
    }
    // The next login in that browser leaves one.
    let mut browser = world.browser();
    for pair in large.cookie.split("; ").chain(small.cookie.split("; ")) {
        let (name, value) = pair.split_once('=').unwrap();
        browser.jar.plant(name, value);
    }
    browser.sign_in("admin");
    world.keep_secret(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
    let left: Vec<&str> = browser.jar.named(PASS).iter().map(|cookie| cookie.name.as_str()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let admin =
        Session { cookie: browser.cookies("/"), identity: Some(("admin".into(), "admin,user".into())) };
    assert!(none_or_exactly(&world, &admin, &admin.cookie));
}

/// CK-26. Measured: the nonces of 1 200 sealed texts, from three gates that share a key, two of them the same
/// one before and after a restart: all distinct, and each of their 96 bits set in about half of them.
#[test]
fn sealed_texts_never_share_a_nonce() {
    const EACH: usize = 400;
    let keys = random(32);
    let mut worlds = vec![Setup::bench().keys(&keys).start(), Setup::bench().keys(&keys).start()];
    let mut nonces: Vec<Vec<u8>> = Vec::new();
    let mut collect = |world: &World| {
        let mut wire = Wire::connect(world.gate.public);
        let request = format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}\r\n", Kind::Navigate.lines());
        for _ in 0..EACH {
            wire.write(request.as_bytes());
            let answer = wire.answer(false).unwrap();
            let line = answer.header("set-cookie").unwrap().to_owned();
            let text = line.split(['=', ';']).nth(1).unwrap();
            nonces.push(URL_SAFE_NO_PAD.decode(text).unwrap()[6..18].to_vec());
        }
    };
    worlds.iter().for_each(&mut collect);
    let again = worlds.remove(0).restarted(|setup| setup);
    collect(&again);
    let total = nonces.len();
    assert_eq!(total, 3 * EACH);
    for bit in 0..96 {
        let set = nonces.iter().filter(|nonce| nonce[bit / 8] >> (bit % 8) & 1 == 1).count();
        // Six standard deviations.
        let deviation = set.abs_diff(total / 2);
        assert!(deviation < 104, "bit {bit} is set in {set} of {total}");
    }
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), total, "a nonce came twice");
}

/// CK-37. Measured: the median time to the answer over 1 000 requests each, taken in turns, of a cookie whose
/// tag is wrong in its first byte, one whose tag is wrong in its last, and one whose first ciphertext byte is.
#[test]
fn time_does_not_tell_where_a_cookie_is_wrong() {
    const ROUNDS: usize = 1_000;
    let world = World::bench();
    let bytes = URL_SAFE_NO_PAD.decode(value(&world.session(Who::User).cookie, PASS)).unwrap();
    let flipped = |at: usize| {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let text = URL_SAFE_NO_PAD.encode(other);
        format!("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: {PASS}={text}\r\n\r\n")
    };
    let requests = [flipped(bytes.len() - 16), flipped(bytes.len() - 1), flipped(18)];
    let mut wire = Wire::connect(world.gate.public);
    let mut measure = || {
        let mut times: [Vec<u128>; 3] = Default::default();
        for round in 0..ROUNDS * 3 {
            let which = round % 3;
            let begun = Instant::now();
            wire.write(requests[which].as_bytes());
            assert_eq!(wire.answer(false).unwrap().status, 401);
            times[which].push(begun.elapsed().as_nanos());
        }
        let medians = times.map(|mut times| {
            times.sort_unstable();
            times[ROUNDS / 2]
        });
        let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
        if most - least < least / 10 + 10_000 { Ok(()) } else { Err(medians) }
    };
    // A machine that is busy with other things may blur one measurement; a difference shows in all of them.
    let measured = [measure(), measure(), measure()];
    assert!(measured.iter().any(Result::is_ok), "medians in ns: {measured:?}");
}
