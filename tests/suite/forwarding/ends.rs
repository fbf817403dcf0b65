//! Ends that come early or from one side alone: an answer before its request is over, a connection half closed.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use super::asked;
use crate::support::until;
use crate::support::upstream::{self, After, Behaviour};
use crate::support::wire::Ended;
use crate::support::world::{Who, World};

#[test]
fn an_answer_that_comes_before_the_upload_is_over_is_passed_on_at_once() {
    let world = World::bench();
    for status in ["200 OK", "413 Content Too Large"] {
        let (go, told) = channel();
        world.upstream.at("/early", answers_then_reads(status, told));
        let mut wire = asked(&world, Who::User, "POST", "/early", "Content-Length: 10\r\n", "first");
        // Half of the upload is still the client's when the answer is here.
        let answer = wire.answer(false).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (status[..3].parse().unwrap(), "early"));
        wire.write(b"later");
        go.send(()).unwrap();
        until("nothing is left open at the upstream but an idle connection", || {
            (world.upstream.open() <= 1).then_some(())
        });
        assert_eq!(asked(&world, Who::User, "GET", "/x", "", "").answer(false).unwrap().status, 200);
    }
}

/// Whoever says that they will send no more while their answer is awaited cannot be told from one who has gone: what was
/// asked for them ends at the upstream (as with nginx).
#[test]
fn a_client_that_closes_its_half_while_its_answer_is_awaited_has_gone() {
    let world = World::bench();
    world.upstream.at("/late", upstream::stalls_after_head());
    let mark = world.upstream.mark();
    let mut wire = asked(&world, Who::User, "GET", "/late", "", "");
    world.upstream.wait_for(mark, 1);
    wire.finish_writing();
    until("the upstream's connection ends", || (world.upstream.open() == 0).then_some(()));
    assert_eq!(wire.rest(), (vec![], Ended::Closed));
    assert_eq!(asked(&world, Who::User, "GET", "/x", "", "").answer(false).unwrap().status, 200);
}

#[test]
fn an_upstream_that_closes_its_half_has_said_all_there_is() {
    let world = World::bench();
    let closes_its_half = |raw: &'static str| -> Behaviour {
        Arc::new(move |turn| {
            turn.wire.write(raw.as_bytes());
            turn.wire.finish_writing();
            // The other half stays, for as long as the gate likes.
            let _ = turn.wire.rest();
            After::Close
        })
    };
    for (raw, status, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", 200, "whole"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", 200, "whole"),
        // Framed by its end alone.
        ("HTTP/1.1 200 OK\r\n\r\nwhole", 200, "whole"),
        ("HTTP/1.0 200 OK\r\n\r\nwhole", 200, "whole"),
        ("", 502, ""),
        ("HTTP/1.1 200 OK\r\nContent-", 502, ""),
    ] {
        world.upstream.at("/half", closes_its_half(raw));
        for (method, lines, sent) in [("GET", "", ""), ("POST", "Content-Length: 5\r\n", "hello")] {
            let answer = asked(&world, Who::User, method, "/half", lines, sent).answer(false).unwrap();
            assert_eq!(answer.status, status, "{method} {raw:?}: {answer:#?}");
            assert!(body.is_empty() || answer.text() == body, "{method} {raw:?}: {answer:#?}");
        }
    }
    until("no half stays open", || (world.upstream.open() == 0).then_some(()));
}

#[test]
fn an_answer_that_is_cut_short_never_looks_whole() {
    let world = World::bench();
    for raw in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
    ] {
        world.upstream.at("/cut", upstream::answers_and_closes(raw));
        let answer = asked(&world, Who::User, "GET", "/cut", "", "").answer(false);
        assert!(matches!(answer, Err(Ended::Cut(_))), "{raw:?}: {answer:#?}");
    }
}

/// Answers at the head; once told, reads what is left.
fn answers_then_reads(status: &'static str, told: Receiver<()>) -> Behaviour {
    let told = Mutex::new(told);
    Arc::new(move |turn| {
        turn.wire.write(format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nearly").as_bytes());
        let _ = told.lock().unwrap().recv();
        turn.read_body();
        After::Keep
    })
}
