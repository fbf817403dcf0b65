//! Facts about answers and bodies, both ways.

use std::io::{BufRead, Read, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use super::stage::*;
use crate::config::settings::Upstream;

#[test]
fn a_bad_answer_is_a_502_and_its_connection_is_gone() {
    for bad in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let (gate, connections) = before(move |mut upstream, _| {
            while upstream.head().is_some() {
                upstream.say(bad);
            }
        });
        assert!(get(gate, "/").ends_with("upstream_bad_answer"), "{bad}");
        assert!(get(gate, "/").ends_with("upstream_bad_answer"), "{bad}");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{bad}");
    }
}

#[test]
fn interim_answers_are_not_final() {
    // SMG-43
    let (gate, _) = before(|mut upstream, _| {
        while upstream.head().is_some() {
            upstream.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
            upstream.say(OK);
        }
    });
    let answer = get(gate, "/");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok") && !answer.contains("link"),
        "{answer}"
    );
}

#[test]
fn an_upstream_that_stalls_is_a_timeout_or_an_answer_cut_short() {
    let (gate, _) = before(|mut never_answers, _| {
        never_answers.head();
        std::thread::sleep(Duration::from_secs(3));
    });
    assert!(get(gate, "/").ends_with("upstream_timeout"));

    let (gate, _) = before(|mut stalls_after_head, _| {
        stalls_after_head.head();
        stalls_after_head.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        std::thread::sleep(Duration::from_secs(3));
    });
    let answer = get(gate, "/");
    assert!(answer.contains("2\r\nok\r\n") && !answer.contains("0\r\n\r\n"), "{answer}");
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    let (gate, _) = before(|mut breaks_off, _| {
        breaks_off.head();
        breaks_off.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        pause();
    });
    let answer = get(gate, "/");
    assert!(answer.contains("ok") && !answer.contains("0\r\n\r\n"), "{answer}");
}

#[test]
fn chunks_stream_both_ways_and_trailers_stay_behind() {
    let (gate, _) = before(|mut echoes, _| {
        let head = echoes.head().unwrap();
        assert!(
            head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"),
            "{head}"
        );
        let mut body = String::new();
        while !body.ends_with("0\r\n\r\n") {
            echoes.0.read_line(&mut body).unwrap();
        }
        echoes.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        echoes.say(&body.replace("0\r\n\r\n", "0\r\nX-User: evil\r\n\r\n"));
    });
    for method in ["POST", "GET"] {
        let answer = ask(
            gate,
            &format!(
                "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTE: trailers\r\n\
                 Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-User: evil\r\n\r\n"
            ),
        );
        assert!(answer.contains("abc") && answer.contains("de") && answer.ends_with("0\r\n\r\n"), "{answer}");
        assert!(!answer.contains("evil"), "{answer}");
    }
}

#[test]
fn a_piece_is_passed_on_at_once() {
    let (go, told) = mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let (gate, _) = before(move |mut events, _| {
        events.head();
        events
            .say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..3 {
            events.say("7\r\ndata: 1\r\n");
            let _ = told.lock().unwrap().recv();
        }
        events.say("0\r\n\r\n");
    });
    let mut stream = connect(gate);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 512];
    // The next one is not sent before this one is here.
    for piece in 1..=3 {
        while seen.matches("data: 1").count() < piece {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "piece {piece} does not come: {seen}");
            seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        go.send(()).unwrap();
    }
}

#[test]
fn an_answer_before_the_upload_is_done_is_relayed() {
    let (gate, _) = before(|mut answers_early, _| {
        answers_early.head();
        answers_early.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        let mut rest = Vec::new();
        let _ = answers_early.0.read_to_end(&mut rest);
    });
    let mut stream = connect(gate);
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    // The rest may be sent or not; either way the connection is sound or ends.
    let _ = stream.write_all(&[b'x'; 99_995]);
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.matches("HTTP/1.1 ").count() <= 1 && !rest.contains("400"), "{rest}");
}

#[test]
fn a_client_that_stalls_or_breaks_off_aborts_the_request() {
    // SMG-31
    let (sender, ended) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (gate, _) = before(move |mut upstream, _| {
        upstream.head();
        let mut body = String::new();
        while !body.ends_with("abc\r\n") && upstream.0.read_line(&mut body).unwrap() > 0 {}
        sender.lock().unwrap().send(body.clone()).unwrap();
        let _ = upstream.0.read_to_string(&mut body);
        sender.lock().unwrap().send(body).unwrap();
    });
    // When it comes, and when it ends.
    let is_half = || assert_eq!(ended.recv_timeout(Duration::from_secs(20)).unwrap(), "3\r\nabc\r\n");
    let half = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert!(ask(gate, half).ends_with("request_body_timeout"));
    is_half();
    is_half();

    let mut stream = connect(gate);
    stream.write_all(half.as_bytes()).unwrap();
    is_half();
    drop(stream);
    is_half();
}

#[test]
fn a_slow_upload_does_not_use_up_the_upstreams_time() {
    let (gate, _) = before(|mut upstream, _| {
        upstream.head();
        let mut body = [0; 6];
        upstream.0.read_exact(&mut body).unwrap();
        upstream.say(OK);
    });
    let mut stream = connect(gate);
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\n")
        .unwrap();
    // Longer than an answer may take, all together.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(250));
        stream.write_all(b"x").unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
}

#[test]
fn expect_is_answered_by_the_gate_once_there_is_an_upstream() {
    let (gate, _) = before(|mut upstream, _| {
        let head = upstream.head().unwrap();
        assert!(!head.contains("expect"), "{head}");
        let mut body = [0; 2];
        upstream.0.read_exact(&mut body).unwrap();
        upstream.say(OK);
    });
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let mut stream = connect(gate);
    stream.write_all(head).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // Nobody to send to: no 100.
    let nobody = Upstream::Http { host: "127.0.0.1".into(), port: 1, http2: false };
    let mut stream = connect(self::gate(nobody));
    stream.write_all(head).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 502");
}

#[test]
fn an_answer_that_ends_with_the_connection_is_relayed_whole() {
    let (gate, _) = before(|mut http_1_0, _| {
        http_1_0.head();
        http_1_0.say("HTTP/1.0 200 Fine\r\n\r\nuntil the end");
    });
    let answer = get(gate, "/");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("until the end"), "{answer}");
}

#[test]
fn an_announced_trailer_passes_unless_it_decides_anything() {
    // HDR-15, 16, on the way back
    let (gate, _) = before(|mut upstream, _| {
        upstream.head();
        upstream.say(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Server-Timing, X-User, Set-Cookie\r\n\r\n\
             2\r\nok\r\n0\r\nServer-Timing: db\r\nX-User: evil\r\nSet-Cookie: a=evil\r\n\r\n",
        );
    });
    let answer = ask(gate, "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n")
        .to_lowercase();
    assert!(answer.contains("0\r\nserver-timing: db\r\n\r\n") && !answer.contains("evil"), "{answer}");
}
