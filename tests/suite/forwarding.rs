//! Forwarding over real sockets: bodies that stream, messages that keep their ends, upstreams of every kind.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crate::support::browser::Kind;
use crate::support::upstream::{self, After, Behaviour, Recorder};
use crate::support::wire::{Answer, Ended, Wire};
use crate::support::world::{Setup, Who, World};

mod ends;
mod upstreams;
pub mod websocket;

#[test]
fn a_piece_of_an_answer_arrives_before_the_next_one_is_sent() {
    let world = World::bench();
    let (go, behaviour) = three_events();
    world.upstream.at("/events", behaviour);
    let mut wire = asked(&world, Who::User, "GET", "/events", "", "");
    let head = wire.head().unwrap();
    assert!(head.start.starts_with("HTTP/1.1 200"), "{head:?}");
    for piece in ["data: 1\n", "data: 2\n", "data: 3\n"] {
        // The upstream sends the next one only when this one is here.
        go.send(()).unwrap();
        until_there(&mut wire, piece);
    }
    assert!(asked(&world, Who::User, "GET", "/x", "", "").answer(false).is_ok());
}

#[test]
fn a_piece_of_an_upload_reaches_the_upstream_before_the_upload_ends() {
    let world = World::bench();
    let mark = world.upstream.mark();
    let mut wire = asked(&world, Who::User, "POST", "/upload", "Transfer-Encoding: chunked\r\n", "");
    let mut sent = String::new();
    for piece in ["first", "second", "third"] {
        wire.write(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        sent += piece;
        let seen = world
            .upstream
            .wait_until(mark, |seen| seen.first().is_some_and(|seen| seen.body.len() == sent.len()));
        assert!(!seen[0].complete && seen[0].body == sent.as_bytes(), "{seen:#?}");
    }
    wire.write(b"0\r\n\r\n");
    assert_eq!(wire.answer(false).unwrap().json()["body"], sent);
}

#[test]
fn large_bodies_pass_whole_both_ways_and_are_never_held_in_memory() {
    const SIZE: usize = 48 << 20;
    let world = World::bench();
    let whole: Vec<u8> = (0..SIZE).map(|at| b'a' + u8::try_from(at % 23).unwrap()).collect();
    let echoed = whole.clone();
    world.upstream.at(
        "/large",
        std::sync::Arc::new(move |turn| {
            turn.wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes());
            turn.wire.write(&echoed);
            After::Keep
        }),
    );
    let before = world.gate.rss_kib();
    let answer = asked(&world, Who::User, "GET", "/large", "", "").answer(false).unwrap();
    assert!(answer.body == whole, "{} bytes came", answer.body.len());

    // What it was sent is kept, and not told back: that would take a busy machine longer than an upstream may take.
    world.upstream.at("/up", upstream::answers_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let mark = world.upstream.mark();
    let mut wire = asked(&world, Who::User, "POST", "/up", &format!("Content-Length: {SIZE}\r\n"), "");
    assert!(wire.write(&whole));
    assert_eq!(wire.answer(false).unwrap().status, 200);
    assert!(world.upstream.since(mark)[0].body == whole);
    let grown = world.gate.rss_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "the gate grew by {grown} KiB");
}

#[test]
fn uploads_that_follow_one_another_are_whole_however_much_comes_with_a_head() {
    const SIZE: usize = 3 << 20;
    let world = World::bench();
    world.upstream.at("/up", upstream::answers_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let body: Vec<u8> = (0..SIZE).map(|at| b'a' + u8::try_from(at % 23).unwrap()).collect();
    let head = format!("POST /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: {SIZE}\r\n{{session}}\r\n");
    let request = [world.session(Who::User).fill(head.as_bytes()), body.clone()].concat();
    let mark = world.upstream.mark();
    let mut wire = Wire::connect(world.gate.public);
    for number in 1..=8 {
        // In one piece: what is read of the second head is as much as was read of the first body.
        assert!(wire.write(&request), "{number}");
        assert_eq!(wire.answer(false).unwrap().status, 200, "{number}");
    }
    let seen = world.upstream.since(mark);
    assert!(seen.len() == 8 && seen.iter().all(|seen| seen.complete && seen.body == body));
}

#[test]
fn a_connection_is_kept_on_both_sides() {
    let world = World::bench();
    let session = world.session(Who::User);
    let before = world.upstream.connections();
    let mut wire = Wire::connect(world.gate.public);
    for number in 0..30 {
        let (method, lines, body) = match number % 3 {
            0 => ("GET", "", ""),
            1 => ("POST", "Content-Length: 5\r\n", "hello"),
            _ => ("PUT", "Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
        };
        let request =
            format!("{method} /kept/{number} HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n{body}");
        wire.write(&session.fill(request.as_bytes()));
        let answer = wire.answer(false).unwrap();
        assert_eq!(answer.json()["target"], format!("/kept/{number}"));
        assert!(!answer.closes(), "{answer:#?}");
    }
    assert_eq!(world.upstream.connections() - before, 1);
}

#[test]
fn head_is_answered_without_a_body_and_with_the_length_of_one() {
    let world = World::bench();
    let session = world.session(Who::User);
    world.upstream.at("/long", upstream::answers_with("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"));
    let mut wire = Wire::connect(world.gate.public);
    for who in ["{session}", ""] {
        wire.write(&session.fill(format!("HEAD /long HTTP/1.1\r\nHost: app.test\r\n{who}\r\n").as_bytes()));
        let answer = wire.answer(true).unwrap();
        let (status, length) = if who.is_empty() { (401, None) } else { (200, Some("1234")) };
        assert_eq!(answer.status, status);
        assert!(length.is_none() || answer.header("content-length") == length, "{answer:#?}");
        // Nothing of a body lies between this answer and the next one.
        wire.write(&session.fill(b"GET /after HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
        assert_eq!(wire.answer(false).unwrap().json()["target"], "/after");
    }
}

#[test]
fn a_client_is_told_to_go_on_only_after_the_decision() {
    let world = World::bench();
    let expecting = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    for (who, target, status) in [(Who::Nobody, "/x", 401), (Who::User, "/admin/x", 403)] {
        let mut wire = asked(&world, who, "POST", target, expecting, "");
        let answer = wire.answer(false).unwrap();
        assert_eq!((answer.status, answer.interim.len()), (status, 0), "{answer:#?}");
    }
    assert_eq!(world.upstream.count(), 0);

    let mut wire = asked(&world, Who::User, "POST", "/x", expecting, "");
    let interim = wire.head().unwrap();
    assert!(interim.start.starts_with("HTTP/1.1 100"), "{interim:?}");
    wire.write(b"hello");
    let answer = wire.answer(false).unwrap();
    assert_eq!((answer.status, answer.json()["body"].as_str()), (200, Some("hello")), "{answer:#?}");
}

#[test]
fn interim_answers_of_an_upstream_never_stand_for_the_final_one() {
    let world = World::bench();
    for interim in [
        "HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        world.upstream.at("/hints", upstream::interim(interim));
        let mut wire = asked(&world, Who::User, "GET", "/hints", "", "");
        let answer = wire.answer(false).unwrap();
        assert_eq!((answer.status, answer.json()["target"].as_str()), (200, Some("/hints")), "{interim}");
        let session = world.session(Who::User);
        wire.write(&session.fill(b"GET /next HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
        assert_eq!(wire.answer(false).unwrap().json()["target"], "/next", "{interim}");
    }
}

#[test]
fn trailers_pass_to_a_client_that_wants_them_and_never_say_who_somebody_is() {
    let world = World::bench();
    world.upstream.behave(upstream::answers_with(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum, X-User, Set-Cookie\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Checksum: 1\r\nX-User: root\r\nSet-Cookie: __Host-rolegate=x\r\n\r\n",
    ));
    let answer = asked(&world, Who::User, "GET", "/t", "TE: trailers\r\n", "").answer(false).unwrap();
    assert_eq!(answer.text(), "hi");
    let trailers: Vec<_> =
        answer.trailers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(trailers, [("x-checksum", "1")], "{answer:#?}");
}

#[test]
pub fn an_answer_to_people_is_for_no_shared_cache() {
    let world = Setup::bench()
        .rules("[[rules]]\npath = \"/shared/**\"\nany_role = [\"user\"]\ncacheable = true")
        .start();
    let cache = |target: &str, lines: &str| {
        world.upstream.behave(upstream::answers_headers(lines, "x"));
        let answer = asked(&world, Who::User, "GET", target, "", "").answer(false).unwrap();
        answer.head.all("cache-control").join(" | ")
    };
    assert_eq!(cache("/x", ""), "private");
    assert_eq!(cache("/x", "Cache-Control: public, max-age=60, s-maxage=600\r\n"), "private, max-age=60");
    assert_eq!(cache("/x", "Cache-Control: no-store\r\n"), "private, no-store");
    assert_eq!(cache("/x", "Cache-Control: public\r\nCache-Control: s-maxage=1\r\n"), "private");
    for free in ["/shared/x", "/public/x"] {
        assert_eq!(cache(free, "Cache-Control: public, s-maxage=600\r\n"), "public, s-maxage=600", "{free}");
        assert_eq!(cache(free, ""), "", "{free}");
    }
}

#[test]
pub fn two_people_on_one_gate_never_see_each_others_answers() {
    let world = World::bench();
    let everyone = [Who::User, Who::Admin, Who::Nobody];
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (world, who) = (&world, everyone[thread % 3]);
            let session = world.session(who);
            scope.spawn(move || {
                let mut wire = Wire::connect(world.gate.public);
                for number in 0..100 {
                    let target = format!("/public/{thread}/{number}");
                    let request = format!(
                        "GET {target} HTTP/1.1\r\nHost: app.test\r\nX-Mine: {thread}\r\n{{session}}\r\n"
                    );
                    wire.write(&session.fill(request.as_bytes()));
                    let seen = wire.answer(false).unwrap().json();
                    assert_eq!(seen["target"], target);
                    let header = |name: &str| {
                        let lines = seen["headers"].as_array().unwrap();
                        let found = lines.iter().find(|line| line[0] == name);
                        found.map(|line| line[1].as_str().unwrap().to_owned())
                    };
                    assert_eq!(header("x-mine"), Some(thread.to_string()));
                    assert_eq!(header("x-user").zip(header("x-roles")), session.identity, "{seen}");
                }
            });
        }
    });
}

#[test]
fn a_client_that_goes_away_ends_its_request_at_the_upstream() {
    let world = World::bench();
    let (go, behaviour) = in_pieces("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", &["half"]);
    world.upstream.at("/half", behaviour);
    let mark = world.upstream.mark();
    let mut wire = asked(&world, Who::User, "GET", "/half", "", "");
    wire.head().unwrap();
    go.send(()).unwrap();
    until_there(&mut wire, "half");
    world.upstream.wait_for(mark, 1);
    drop(wire);
    drop(go);
    crate::support::until("the upstream's connection ends", || (world.upstream.open() == 0).then_some(()));
}

/// Sends the head of a request, and a body's beginning.
fn asked(world: &World, who: Who, method: &str, target: &str, lines: &str, body: &str) -> Wire {
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: app.test\r\n{}{{session}}{lines}\r\n{body}",
        Kind::Program.lines()
    );
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&world.session(who).fill(request.as_bytes()));
    wire
}

/// An upstream that sends a head at once and each further piece when it is told to; then it waits for the end.
pub fn in_pieces(head: &'static str, pieces: &'static [&'static str]) -> (Sender<()>, Behaviour) {
    let (go, told) = channel();
    let told = Mutex::new(told);
    let behaviour: Behaviour = std::sync::Arc::new(move |turn| {
        turn.wire.write(head.as_bytes());
        let told = told.lock().unwrap();
        for piece in pieces {
            if told.recv().is_err() || !turn.wire.write(piece.as_bytes()) {
                return After::Close;
            }
        }
        // Until the other side ends it, or nobody says anything any more.
        turn.wire.set_patience(Duration::from_secs(30));
        let _ = turn.wire.more();
        After::Close
    });
    (go, behaviour)
}

/// The same with three events, `data: 1` to `data: 3`, and the end.
pub fn three_events() -> (Sender<()>, Behaviour) {
    in_pieces(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        &["8\r\ndata: 1\n\r\n", "8\r\ndata: 2\n\r\n", "8\r\ndata: 3\n\r\n0\r\n\r\n"],
    )
}

/// Reads until this text has come.
fn until_there(wire: &mut Wire, text: &str) {
    let begun = Instant::now();
    while !String::from_utf8_lossy(wire.pending()).contains(text) {
        assert!(begun.elapsed() < Duration::from_secs(8), "{text:?} does not come: {:?}", wire.pending());
        wire.more().unwrap_or_else(|ended| panic!("{text:?} does not come: {ended:?}"));
    }
}

/// An answer of a gate whose upstream is set up so.
fn answer_of(setup: Setup, behaviour: Option<Behaviour>, kind: Kind) -> Result<Answer, Ended> {
    let recorder = Recorder::start();
    if let Some(behaviour) = behaviour {
        recorder.behave(behaviour);
    }
    let world = setup.start_with(crate::support::pool::FakePool::start(), recorder);
    let session = world.session(Who::User);
    let mut wire = Wire::connect(world.gate.public);
    let head = format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{}{{session}}\r\n", kind.lines());
    wire.write(&session.fill(head.as_bytes()));
    wire.answer(false)
}
