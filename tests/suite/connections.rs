//! Section L, as far as it is about connections: who is slow, who takes nothing, and who is too many.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::corpus::{Case, case};
use crate::front;
use crate::support::tls::Offer;
use crate::support::upstream::{After, Behaviour};
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Setup, Who, World};
use crate::support::{PATIENCE, until};

/// Enough that each would show in memory, few enough for a machine that does other things.
const MANY: usize = 200;
/// What a gate may take more while it has those; a debug build's own buffers included.
pub const ROOM_KIB: u64 = 48 * 1024;

/// Downloads that nobody takes, and what the gate may hold of each: what was read at once, and as much behind it.
const STUCK: usize = 60;
/// More than all buffers on the way can hold.
const MUCH: usize = 64 * 1024 * 1024;
const STUCK_KIB: u64 = 320;
/// Inside TLS 64 KiB more that are encrypted already, rustls' records around them, and what the allocator keeps for both.
const STUCK_TLS_KIB: u64 = 480;
/// What memory may grow in a tenth of a second while nothing moves.
const STILL_KIB: u64 = 64;

pub fn cases() -> Vec<Case> {
    vec![
        case(&["DOS-01"], heads_that_never_end_hold_nobody_up),
        case(&["DOS-02"], a_body_that_does_not_come_lets_its_upstream_go),
        case(&["DOS-03"], |_| {
            who_takes_nothing_is_given_up();
            of_what_nobody_takes_little_is_held(None);
            of_what_nobody_takes_little_is_held(Some(&Offer::to("app.test")));
        }),
        case(&["DOS-19"], |_| a_gate_without_a_file_descriptor_left_breathes_and_recovers()),
    ]
}

pub fn serves(world: &World) {
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&world.session(Who::User).fill(b"GET /x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
    assert_eq!(wire.answer(false).unwrap().status, 200);
}

/// A byte a round on each, for as long as the other side lets them.
fn heads_that_never_end_hold_nobody_up(world: &World) {
    serves(world);
    let before = world.gate.rss_kib();
    let mark = world.mark();
    let mut slow: Vec<_> = (0..MANY)
        .map(|number| {
            let mut stream = TcpStream::connect(world.gate.public).unwrap();
            let begun = if number % 2 == 0 { "GET /public/x HTTP/1.1\r\nHost: app.test\r\nX: " } else { "G" };
            stream.write_all(begun.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let mut most = before;
    let begun = Instant::now();
    while !slow.is_empty() {
        // `header_timeout` of the bench is two seconds; a timer for each byte would never run out.
        assert!(begun.elapsed() < Duration::from_secs(40), "{} are still open", slow.len());
        slow.retain_mut(|stream| {
            let mut piece = [0; 512];
            let open = match stream.read(&mut piece) {
                Ok(count) => count > 0,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            open && stream.write_all(b"x").is_ok()
        });
        most = most.max(world.gate.rss_kib());
        serves(world);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(most < before + ROOM_KIB, "from {before} to {most} KiB");
    assert!(world.seen_since(mark).iter().all(|seen| seen.path() == "/x"), "none of them was a request");
}

fn a_body_that_does_not_come_lets_its_upstream_go(world: &World) {
    let session = world.session(Who::User);
    for framing in ["Content-Length: 100\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"] {
        let mark = world.mark();
        let mut wire = Wire::connect(world.gate.public);
        let head = format!("POST /slow HTTP/1.1\r\nHost: app.test\r\n{{session}}{framing}");
        wire.write(&session.fill(head.as_bytes()));
        world.upstream.wait_for(mark.upstream, 1);
        serves(world);
        // `body_idle_timeout` of the bench is four seconds.
        let answer = wire.answer(false).unwrap();
        assert!(answer.status == 408 && answer.closes(), "{answer:?}");
        assert!(!world.seen_since(mark)[0].complete);
    }
}

fn who_takes_nothing_is_given_up() {
    let world = Setup::bench().limits("body_idle_timeout = \"3s\"").start();
    world.upstream.at("/endless", endless());
    serves(&world);
    let before = world.gate.rss_kib();
    let request = world.session(Who::User).fill(b"GET /endless HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
    let mark = world.mark();
    let mut wires: Vec<_> = (0..5).map(|_| Wire::over(small(world.gate.public))).collect();
    // As long as somebody takes a little, they are served.
    let mut patient = Wire::over(small(world.gate.public));
    for wire in wires.iter_mut().chain([&mut patient]) {
        wire.write(&request);
    }
    world.upstream.wait_for(mark.upstream, 6);
    let (mut most, begun) = (before, Instant::now());
    // That of the patient one, and what is kept for the next request.
    while world.upstream.open() > 2 {
        assert!(begun.elapsed() < Duration::from_secs(40), "{} are still open", world.upstream.open());
        patient.more().unwrap();
        most = most.max(world.gate.rss_kib());
        std::thread::sleep(Duration::from_millis(20));
    }
    serves(&world);
    patient.more().unwrap();
    assert!(most < before + ROOM_KIB, "from {before} to {most} KiB");
    for wire in &mut wires {
        assert_eq!(wire.rest().1, Ended::Closed, "cut off");
    }
}

fn of_what_nobody_takes_little_is_held(tls: Option<&Offer>) {
    let patient = |setup: Setup| setup.limits("body_idle_timeout = \"60s\"");
    let (world, address) = if tls.is_some() {
        front::tunnelled(patient(front::setup("")))
    } else {
        let world = patient(Setup::bench()).start();
        let address = world.gate.public;
        (world, address)
    };
    world.upstream.at("/endless", endless());
    let before = world.gate.rss_kib();
    let request = world.session(Who::User).fill(b"GET /endless HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
    let mark = world.mark();
    let mut downloads: Vec<_> = (0..STUCK).map(|_| spoken(small(address), tls)).collect();
    for download in &mut downloads {
        download.write_all(&request).unwrap();
    }
    world.upstream.wait_for(mark.upstream, STUCK);
    // What the system takes by itself is megabytes each, and comes first.
    let (mut most, mut quiet) = (0, 0);
    until("nothing moves any more", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = world.gate.rss_kib();
        quiet = if now > most + STILL_KIB { 0 } else { quiet + 1 };
        most = most.max(now);
        (quiet == 20).then_some(())
    });
    let each = most.saturating_sub(before) / STUCK as u64;
    println!("{each} KiB for each download that nobody takes, TLS: {}", tls.is_some());
    assert!(each < if tls.is_some() { STUCK_TLS_KIB } else { STUCK_KIB }, "{each} KiB each");
    assert!(world.upstream.open() >= STUCK, "nobody is given up");
    // And it goes on where it was.
    for download in downloads.iter_mut().take(3) {
        let (mut piece, mut read) = (vec![0; 64 * 1024], 0);
        while read < MUCH {
            let count = download.read(&mut piece).unwrap();
            // Behind the head, which is in the first.
            assert!(count > 0 && (read == 0 || piece[..count].iter().all(|byte| *byte == b'x')));
            read += count;
        }
    }
}

/// A connection that has little room for what it does not read, so that it is full soon.
fn small(address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

/// The connection as bytes go in and out, in the clear or inside TLS.
fn spoken(stream: TcpStream, tls: Option<&Offer>) -> Box<dyn ReadWrite> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match tls {
        Some(offer) => Box::new(offer.over(stream).unwrap().into_stream()),
        None => Box::new(stream),
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// An answer without an end, as fast as it is taken.
fn endless() -> Behaviour {
    Arc::new(|turn| {
        turn.wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
        while turn.wire.write(&[b'x'; 16 * 1024]) {}
        After::Close
    })
}

fn a_gate_without_a_file_descriptor_left_breathes_and_recovers() {
    let world = Setup::bench().start();
    serves(&world);
    let id = world.gate.id();
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let most = open + 10;
    let limited =
        Command::new("prlimit").args([format!("--pid={id}"), format!("--nofile={most}:{most}")]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit (util-linux) is needed");
    let from = world.gate.stderr().count();
    let crowd: Vec<_> = (0..40).map(|_| TcpStream::connect(world.gate.public).unwrap()).collect();
    let failed = |line: &str| line.contains("accept failed").then_some(());
    world.gate.stderr().wait_since(from, failed).expect("it says so");
    let before = ticks(id);
    std::thread::sleep(Duration::from_secs(1));
    // A hundredth of a second each: a loop that does not wait takes all there are, less what others take.
    let spent = ticks(id) - before;
    assert!(spent < 30, "{spent} ticks of 100 while nothing can be done");
    let lines = world.gate.stderr().since(from);
    let said = lines.iter().filter(|line| line.contains("accept failed")).count();
    assert!(said < 5, "{said} lines");
    assert!(world.gate.alive());
    drop(crowd);
    // Those that the system had let in already are taken, and found gone, first.
    let request = world.session(Who::User).fill(b"GET /x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
    until("it recovers", || {
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&request);
        wire.answer(false).ok().filter(|answer| answer.status == 200)
    });
    assert_eq!(world.gate.admin("/readyz").status, 200);
}

/// Processor time that a process has taken, in hundredths of a second.
pub fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
