//! Section L, as far as it is about many at once: what anybody can send costs neither memory nor calls to the pool.
//!
//! What a flood does to everybody else's time is measured by `tests/bench/floods.py`, not here. Where time is looked at,
//! it is the processor's, and so much of it that a slow machine has enough: what is meant is work that grows with the
//! square of what is sent.

use std::io::{Read, Write};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::bearer;
use crate::connections::{ROOM_KIB, serves, ticks};
use crate::corpus::{Case, case};
use crate::support::scrape::Scrape;
use crate::support::token::{b64, random};
use crate::support::until;
use crate::support::upstream::{After, Behaviour};
use crate::support::wire::Wire;
use crate::support::world::{Setup, Who, World};

/// How often each head is sent that is hard to read.
const TIMES: usize = 15;
/// Hundredths of a second of one core: for what a debug build does in a few.
const LONG: u64 = 600;

pub fn cases() -> Vec<Case> {
    vec![
        case(&["DOS-06"], jars_of_crumbs_are_read_once),
        case(&["DOS-07"], logins_begun_by_the_thousand_are_kept_nowhere),
        case(&["DOS-09"], passes_that_are_none_cost_little_and_are_counted),
        case(&["DOS-11"], |_| gigabytes_pass_both_ways_and_are_never_held()),
        case(&["DOS-17"], names_and_keys_by_the_thousand_are_no_more_work_each),
        case(&["DOS-18"], |_| tokens_made_to_be_hard_to_read_are_refused()),
    ]
}

/// Sends this head a number of times on one connection; the statuses, and the processor's time that the gate took.
fn repeated(world: &World, head: &str, times: usize) -> (Vec<u16>, u64) {
    let before = ticks(world.gate.id());
    let mut wire: Option<Wire> = None;
    let mut statuses: Vec<u16> = (0..times)
        .map(|_| {
            let open = wire.get_or_insert_with(|| Wire::connect(world.gate.public));
            open.write(head.as_bytes());
            let answer = open.answer(false).unwrap();
            // What is kept of all that came is not ours to keep as well.
            open.received.clear();
            if answer.closes() {
                wire = None;
            }
            answer.status
        })
        .collect();
    statuses.dedup();
    (statuses, ticks(world.gate.id()) - before)
}

fn jars_of_crumbs_are_read_once(world: &World) {
    let session = world.session(Who::User).cookie;
    let before = world.gate.rss_kib();
    let crumbs = |count: usize| "a=;".repeat(count);
    for (jar, statuses) in [
        // Ours is read wherever it lies.
        (format!("{}{session}", crumbs(8_000)), &[200][..]),
        (format!("{session};{}", crumbs(8_000)), &[200]),
        (format!("{session};{}", ";".repeat(28_000)), &[200]),
        (format!("{session}{}", "; __Host-rolegate=x".repeat(1_200)), &[200]),
        // A few are tried, whatever many say that they are.
        (format!("{}{session}", "__Host-rolegate=x; ".repeat(1_200)), &[401]),
        // More than a jar may be.
        (crumbs(11_000), &[431]),
        (";".repeat(33_000), &[431]),
        ("__Host-rolegate=x; ".repeat(10_000), &[431]),
    ] {
        let head = format!("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: {jar}\r\n\r\n");
        let (got, spent) = repeated(world, &head, TIMES);
        assert_eq!(got, statuses, "{}…", &jar[..40]);
        assert!(spent < LONG, "{spent} hundredths of a second for {TIMES} of {}…", &jar[..40]);
    }
    let grown = world.gate.rss_kib().saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB");
}

/// Three thousand, on three connections; `make bench-floods` sends as many as there is time for.
fn logins_begun_by_the_thousand_are_kept_nowhere(world: &World) {
    const EACH: usize = 1000;
    serves(world);
    let (before, asked) = (world.gate.rss_kib(), world.pool.asked().len());
    std::thread::scope(|scope| {
        for connection in 0..3 {
            scope.spawn(move || {
                let head = format!(
                    "GET /deep/{connection} HTTP/1.1\r\nHost: app.test\r\nSec-Fetch-Mode: navigate\r\n\
                     Sec-Fetch-Dest: document\r\nAccept: text/html\r\n\r\n"
                );
                assert_eq!(repeated(world, &head, EACH).0, [302]);
            });
        }
    });
    let grown = world.gate.rss_kib().saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB");
    assert_eq!(world.pool.asked().len(), asked, "the pool was not asked");
    serves(world);
}

fn passes_that_are_none_cost_little_and_are_counted(world: &World) {
    const TIMES: usize = 200;
    let unreadable = "rolegate_passes_total{outcome=\"unreadable\"}";
    let session = world.session(Who::User).cookie;
    let own = session.split("; ").find_map(|pair| pair.strip_prefix("__Host-rolegate=")).unwrap().to_owned();
    let whole = |text: &str| format!("__Host-rolegate={text}");
    // The right key's name, so that it is tried, over sixteen kilobytes that this key never sealed.
    let mut forged = URL_SAFE_NO_PAD.decode(own).unwrap();
    forged.truncate(18);
    forged.extend(URL_SAFE_NO_PAD.decode(random(12_000)).unwrap());
    let forged_whole = b64(&forged);
    // The second byte says how many parts there are.
    forged[1] = 5;
    let parted: Vec<_> = b64(&forged)
        .as_bytes()
        .chunks(3800)
        .enumerate()
        .map(|(at, part)| format!("__Host-rolegate.{at}={}", std::str::from_utf8(part).unwrap()))
        .collect();
    assert_eq!(parted.len(), 5);
    let (before, from) = (Scrape::of(&world.gate).get(unreadable), world.gate.rss_kib());
    // And what no key sealed; and what is longer than any pass.
    let jars = [whole(&forged_whole), parted.join("; "), whole(&random(12_000)), whole(&random(20_000))];
    for jar in &jars {
        let head = format!("GET /x HTTP/1.1\r\nHost: app.test\r\nCookie: {jar}\r\n\r\n");
        let (statuses, spent) = repeated(world, &head, TIMES);
        assert_eq!(statuses, [401]);
        assert!(spent < LONG, "{spent} hundredths of a second for {TIMES} of {} bytes", jar.len());
    }
    until("all are counted", || {
        let counted = Scrape::of(&world.gate).get(unreadable) - before;
        (counted as usize == jars.len() * TIMES).then_some(())
    });
    let grown = world.gate.rss_kib().saturating_sub(from);
    assert!(grown < ROOM_KIB, "{grown} KiB");
}

/// A quarter of one each way; forty times as much takes forty times as long.
fn gigabytes_pass_both_ways_and_are_never_held() {
    const MUCH: usize = 1 << 28;
    let piece = || vec![b'x'; 1 << 20];
    let world = Setup::bench().limits("response_timeout = \"60s\"").start();
    world.upstream.at("/down", sends(MUCH));
    world.upstream.at("/up", swallows(MUCH));
    let session = world.session(Who::User);
    serves(&world);
    let (before, mut most) = (world.gate.rss_kib(), 0);

    let mut wire = Wire::connect(world.gate.public);
    wire.write(&session.fill(b"GET /down HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
    assert!(wire.head().unwrap().start.starts_with("HTTP/1.1 200"));
    let mut left = MUCH - wire.pending().len();
    let mut room = piece();
    while left > 0 {
        let count = wire.stream().read(&mut room).unwrap();
        assert!(count > 0, "{left} bytes are missing");
        left -= count;
        most = most.max(world.gate.rss_kib());
    }

    let mut wire = Wire::connect(world.gate.public);
    let head = format!("POST /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: {MUCH}\r\n{{session}}\r\n");
    wire.write(&session.fill(head.as_bytes()));
    for _ in 0..MUCH >> 20 {
        assert!(wire.write(&room));
        most = most.max(world.gate.rss_kib());
    }
    assert_eq!(wire.answer(false).unwrap().text(), MUCH.to_string());
    assert!(most < before + ROOM_KIB, "from {before} to {most} KiB");
}

fn sends(much: usize) -> Behaviour {
    Arc::new(move |turn| {
        turn.wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {much}\r\n\r\n").as_bytes());
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..much >> 20 {
            if turn.wire.stream().write_all(&piece).is_err() {
                return After::Close;
            }
        }
        After::Keep
    })
}

/// Keeps nothing of it, and answers how much it was.
fn swallows(much: usize) -> Behaviour {
    Arc::new(move |turn| {
        let mut had = turn.wire.pending().len();
        let mut room = vec![0; 1 << 20];
        while had < much {
            match turn.wire.stream().read(&mut room) {
                Ok(count @ 1..) => had += count,
                _ => return After::Close,
            }
        }
        let said = had.to_string();
        turn.wire
            .write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len()).as_bytes());
        After::Close
    })
}

fn names_and_keys_by_the_thousand_are_no_more_work_each(world: &World) {
    let session = world.session(Who::User).line();
    let names = |count: usize| (0..count).map(|at| format!("x-{at:x}: \r\n")).collect::<String>();
    let keys = |count: usize| (0..count).map(|at| format!("k{at:x}=&")).collect::<String>();
    for (target, lines, statuses) in [
        ("/x".to_owned(), names(90), &[200][..]),
        ("/x".to_owned(), names(240), &[431]),
        ("/x".to_owned(), names(3_000), &[431]),
        // A query is nobody's business here: it is not taken apart.
        (format!("/x?{}", keys(1_000)), String::new(), &[200]),
        (format!("/x?{}", keys(10_000)), String::new(), &[414]),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{session}{lines}\r\n");
        let (got, spent) = repeated(world, &head, TIMES);
        assert_eq!(got, statuses, "{} bytes", head.len());
        assert!(spent < LONG, "{spent} hundredths of a second for {TIMES} of {} bytes", head.len());
    }
}

/// Numbers, depth and lengths in what anybody can send without a signature: the head of a token is read before it is
/// known whose it is.
fn tokens_made_to_be_hard_to_read_are_refused() {
    let world = bearer::bench().start();
    let honest = bearer::access(&world, "user");
    let mut parts = honest.split('.');
    let (head, claims, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let before = (world.pool.asked().len(), world.gate.rss_kib());
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for bomb in [
        deep(5_000),
        "[".repeat(9_000),
        "{\"a\":".repeat(1_500),
        "1e999999".to_owned(),
        format!("-{}", "9".repeat(9_000)),
        format!("0.{}1", "0".repeat(9_000)),
        format!("\"{}\"", "\\u0000".repeat(1_500)),
        format!("[{}1]", "1,".repeat(4_000)),
    ] {
        for text in
            [bomb.clone(), format!("{{\"alg\":\"RS256\",\"kid\":{bomb}}}"), format!("{{\"exp\":{bomb}}}")]
        {
            for token in
                [format!("{}.{claims}.{signature}", b64(&text)), format!("{head}.{}.{signature}", b64(&text))]
            {
                let answer = bearer::ask(&world, "/x", &bearer::line(&token));
                assert!(matches!(answer.status, 400 | 401 | 431), "{answer:#?}");
            }
        }
    }
    assert_eq!(bearer::ask(&world, "/x", &bearer::line(&honest)).status, 200);
    assert!(
        world.pool.asked().len() - before.0 <= 1,
        "a fetch of keys at the most: {:#?}",
        world.pool.asked()
    );
    assert!(world.gate.rss_kib() < before.1 + ROOM_KIB);
}
