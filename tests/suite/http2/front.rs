//! HTTP/2 among the rest: behind TLS, beside HTTP/1.1 and WebSockets, through a reload and a stop; and no HTTP/3.

use super::*;
use crate::forwarding::three_events;
use crate::front::clients::{GOOD, KEY, LIST, NOBODY, REVOKED, with_lists};
use crate::front::{self, tunnelled};
use crate::reload::reload;
use crate::support::tls::Offer;
use crate::support::until;
use crate::support::wire::Ended;

pub fn cases() -> Vec<Case> {
    vec![
        case(&["H2-27"], |_| a_connection_for_two_hosts_is_decided_on_for_each_request()),
        case(&["H2-28"], |_| a_certificate_is_judged_for_each_request()),
        case(&["H2-29", "H2-31", "H2-32", "H2-33"], nothing_is_spoken_over_udp),
    ]
}

fn offer() -> Offer {
    Offer::to("app.test").protocols(&["h2"])
}

#[test]
fn http_2_is_what_is_agreed_on_where_both_sides_can() {
    for (keys, first, alone) in
        [("", &b"h2"[..], true), ("http2 = true", b"h2", true), ("http2 = false", b"http/1.1", false)]
    {
        let world = front::setup(keys).start();
        let both = Offer::to("app.test").protocols(&["http/1.1", "h2"]).connect(world.gate.public).unwrap();
        assert_eq!(both.session().alpn_protocol(), Some(first), "{keys}");
        assert_eq!(offer().connect(world.gate.public).is_ok(), alone, "{keys}");
        if alone {
            let mut http2 = Http2::connect(offer().tunnel(world.gate.public));
            goes_on(&mut http2);
            for scheme in ["http", "javascript"] {
                let fields = [
                    (":method", "GET"),
                    (":scheme", scheme),
                    (":authority", "app.test"),
                    (":path", "/public/x"),
                ];
                assert!(http2.ask(&fields).is_refused(&[400]), "{scheme} behind TLS");
            }
        }
        // It stays off there for who only claims to know; the answer is HTTP/1.1's, or none.
        let mut untold = Wire::connect(Offer::to("app.test").tunnel(world.gate.public));
        untold.write(&[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat());
        let (rest, ended) = untold.rest();
        assert!(
            ended == Ended::Closed && (rest.is_empty() || rest.starts_with(b"HTTP/1.1 400")),
            "{}",
            latin1(&rest)
        );
    }
}

#[test]
fn in_cleartext_it_is_spoken_only_where_that_is_configured() {
    let world = Setup::bench().limits("header_timeout = \"20s\"").start();
    for bytes in [PREFACE.to_vec(), [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat(), PREFACE[..18].to_vec()] {
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&bytes);
        wire.finish_writing();
        let (rest, ended) = wire.rest();
        assert!(
            ended == Ended::Closed && (rest.is_empty() || rest.starts_with(b"HTTP/1.1 400")),
            "{}",
            latin1(&rest)
        );
    }
    // No way there by an upgrade either: it is an HTTP/1.1 request like others.
    let upgrade = "GET /x HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
        HTTP2-Settings: AAMAAABkAAQAAP__\r\n{session}\r\n";
    let exchange = world.attack(Who::User, upgrade);
    let seen = exchange.one().unwrap();
    assert_eq!(
        (exchange.status(), seen.head.one("upgrade"), seen.head.one("http2-settings")),
        (200, None, None)
    );

    let world = world.restarted(|setup| setup.top("http2_cleartext = true"));
    goes_on(&mut Http2::connect(world.gate.public));
    for pieces in [
        &["G", "ET /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n"][..],
        &["P", "R", "OPFIND /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n"],
    ] {
        let mut wire = Wire::connect(world.gate.public);
        for piece in pieces {
            wire.write(piece.as_bytes());
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(wire.answer(false).unwrap().status, 200, "{pieces:?}");
    }
    let mut http2 = Http2::bare(world.gate.public);
    for byte in [PREFACE, &frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0])].concat() {
        http2.write(&[byte]);
        std::thread::sleep(Duration::from_millis(2));
    }
    goes_on(&mut http2);
    let upgraded = world.attack(Who::User, upgrade);
    assert_eq!((upgraded.status(), upgraded.seen.len()), (200, 1));
}

#[test]
fn a_piece_of_an_event_stream_arrives_before_the_next_one_is_sent() {
    let world = bench();
    let (go, behaviour) = three_events();
    world.upstream.at("/events", behaviour);
    let own = lines(&world, Who::User);
    let own: Vec<_> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut http2 = Http2::connect(world.gate.public);
    let stream = http2.begin(&get("/events", &own), true);
    for so_far in ["data: 1\n", "data: 1\ndata: 2\n", "data: 1\ndata: 2\ndata: 3\n"] {
        // The upstream sends the next one only when this one is here.
        go.send(()).unwrap();
        http2.until(|http2| (http2.so_far(stream).body == so_far.as_bytes()).then_some(())).unwrap();
    }
    assert!(http2.outcome(stream).ended);
    goes_on(&mut http2);
}

fn a_connection_for_two_hosts_is_decided_on_for_each_request() {
    let rules = "[[rules]]\npath = \"/open/**\"\nhost = \"api.test\"\npublic = true\n\
                 [[rules]]\npath = \"/open/**\"\nhost = \"app.test\"\nany_role = [\"admin\"]\n";
    let (world, address) = tunnelled(front::setup("").rules(rules));
    let mut http2 = Http2::connect(offer().tunnel(address));
    let own = lines(&world, Who::User);
    let mut ask = |authority: &str, path: &str, session: bool| {
        let mut fields =
            vec![(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", path)];
        fields.extend(own.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|_| session));
        http2.ask(&fields)
    };
    let mark = world.mark();
    for _ in 0..2 {
        assert_eq!(ask("api.test", "/open/x", false).status(), 200);
        assert_eq!(ask("app.test", "/open/x", false).status(), 401);
        assert_eq!(ask("app.test", "/open/x", true).status(), 403);
        assert_eq!(ask("app.test", "/x", true).status(), 200);
        // A session is one host's: its cookies are not read at another.
        assert_eq!(ask("api.test", "/x", true).status(), 401);
        assert_eq!(ask("nowhere.test", "/x", true).status(), 421);
        assert_eq!(ask("app.test:8443", "/x", true).status(), 421);
    }
    let users: Vec<_> =
        world.seen_since(mark).iter().map(|seen| seen.head.one("x-user").map(str::to_owned)).collect();
    assert_eq!(users, [None, Some("user".to_owned()), None, Some("user".to_owned())]);
}

fn a_certificate_is_judged_for_each_request() {
    let world = with_lists("", &[NOBODY]).start();
    let open =
        |certificate: &str| Http2::connect(offer().showing(certificate, KEY).tunnel(world.gate.public));
    let (mut rolf, mut erika) = (open(REVOKED), open(GOOD));
    let mut nobodys = Http2::connect(offer().tunnel(world.gate.public));
    for http2 in [&mut rolf, &mut erika] {
        assert_eq!(http2.ask(&get("/machines/x", &[])).status(), 200);
    }
    assert_eq!(nobodys.ask(&get("/machines/x", &[])).status(), 403);
    goes_on(&mut nobodys);

    let from = world.gate.stderr().count();
    std::fs::write(world.gate.folder().join("revoked.pem"), LIST).unwrap();
    world.gate.signal("HUP");
    let taken = |line: &str| line.contains("configuration taken").then_some(());
    world.gate.stderr().wait_since(from, taken).expect("the list is taken");
    assert_eq!(rolf.ask(&get("/machines/x", &[])).status(), 403);
    assert_eq!(erika.ask(&get("/machines/x", &[])).status(), 200);
    goes_on(&mut rolf);
}

fn nothing_is_spoken_over_udp(world: &World) {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", world.gate.id()))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    assert!(!sockets.is_empty());
    for table in ["udp", "udp6"] {
        let Ok(table) = std::fs::read_to_string(format!("/proc/{}/net/{table}", world.gate.id())) else {
            continue;
        };
        for line in table.lines().skip(1) {
            let inode = line.split_whitespace().nth(9).unwrap();
            assert!(!sockets.iter().any(|socket| socket == inode), "{line}");
        }
    }
    // Nothing of the gate's own leads there, and an application that has a listener of its own may say so.
    let mut http2 = Http2::connect(world.gate.public);
    for target in ["/x", "/public/x", "/oauth2/userinfo", "/oauth2/nothing"] {
        assert_eq!(http2.ask(&get(target, &[])).header("alt-svc"), None, "{target}");
    }
    let own = "h3=\":8443\"; ma=60";
    world.upstream.behave(upstream::answers_headers(&format!("Alt-Svc: {own}\r\n"), "x"));
    assert_eq!(http2.ask(&get("/public/x", &[])).header("alt-svc"), Some(own));
}

#[test]
fn a_websocket_comes_over_http_1_1_beside_it() {
    let (world, address) = tunnelled(front::setup(""));
    let mut http2 = Http2::connect(offer().tunnel(address));
    goes_on(&mut http2);
    world.upstream.at("/ws", upstream::switches_protocols(crate::forwarding::websocket::ACCEPT));
    // As a browser does: a connection of its own, on which it offers HTTP/1.1 alone.
    let mut wire = Wire::connect(Offer::to("app.test").protocols(&["http/1.1"]).tunnel(address));
    let request = crate::forwarding::websocket::request("/ws", "");
    wire.write(&world.session(Who::User).fill(request.as_bytes()));
    assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 101"));
    wire.write(b"\x81\x05hello");
    assert_eq!(wire.take(7).unwrap(), b"\x81\x05hello");
    goes_on(&mut http2);
}

#[test]
fn answers_have_what_http_2_allows() {
    let world = bench();
    let mut http2 = Http2::connect(world.gate.public);
    // The client of these tests objects to any line of a connection's by itself.
    world.upstream.behave(upstream::answers_with(
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status, X-User\r\n\r\n\
         5\r\nhello\r\n0\r\nGrpc-Status: 0\r\nGrpc-Message: well\r\nX-User: root\r\n\r\n",
    ));
    let answer = http2.ask(&get("/public/x", &[("te", "trailers")]));
    assert_eq!(
        (answer.status(), &answer.body[..], answer.header("x-hop")),
        (200, &b"hello"[..], None),
        "{answer:?}"
    );
    let trailers = answer.trailers.unwrap();
    let trailers: Vec<_> = trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(trailers, [("grpc-status", "0"), ("grpc-message", "well")]);

    // Refusals that close an HTTP/1.1 connection end one request here.
    let refused = http2.ask(&get("/public/x", &[("content_length", "5")]));
    assert_eq!(refused.status(), 400);
    world.upstream.behave_well();
    goes_on(&mut http2);
    world.upstream.behave(upstream::answers_with(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ));
    assert_eq!(http2.ask(&get("/public/x", &[])).status(), 502);
    world.upstream.behave(upstream::cuts_its_body());
    let cut = http2.ask(&get("/public/x", &[]));
    assert!(cut.reset.is_some() && !cut.ended, "an answer cut short does not look whole: {cut:?}");
    world.upstream.behave_well();
    let head = http2.ask(&request("HEAD", "/public/x", &[]));
    assert!(
        head.status() == 200 && head.body.is_empty() && head.header("content-length").is_some(),
        "{head:?}"
    );
}

#[test]
fn an_early_answer_ends_the_upload_without_an_error() {
    let world = bench();
    world.upstream.at("/public/early", upstream::early_413());
    let mut http2 = Http2::connect(world.gate.public);
    let stream = http2.begin(&request("POST", "/public/early", &[("content-length", "100000000")]), false);
    http2.data(stream, &[b'x'; 1000], false);
    http2.until(|http2| http2.so_far(stream).reset);
    let outcome = http2.so_far(stream);
    assert_eq!((outcome.status(), outcome.ended, outcome.reset), (413, true, Some(NO_ERROR)), "{outcome:?}");
    // The same where the gate itself has nothing to ask it for.
    let stream = http2.begin(&request("POST", "/x", &[("content-length", "100000000")]), false);
    http2.data(stream, &[b'x'; 1000], false);
    http2.until(|http2| http2.so_far(stream).reset);
    let outcome = http2.so_far(stream);
    assert_eq!((outcome.status(), outcome.ended, outcome.reset), (401, true, Some(NO_ERROR)), "{outcome:?}");
    goes_on(&mut http2);
    // Whoever waits for a word before the body is not refused for it; most do not wait for long (RFC 9110 §10.1.1).
    let stream = http2
        .begin(&request("POST", "/public/x", &[("expect", "100-continue"), ("content-length", "5")]), false);
    assert!(http2.is_alive());
    http2.data(stream, b"hello", true);
    assert_eq!(http2.outcome(stream).status(), 200);
    assert_eq!(http2.ask(&get("/public/x", &[("expect", "something else")])).status(), 417);
}

#[test]
fn uploads_and_downloads_go_both_ways_at_once() {
    let limits = "http2_window = 65535\nbody_idle_timeout = \"60s\"\nresponse_timeout = \"60s\"";
    let world = setup().limits(limits).start();
    let body = "0123456789abcdef".repeat(64 * 1024);
    world.upstream.at("/public/large", upstream::answers_headers("", &body));
    let mark = world.mark();
    let mut http2 = Http2::connect(world.gate.public);
    let downloads: Vec<_> = (0..4).map(|_| http2.begin(&get("/public/large", &[]), true)).collect();
    let stream = http2.begin(&request("POST", "/public/x", &[]), false);
    http2.upload(stream, body.as_bytes());
    assert_eq!(http2.outcome(stream).status(), 200);
    for stream in downloads {
        let outcome = http2.outcome(stream);
        assert!(outcome.status() == 200 && outcome.body == body.as_bytes(), "{}", outcome.body.len());
    }
    let seen =
        world.upstream.wait_until(mark.upstream, |seen| seen.iter().any(|seen| seen.path() == "/public/x"));
    let upload = seen.iter().find(|seen| seen.path() == "/public/x").unwrap();
    assert!(upload.complete && upload.body == body.as_bytes());
}

#[test]
fn a_connection_without_a_request_is_told_to_go() {
    let world = setup()
        .limits("idle_timeout = \"2s\"\nhttp2_streams = 7\nhttp2_window = 100000\nhttp2_ping = \"1s\"")
        .start();
    let mut http2 = Http2::connect(world.gate.public);
    goes_on(&mut http2);
    assert_eq!((http2.settings[&3], http2.settings[&4]), (7, 100_000));
    assert_eq!(http2.end(), Some(NO_ERROR));
    // One that does not hear it is not waited for.
    let mut deaf = Wire::connect(world.gate.public);
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&get("/public/x", &[])));
    deaf.write(&[PREFACE, &frame(SETTINGS, 0, 0, b""), &head].concat());
    assert_eq!(deaf.rest().1, Ended::Closed);
    // Who waits for something, and is silent, is asked.
    world.upstream.at("/public/slow", upstream::slow_drip("abc", Duration::from_millis(1_500)));
    let mut http2 = Http2::connect(world.gate.public);
    let answer = http2.ask(&get("/public/slow", &[]));
    assert!(answer.body == b"abc" && http2.pings > 0, "{answer:?} {}", http2.pings);
}

#[test]
fn a_reload_keeps_connections_and_a_stop_says_goodbye() {
    let world = setup().limits("drain = \"10m\"\nresponse_timeout = \"10m\"").start();
    let own = lines(&world, Who::User);
    let own: Vec<_> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (mut idle, mut busy) = (Http2::connect(world.gate.public), Http2::connect(world.gate.public));
    assert_eq!(idle.ask(&get("/ledger/x", &own)).status(), 200);
    reload(&world.gate, |text| format!("{text}\n[[rules]]\npath = \"/ledger/**\"\nany_role = [\"admin\"]\n"));
    assert_eq!(idle.ask(&get("/ledger/x", &own)).status(), 403);
    assert_eq!(idle.ask(&get("/x", &own)).status(), 200);

    let mark = world.mark();
    let stream = busy.begin(&request("POST", "/upload", &own), false);
    busy.data(stream, b"half", false);
    world.upstream.wait_until(mark.upstream, |seen| seen.iter().any(|seen| seen.path() == "/upload"));
    world.gate.signal("TERM");
    assert_eq!(idle.end(), Some(NO_ERROR));
    busy.until(|http2| http2.goaway);
    busy.data(stream, b"done", true);
    assert_eq!(busy.outcome(stream).json()["target"], "/upload");
    assert_eq!(busy.end(), Some(NO_ERROR));
    let (status, _) = world.gate.wait();
    assert!(status.success());
}

#[test]
fn while_the_gate_leaves_each_connection_is_told_with_its_next_answer() {
    let world = setup().limits("drain_delay = \"10m\"\ndrain = \"10m\"").start();
    let mut http2 = Http2::connect(world.gate.public);
    goes_on(&mut http2);
    world.gate.signal("TERM");
    until("it says that it goes", || (world.gate.admin("/readyz").status == 503).then_some(()));
    goes_on(&mut http2);
    assert_eq!(http2.end(), Some(NO_ERROR));
    goes_on(&mut Http2::connect(world.gate.public));
}
