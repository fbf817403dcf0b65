//! What a request's head may be, and that it means what it means in HTTP/1.1.

use super::*;

pub fn cases() -> Vec<Case> {
    vec![
        case(&["H2-01"], bytes_that_would_end_a_line_of_http_1_1),
        case(&["H2-02"], names_that_are_none),
        case(&["H2-03"], lines_that_belong_to_a_connection),
        case(&["H2-04"], a_body_of_another_length_than_announced),
        case(&["H2-06"], lengths_that_are_none),
        case(&["H2-07"], a_path_has_the_one_meaning_that_it_has_in_http_1_1),
        case(&["H2-08"], methods_that_are_none),
        case(&["H2-09"], schemes),
        case(&["H2-11"], pseudo_headers_out_of_place),
        case(&["H2-12", "HDR-17"], trailers_say_nothing_of_who_asks),
        case(&["H2-13", "H2-14"], crumbs_of_cookies),
        case(&["PATH-48"], an_authority_and_another_host),
        case(&["SMG-56"], a_body_without_a_length),
    ]
}

const PLACES: [(Who, &str); 3] = [(Who::Nobody, "/public/t"), (Who::User, "/t"), (Who::Admin, "/admin/t")];

/// What comes of these fields on a connection of their own, and what the upstream saw of it. Whatever it was, the
/// connection goes on, or it is closed in so many words.
fn asked<N: AsRef<[u8]>, V: AsRef<[u8]>>(world: &World, who: Who, fields: &[(N, V)]) -> (Outcome, Vec<Seen>) {
    let mark = world.mark();
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_ref().to_vec(), value.as_ref().to_vec())).collect();
    let own = lines(world, who);
    let lines = own.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()));
    let mut http2 = Http2::connect(world.gate.public);
    let outcome = http2.ask(&fields.into_iter().chain(lines).collect::<Vec<_>>());
    assert!(outcome.ended || outcome.reset.is_some() || http2.goaway.is_some(), "{outcome:?}");
    if http2.goaway.is_none() {
        goes_on(&mut http2);
    }
    world.oracle(mark, &[world.session(who), world.session(Who::Nobody)]);
    (outcome, seen_of(world, mark, &own))
}

/// Refused by the parser, or with one of these, and nothing of it reached the upstream.
fn refused<N: AsRef<[u8]>, V: AsRef<[u8]>>(world: &World, fields: &[(N, V)], statuses: &[u16]) {
    let told: Vec<_> =
        fields.iter().map(|(name, value)| (latin1(name.as_ref()), latin1(value.as_ref()))).collect();
    for who in EVERYBODY {
        let (outcome, seen) = asked(world, who, fields);
        assert!(outcome.is_refused(statuses) && seen.is_empty(), "{told:?}: {outcome:?} {seen:#?}");
    }
}

/// A GET with one more line, of any bytes.
fn with<'a>(target: &'a str, name: &'a [u8], value: &'a [u8]) -> Vec<(&'a [u8], &'a [u8])> {
    let mut fields: Vec<(&[u8], &[u8])> =
        get(target, &[]).into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    fields.push((name, value));
    fields
}

fn bytes_that_would_end_a_line_of_http_1_1(world: &World) {
    for value in [
        &b"a\r\nX-User: root"[..],
        b"a\nX-User: root",
        b"a\rX-User: root",
        b"a\0b",
        b"\r\n\r\nGET /admin HTTP/1.1",
    ] {
        for name in [&b"x"[..], b"cookie", b"user-agent", b":authority", b"host"] {
            refused(world, &with("/public/t", name, value), &[]);
        }
    }
}

fn names_that_are_none(world: &World) {
    for name in
        [&b"X-User"[..], b"x-useR", b"x user", b"x:user", b":x", b"x\r\ny: z", b"x\0", b"", b"x-\xfcser"]
    {
        refused(world, &with("/public/t", name, b"root"), &[]);
    }
}

fn lines_that_belong_to_a_connection(world: &World) {
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("connection", "x-user"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
    ] {
        refused(world, &get("/public/t", &[(name, value)]), &[]);
    }
    // This one is allowed, and the gate's own affair.
    let (outcome, seen) = asked(world, Who::User, &get("/t", &[("te", "trailers")]));
    assert_eq!((outcome.status(), seen[0].head.one("te")), (200, None));
}

fn a_body_of_another_length_than_announced(world: &World) {
    for (length, body) in [("10", "hello"), ("3", "hello"), ("0", "hello"), ("5", "")] {
        for (who, target) in PLACES {
            let mark = world.mark();
            let mut http2 = Http2::connect(world.gate.public);
            let own = lines(world, who);
            let mut fields = request("POST", target, &[("content-length", length)]);
            fields.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let stream = http2.begin(&fields, body.is_empty());
            if !body.is_empty() {
                http2.data(stream, body.as_bytes(), true);
            }
            let outcome = http2.outcome(stream);
            // Where nothing was announced, nothing is waited for: that is a whole request, and has no body.
            let none = length == "0";
            assert!(
                outcome.is_refused(&[400]) || (none && outcome.status() == 200),
                "{length} {body:?}: {outcome:?}"
            );
            if http2.goaway.is_none() {
                goes_on(&mut http2);
            }
            world.oracle(mark, &[world.session(who), world.session(Who::Nobody)]);
            let seen = seen_of(world, mark, &own);
            let whole =
                |seen: &&Seen| seen.target() == target && seen.complete && !(none && seen.body.is_empty());
            let whole = seen.iter().find(whole);
            assert!(whole.is_none(), "it ended well upstream: {length} {body:?} {whole:#?}");
        }
    }
}

fn lengths_that_are_none(world: &World) {
    for lengths in [
        &["5", "6"][..],
        &["5", "5"],
        &["5, 5"],
        &["+5"],
        &["05"],
        &["-5"],
        &["0x5"],
        &[""],
        &["18446744073709551616"],
    ] {
        for (who, target) in PLACES {
            let mark = world.mark();
            let mut http2 = Http2::connect(world.gate.public);
            let own = lines(world, who);
            let mut fields = request("POST", target, &[]);
            fields.extend(lengths.iter().map(|length| ("content-length", *length)));
            fields.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let stream = http2.begin(&fields, false);
            http2.data(stream, b"hello", true);
            let outcome = http2.outcome(stream);
            assert!(outcome.is_refused(&[400]), "{lengths:?}: {outcome:?}");
            world.oracle(mark, &[world.session(who), world.session(Who::Nobody)]);
            let seen = seen_of(world, mark, &own);
            assert!(seen.iter().all(|seen| !seen.complete), "{lengths:?}: {seen:#?}");
        }
    }
}

fn a_path_has_the_one_meaning_that_it_has_in_http_1_1(world: &World) {
    for path in [
        "",
        "admin",
        "*",
        "/a b",
        "/a\r\nX: y",
        "/a\0",
        "/a\t",
        "http://evil/a",
        "https://app.test/a",
        "/a\u{e9}",
    ] {
        refused(world, &get(path, &[]), &[400]);
    }
    refused(world, &[(":method", "GET"), (":scheme", "https"), (":authority", "app.test")], &[]);
    refused(
        world,
        &[(":method", "OPTIONS"), (":scheme", "https"), (":authority", "app.test"), (":path", "*")],
        &[400],
    );
    // The parser below cuts it off without a word: what is decided on is what remains, and so is what is sent on.
    let (outcome, seen) = asked(world, Who::User, &get("/public/a#/../../admin", &[]));
    assert!(outcome.is_refused(&[400]) || seen[0].target() == "/public/a", "{outcome:?} {seen:#?}");
    for path in [
        "/admin",
        "/ADMIN/x",
        "/%61dmin",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/%2e%2e%2fadmin",
        "/public//x",
        "//admin",
        "/public/..;/admin",
        "/public/x;y",
        "/admin;x/y",
        "/public/%252e%252e/admin",
        "/public/%zz",
        "/public/%",
        "/../x",
        "/public/./x/",
        "/public\\..\\admin",
        "/public/x%00",
        "/public/%c3%a9",
        "/public/%ff",
        "/public/x?y=%2F&z=../..",
        "/public/x?",
        "/%70ublic/x",
        "/public/a%2fb",
        "/public/%7e",
        "/healthz",
        "/healthz/",
        "/oauth2/nothing",
        "/public/|",
        "/public/\"<>^`{}",
    ] {
        for who in EVERYBODY {
            let (outcome, seen) = asked(world, who, &get(path, &[]));
            let exchange =
                world.attack(who, format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n"));
            // What the parser below refuses is reset, without a page.
            let same = outcome.status() == exchange.status()
                || (outcome.reset.is_some() && exchange.status() == 400);
            assert!(same, "{path} {who:?}: {outcome:?} {}", exchange.status());
            let targets =
                |seen: &[Seen]| seen.iter().map(|seen| seen.target().to_owned()).collect::<Vec<_>>();
            assert_eq!(targets(&seen), targets(&exchange.seen), "{path} {who:?}");
        }
    }
}

fn methods_that_are_none(world: &World) {
    for method in ["GET /admin HTTP/1.1\r\nX: ", "", "GET ", "G\0T", "G:T", "GET\u{e9}", "TRACE"] {
        refused(world, &request(method, "/public/t", &[]), &[405]);
    }
    refused(world, &with("/public/t", b":method", b"POST"), &[]);
    // Methods are spelled as they are (RFC 9110 §9.1): `get` is another one, there as here.
    for who in EVERYBODY {
        let (outcome, seen) = asked(world, who, &request("get", "/admin/t", &[]));
        let exchange = world.attack(who, "get /admin/t HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
        assert_eq!((outcome.status(), seen.len()), (exchange.status(), exchange.seen.len()), "{outcome:?}");
    }
    // No tunnels: neither plain, nor for WebSockets (RFC 8441), nor for anything else.
    for fields in [
        &[(":method", "CONNECT"), (":authority", "app.test")][..],
        &[(":method", "CONNECT"), (":authority", "app.test:443")],
        &[(":method", "CONNECT"), (":scheme", "https"), (":authority", "app.test"), (":path", "/public/t")],
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", "app.test"),
            (":path", "/public/t"),
        ],
        &[
            (":method", "GET"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", "app.test"),
            (":path", "/public/t"),
        ],
    ] {
        refused(world, fields, &[400, 405, 501]);
    }
    let mut http2 = Http2::connect(world.gate.public);
    goes_on(&mut http2);
    assert_eq!(http2.settings.get(&8), None, "extended CONNECT is not offered");
}

fn schemes(world: &World) {
    for scheme in ["javascript", "http://x", "ftp", "", "h ttps", "https:", "\r\n"] {
        let fields =
            [(":method", "GET"), (":scheme", scheme), (":authority", "app.test"), (":path", "/public/t")];
        refused(world, &fields, &[400]);
    }
    refused(world, &with("/public/t", b":scheme", b"https"), &[]);
    refused(world, &[(":method", "GET"), (":authority", "app.test"), (":path", "/public/t")], &[]);
    for scheme in ["htTps", "https", "HTTP", "http"] {
        let fields = [(":method", "GET"), (":scheme", scheme), (":authority", "app.test"), (":path", "/t")];
        let (outcome, seen) = asked(world, Who::User, &fields);
        assert_eq!(
            (outcome.status(), seen[0].head.one("x-forwarded-proto")),
            (200, Some("https")),
            "{scheme}"
        );
    }
}

fn pseudo_headers_out_of_place(world: &World) {
    let pseudo = get("/public/t", &[]);
    for at in 0..pseudo.len() {
        let mut late = pseudo.clone();
        let one = late.remove(at);
        late.extend([("x", "y"), one]);
        refused(world, &late, &[]);
        let twice = [pseudo.clone(), vec![pseudo[at]]].concat();
        refused(world, &twice, &[]);
    }
    for (name, value) in
        [(":x-user", "root"), (":status", "200"), (":", "x"), (":path ", "/admin"), (":Path", "/admin")]
    {
        let mut fields = pseudo.clone();
        fields.push((name, value));
        refused(world, &fields, &[]);
        fields.rotate_right(1);
        refused(world, &fields, &[]);
    }
}

fn trailers_say_nothing_of_who_asks(world: &World) {
    for (who, target) in PLACES {
        for (trailers, ends, harmless) in [
            (
                &[("x-user", "root-of-all"), ("x_roles", "root-of-all"), ("x-roles", "root-of-all")][..],
                true,
                true,
            ),
            (
                &[("x-checked", "1"), ("cookie", "a=root-of-all"), ("authorization", "root-of-all")],
                true,
                true,
            ),
            // The parser below drops these alone, and the gate the others.
            (&[(":path", "/root-of-all")], true, true),
            (&[(":method", "GET"), ("x-user", "root-of-all")], true, true),
            (&[("x-user", "root-of-all"), (":method", "GET")], true, false),
            (&[("x-user", "root-of-all")], false, false),
            (&[("transfer-encoding", "root-of-all")], true, false),
        ] {
            let mark = world.mark();
            let mut http2 = Http2::connect(world.gate.public);
            let own = lines(world, who);
            let mut fields = request("POST", target, &[]);
            fields.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let stream = http2.begin(&fields, false);
            http2.data(stream, b"hello", false);
            let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
            http2.write(&frame(HEADERS, flags, stream, &block(trailers)));
            let outcome = http2.outcome(stream);
            world.oracle(mark, &[world.session(who), world.session(Who::Nobody)]);
            let seen = seen_of(world, mark, &own);
            for seen in &seen {
                assert!(!format!("{seen:?}").contains("root-of-all"), "{seen:#?}");
            }
            if harmless {
                assert_eq!((outcome.status(), seen.len()), (200, 1), "{trailers:?}: {outcome:?}");
                assert_eq!((&seen[0].body[..], &seen[0].trailers[..]), (&b"hello"[..], &[][..]));
            } else {
                assert!(outcome.is_refused(&[400]), "{trailers:?}: {outcome:?}");
                assert!(seen.iter().all(|seen| !seen.complete), "{trailers:?}: {seen:#?}");
            }
        }
    }
}

fn crumbs_of_cookies(world: &World) {
    let own = lines(world, Who::User);
    let case = own.iter().find(|(name, _)| name == "x-case").unwrap();
    let session = &own.iter().find(|(name, _)| name == "cookie").unwrap().1;
    let ask = |crumbs: &[&str]| {
        let mark = world.mark();
        let mut http2 = Http2::connect(world.gate.public);
        let mut fields = get("/t", &[(&case.0, &case.1)]);
        fields.extend(crumbs.iter().map(|crumb| ("cookie", *crumb)));
        let outcome = http2.ask(&fields);
        world.oracle(mark, &[world.session(Who::User)]);
        (outcome.status(), seen_of(world, mark, &own))
    };
    let mut crumbs = vec!["a=1"];
    crumbs.extend(session.split("; "));
    crumbs.extend(["b=2; c=3", "d=4"]);
    let (status, seen) = ask(&crumbs);
    assert_eq!((status, seen.len()), (200, 1));
    assert_eq!(seen[0].head.all("cookie"), ["a=1; b=2; c=3; d=4"], "one line, and none of ours");
    // As many as the header lines of a whole request: a browser's jar is one line in HTTP/1.1.
    let many: Vec<_> = (0..150).map(|number| format!("c{number}=v")).collect();
    crumbs.extend(many.iter().map(String::as_str));
    let (status, seen) = ask(&crumbs);
    assert_eq!((status, seen[0].head.all("cookie").len()), (200, 1));

    for at in [1, 20, session.len() / 2, session.len() - 1] {
        let (front, back) = session.split_at(at);
        let (status, seen) = ask(&[front, back]);
        // The ticket may be what is cut; then the pass still is one.
        let whole = session.split("; ").next().unwrap();
        let pass_is_whole = at >= whole.len();
        assert_eq!((status, seen.is_empty()), if pass_is_whole { (200, false) } else { (401, true) }, "{at}");
    }
}

fn an_authority_and_another_host(world: &World) {
    let pseudo = |authority| {
        [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", "/public/t")]
    };
    for host in [
        "evil",
        "evil.test",
        "app.test:8080",
        "app.test:443",
        "app.test.",
        "",
        "app.test, evil.test",
        "app.test@evil.test",
    ] {
        refused(world, &[&pseudo("app.test")[..], &[("host", host)]].concat(), &[400]);
        refused(world, &[&pseudo("app.test")[..], &[("host", "app.test"), ("host", host)]].concat(), &[400]);
    }
    for authority in [
        "",
        "user@app.test",
        "app.test:x",
        "app test",
        "app.test/admin",
        "app.test,evil",
        "[::1",
        "app.test:80:80",
    ] {
        refused(world, &pseudo(authority), &[400]);
    }
    refused(world, &[(":method", "GET"), (":scheme", "https"), (":path", "/public/t")], &[400]);
    refused(
        world,
        &[(":method", "GET"), (":scheme", "https"), (":path", "/public/t"), ("host", "app.test")],
        &[400],
    );
    for host in [&[][..], &[("host", "app.test")], &[("host", "APP.TEST")]] {
        let (outcome, seen) = asked(world, Who::User, &[&pseudo("app.test")[..], host].concat());
        assert_eq!((outcome.status(), seen[0].head.all("host")), (200, vec!["app.test"]), "{outcome:?}");
    }
}

fn a_body_without_a_length(world: &World) {
    for (who, target) in PLACES {
        for method in ["POST", "GET", "DELETE"] {
            let mark = world.mark();
            let mut http2 = Http2::connect(world.gate.public);
            let own = lines(world, who);
            let mut fields = request(method, target, &[]);
            fields.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let stream = http2.begin(&fields, false);
            for piece in [&b"GET /admin "[..], b"", b"HTTP/1.1\r\n\r\n"] {
                http2.data(stream, piece, false);
            }
            http2.write(&frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &block(&[("x-t", "1"), ("content-length", "3")]),
            ));
            let outcome = http2.outcome(stream);
            goes_on(&mut http2);
            world.oracle(mark, &[world.session(who), world.session(Who::Nobody)]);
            let seen = seen_of(world, mark, &own);
            assert_eq!((outcome.status(), seen.len()), (200, 1), "{outcome:?}");
            assert_eq!((seen[0].framing, seen[0].complete), (Framing::Chunked, true));
            assert_eq!(
                (latin1(&seen[0].body).as_str(), &seen[0].trailers[..]),
                ("GET /admin HTTP/1.1\r\n\r\n", &[][..])
            );
        }
    }
    // With one, that and nothing else; and without a body, none.
    let mut http2 = Http2::connect(world.gate.public);
    let (mark, own) = (world.mark(), lines(world, Who::Nobody));
    let case = (own[0].0.as_str(), own[0].1.as_str());
    let stream = http2.begin(&request("POST", "/public/t", &[("content-length", "5"), case]), false);
    http2.data(stream, b"hello", true);
    assert_eq!(http2.outcome(stream).status(), 200);
    assert_eq!(http2.ask(&request("POST", "/public/t", &[case])).status(), 200);
    let framings: Vec<_> = seen_of(world, mark, &own).iter().map(|seen| seen.framing).collect();
    assert_eq!(framings, [Framing::Length(5), Framing::None]);
}
