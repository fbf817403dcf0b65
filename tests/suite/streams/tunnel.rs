//! The tunnel itself: who says nothing takes little, who says much takes no more, and each side learns of the other's
//! end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{open, sends_then_echoes};
use crate::forwarding::websocket;
use crate::support::scrape;
use crate::support::sealed::{Age, Mould};
use crate::support::until;
use crate::support::upstream::{After, Behaviour};
use crate::support::wire::{Ended, Wire};
use crate::support::world::{Session, Setup, Who, World};

/// As many as leave file descriptors to the tests beside: the gate holds two for each, and this process another two.
/// `IDLE_WEBSOCKETS` takes another number.
const IDLE: usize = 1000;
/// 12 kB, resident, is what one of them may cost the gate, and about 5 is what it does. A debug build takes 5.2 to 5.6,
/// whether its cores are free or taken: this much lets that be, and no buffer of 4 kB that is kept.
const EACH: u64 = 8 * 1024;
/// Many times what lies in buffers, the kernel's among them; four times as much is no other story, and a long one.
const MUCH: u64 = 1 << 28;
/// What a gate may take more while much passes.
const ROOM_KIB: u64 = 16 * 1024;

/// Half-closes, resets, a very long message, pings that nobody reads.
pub fn ends_and_floods(world: &World) {
    each_side_learns_that_the_other_has_said_all(world);
    a_reset_on_either_side_ends_the_other(world);
    a_message_of_a_quarter_of_a_gigabyte_passes_and_is_never_held();
    pings_that_nobody_answers_are_held_by_nobody(world);
}

/// A half-close: who has said all still hears the rest.
fn each_side_learns_that_the_other_has_said_all(world: &World) {
    // Once it has heard the end, the upstream says its last words.
    world.upstream.at(
        "/last",
        after_the_upgrade(|wire| {
            let (heard, ended) = wire.rest();
            assert_eq!(ended, Ended::Closed);
            wire.write(&[b"\x81\x05", &heard[2..7]].concat());
        }),
    );
    let mut wire = open(world, &world.session(Who::User), "/last");
    wire.write(b"\x81\x05words");
    wire.finish_writing();
    assert_eq!(wire.rest(), (b"\x81\x05words".to_vec(), Ended::Closed));

    // And the other way round: what the client says after the upstream's end still arrives.
    let mark = world.mark();
    world.upstream.at(
        "/first",
        after_the_upgrade(|wire| {
            wire.write(b"\x81\x02hi");
            wire.finish_writing();
            assert_eq!(wire.take(7).unwrap(), b"\x81\x05later");
        }),
    );
    let mut wire = open(world, &world.session(Who::User), "/first");
    assert_eq!(wire.rest(), (b"\x81\x02hi".to_vec(), Ended::Closed));
    wire.write(b"\x81\x05later");
    wire.finish_writing();
    until("it arrives", || {
        let bytes = world.upstream.bytes();
        bytes.iter().any(|bytes| bytes.ends_with(b"\x81\x05later")).then_some(())
    });
    assert_eq!(world.seen_since(mark).len(), 1);
    until("both are gone", || (world.upstream.open() == 0).then_some(()));
}

/// Who closes while something lies unread resets the connection.
fn a_reset_on_either_side_ends_the_other(world: &World) {
    let unread = |wire: &Wire| wire.stream().peek(&mut [0]).unwrap();
    world.upstream.at("/reset", sends_then_echoes(b""));
    let mut wire = open(world, &world.session(Who::User), "/reset");
    wire.write(b"\x89\x00");
    unread(&wire);
    drop(wire);
    until("the upstream's side ends", || (world.upstream.open() == 0).then_some(()));

    world.upstream.at("/reset", after_the_upgrade(move |wire| assert_eq!(unread(wire), 1)));
    let mut wire = open(world, &world.session(Who::User), "/reset");
    wire.write(b"\x89\x00");
    assert_eq!(wire.rest(), (vec![], Ended::Closed));
}

fn a_message_of_a_quarter_of_a_gigabyte_passes_and_is_never_held() {
    let sockets = Sockets::start(Answers::Nothing);
    let world = sockets.world();
    let mut wire = open(&world, &world.session(Who::User), "/ws");
    let before = world.gate.rss_kib();
    wire.write(&[&[0x82, 0xff][..], &MUCH.to_be_bytes(), &[0; 4]].concat());
    let piece = vec![b'x'; 1 << 20];
    let mut most = before;
    for _ in 0..MUCH >> 20 {
        assert!(wire.write(&piece));
        most = most.max(world.gate.rss_kib());
    }
    until("all of it arrives", || (sockets.heard() == MUCH + 14).then_some(()));
    assert!(most < before + ROOM_KIB, "from {before} to {most} KiB");
}

/// The upstream answers each, and the client reads none of it: at some point nobody reads any more.
fn pings_that_nobody_answers_are_held_by_nobody(world: &World) {
    let sockets = Sockets::start(Answers::Everything);
    let flooded = sockets.world();
    let wire = open(&flooded, &flooded.session(Who::User), "/ws");
    let before = flooded.gate.rss_kib();
    wire.stream().set_nonblocking(true).unwrap();
    let pings = b"\x89\x80\0\0\0\0".repeat(1000);
    let (mut most, mut sent, mut silent) = (before, 0, 0);
    // Until a second has passed in which nothing more was taken.
    while silent < 20 && sent < MUCH {
        match wire.stream().write(&pings[(sent % 6) as usize..]) {
            Ok(count) => (sent, silent) = (sent + count as u64, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                silent += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => panic!("{error}"),
        }
        most = most.max(flooded.gate.rss_kib());
    }
    assert!(sent < MUCH, "somebody takes it all");
    assert!(most < before + ROOM_KIB, "from {before} to {most} KiB, after {sent} bytes");
    // Nobody else waits for that one, and what it was sent is there when it reads.
    let mut other = open(&flooded, &flooded.session(Who::User), "/ws");
    other.write(b"\x89\x00");
    assert_eq!(other.take(2).unwrap(), b"\x89\x00");
    wire.stream().set_nonblocking(false).unwrap();
    let mut read = 0;
    while read < sent {
        let mut piece = [0; 64 * 1024];
        wire.stream().set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        let count = wire.stream().read(&mut piece).unwrap();
        // A ping's six bytes, over and over: none is lost, doubled or out of place.
        let ping = b"\x89\x80\0\0\0\0";
        let place = |at: usize| ping[(read as usize + at) % ping.len()];
        assert!(piece[..count].iter().enumerate().all(|(at, byte)| *byte == place(at)));
        read += count as u64;
    }
    assert_eq!(world.gate.admin("/readyz").status, 200);
}

/// Each has a session of its own, so that what a session costs is counted as well.
#[test]
fn idle_websockets_take_twelve_kilobytes_each_at_most_and_keep_nobody_out() {
    let wanted = std::env::var("IDLE_WEBSOCKETS").ok();
    let count = wanted.map_or(IDLE, |count| count.parse().unwrap());
    let sockets = Sockets::start(Answers::Everything);
    let world = sockets.world();
    let mould = Mould::of(world.setup(), &world.pool, &world.session(Who::User));
    let sessions = mould.cast(count + 50, Age { refreshed: 0, left: 3600 });
    // What is taken once, however many follow, is not theirs.
    let first: Vec<_> = sessions[..50].iter().map(|session| upgraded(&world, session)).collect();
    let before = world.gate.rss_kib();
    let wires: Vec<_> = sessions[50..].iter().map(|session| upgraded(&world, session)).collect();
    scrape::becomes(&world.gate, "rolegate_open_streams", (count + 50) as f64);
    let each = world.gate.rss_kib().saturating_sub(before) * 1024 / count as u64;
    eprintln!("{each} bytes for each of {count} idle WebSockets");
    assert!(each <= EACH, "{each} bytes each");
    for session in &sessions[..20] {
        let mut wire = Wire::connect(world.gate.public);
        wire.write(&session.fill(b"GET /oauth2/userinfo HTTP/1.1\r\nHost: app.test\r\n{session}\r\n"));
        assert_eq!(wire.answer(false).unwrap().status, 200);
        assert!(upgraded(&world, session).write_all(b"\x89\x00").is_ok());
    }
    // They still are what they were.
    for stream in first.iter().chain(&wires).step_by(100) {
        let (mut stream, mut got) = (stream, [0; 2]);
        stream.write_all(b"\x89\x00").unwrap();
        stream.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"\x89\x00");
    }
    drop((first, wires));
    scrape::becomes(&world.gate, "rolegate_open_streams", 0.0);
}

fn upgraded(world: &World, session: &Session) -> TcpStream {
    let mut stream = TcpStream::connect(world.gate.public).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    stream.write_all(&session.fill(websocket::request("/ws", "").as_bytes())).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Accepts the upgrade, and then does this.
fn after_the_upgrade(then: impl Fn(&mut Wire) + Send + Sync + 'static) -> Behaviour {
    Arc::new(move |turn| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        turn.wire.write(format!("{head}{}\r\n", websocket::ACCEPT).as_bytes());
        then(turn.wire);
        After::Close
    })
}

/// An upstream that keeps nothing of what it hears, on one thread however many come.
struct Sockets {
    address: SocketAddr,
    heard: Arc<AtomicU64>,
    /// Dropped, all ends.
    _stop: tokio::sync::oneshot::Sender<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Nothing,
    /// Each byte, as it came.
    Everything,
}

// === impl Sockets ===

impl Sockets {
    fn start(answers: Answers) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let counted = heard.clone();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let accepting = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream, answers, counted.clone()));
                    }
                };
                tokio::select! { () = accepting => {} _ = stopped => {} }
            });
        });
        Self { address, heard, _stop: stop }
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::SeqCst)
    }

    fn world(&self) -> World {
        Setup { upstream: format!("http://{}", self.address), ..Setup::bench() }.start()
    }
}

async fn serve(mut stream: tokio::net::TcpStream, answers: Answers, heard: Arc<AtomicU64>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    stream.write_all(format!("{head}{}\r\n", websocket::ACCEPT).as_bytes()).await.ok()?;
    // An idle one holds no buffer here either: there are many of them.
    loop {
        stream.readable().await.ok()?;
        let mut piece = vec![0; 64 * 1024];
        match stream.try_read(&mut piece) {
            Ok(0) => return None,
            Ok(count) => {
                heard.fetch_add(count as u64, Ordering::SeqCst);
                if answers == Answers::Everything {
                    stream.write_all(&piece[..count]).await.ok()?;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}
