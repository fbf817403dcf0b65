//! Behind a balancer that speaks no HTTP: its PROXY header says whose connection this is, and nobody else's does.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use crate::corpus::{Case, case};
use crate::front;
use crate::support::tls::Offer;
use crate::support::until;
use crate::support::upstream::Seen;
use crate::support::wire::{Answer, Ended, Wire};
use crate::support::world::{Setup, Who, World};

/// Where the balancer is; whoever comes from elsewhere is nobody in particular.
const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

const ON: &str = "trusted_proxies = [\"127.0.0.2\", \"10.0.0.0/8\"]\nproxy_protocol = true";

pub fn cases() -> Vec<Case> {
    vec![case(&["FWD-06"], |world| {
        a_balancer_is_believed(world);
        nobody_else_is(world);
        who_is_not_named_is_nobody(world);
        what_is_no_header_ends_the_connection(world);
        one_that_does_not_come_ends_it_as_well(world);
    })]
}

pub fn bench() -> World {
    Setup::bench().top(ON).tables("[log]\nlevel = \"debug\"").start()
}

/// A connection from this address, of which there are many on this machine.
fn from(address: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

/// 203.0.113.7 to 192.0.2.1.
const BLOCK: [u8; 12] = [203, 0, 113, 7, 192, 0, 2, 1, 0x12, 0x67, 0x01, 0xbb];

/// What came of these bytes and a request behind them: the answer, and what the upstream saw.
fn asked(world: &World, address: Ipv4Addr, header: &[u8], lines: &str) -> Result<(Answer, Seen), Ended> {
    let session = world.session(Who::User);
    let mark = world.mark();
    let request =
        world.fill(&session, format!("GET /x HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}\r\n"));
    let mut wire = Wire::over(from(address, world.gate.public));
    wire.write(&[header, &request].concat());
    let answer = wire.answer(false)?;
    world.oracle(mark, &[session]);
    let seen = world.seen_since(mark);
    assert_eq!((answer.status, seen.len()), (200, 1), "{answer:?} {seen:?}");
    Ok((answer, seen[0].clone()))
}

/// Whom the upstream and the record are told of.
fn told(world: &World, seen: &Seen) -> String {
    let client = world.record_of(seen).text("client").to_owned();
    assert_eq!(seen.head.all("x-forwarded-for"), [client.as_str()]);
    client
}

fn a_balancer_is_believed(world: &World) {
    let ipv6 =
        [&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], &[0, 1, 0, 2]].concat();
    let with_more = [&BLOCK[..], b"\x02\x00\x08app.test", &[0x04, 0x0f, 0xa0], &[0; 4000]].concat();
    for (header, client) in [
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 443\r\n".to_vec(), "203.0.113.7"),
        (binary(0x21, 0x11, &BLOCK), "203.0.113.7"),
        (binary(0x21, 0x21, &ipv6), "2001:db8::7"),
        (binary(0x21, 0x11, &with_more), "203.0.113.7"),
    ] {
        let (_, seen) = asked(world, BALANCER, &header, "").unwrap();
        assert_eq!(told(world, &seen), client, "{}", header.escape_ascii());
        // A client of a balancer is no proxy: what it says itself counts as little as without one.
        let (_, seen) = asked(world, BALANCER, &header, "X-Forwarded-For: 198.51.100.9\r\n").unwrap();
        assert_eq!(told(world, &seen), client, "{}", header.escape_ascii());
    }
    // Unless it is one that is known by name: then there are two in a row.
    let header = b"PROXY TCP4 10.0.0.9 192.0.2.1 4711 443\r\n";
    let (_, seen) = asked(world, BALANCER, header, "X-Forwarded-For: 198.51.100.9\r\n").unwrap();
    assert_eq!(told(world, &seen), "198.51.100.9");

    // In whatever pieces it comes; and once a connection, however many requests follow.
    let session = world.session(Who::User);
    let request = session.fill(b"GET /x HTTP/1.1\r\nHost: app.test\r\n{session}\r\n");
    for header in [binary(0x21, 0x11, &BLOCK), b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n".to_vec()] {
        let mut wire = Wire::over(from(BALANCER, world.gate.public));
        let mark = world.mark();
        wire.write_pieces(header.chunks(1));
        for _ in 0..3 {
            wire.write(&request);
            assert_eq!(wire.answer(false).unwrap().status, 200);
        }
        for seen in world.seen_since(mark) {
            assert_eq!(told(world, &seen), "203.0.113.7");
        }
    }
}

fn nobody_else_is(world: &World) {
    let (_, seen) = asked(world, STRANGER, b"", "").unwrap();
    assert_eq!(told(world, &seen), "127.0.0.3", "who is no balancer is served as who they are");
    for header in [binary(0x21, 0x11, &BLOCK), b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n".to_vec()] {
        let mark = world.mark();
        let mut wire = Wire::over(from(STRANGER, world.gate.public));
        wire.write(&[&header, &b"GET /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n"[..]].concat());
        // The parser's own refusal: it has no words for such a request.
        match wire.answer(false) {
            Ok(answer) => assert!(answer.status == 400 && answer.closes(), "{answer:?}"),
            Err(ended) => assert_eq!(ended, Ended::Closed),
        }
        assert!(world.seen_since(mark).is_empty());
    }
}

fn who_is_not_named_is_nobody(world: &World) {
    for header in [
        binary(0x20, 0x00, b""),
        binary(0x20, 0x11, &BLOCK),
        binary(0x21, 0x00, b""),
        binary(0x21, 0x31, &[b'/'; 216]),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 203.0.113.7 192.0.2.1 4711 443\r\n".to_vec(),
    ] {
        // Were headers of the connection believed, they would be the client's own words.
        let lines = "X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Host: evil.test\r\n";
        let (_, seen) = asked(world, BALANCER, &header, lines).unwrap();
        assert_eq!(told(world, &seen), "127.0.0.2", "{}", header.escape_ascii());
        assert_eq!(seen.head.all("x-forwarded-host"), ["app.test"]);
    }
}

fn what_is_no_header_ends_the_connection(world: &World) {
    let request = b"GET /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let overlong = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    let cases: &[&[u8]] = &[
        b"",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 +4711 443\r\n",
        b"PROXY TCP4 2001:db8::7 ::1 4711 443\r\n",
        b" PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n",
        overlong.as_bytes(),
        &binary(0x21, 0x11, &BLOCK[..11]),
        &binary(0x21, 0x21, &BLOCK),
        &binary(0x22, 0x11, &BLOCK),
        &binary(0x21, 0x77, &BLOCK),
        &binary(0x21, 0x11, &[0; 5000]),
        &binary(0x20, 0x00, &[0; 65535]),
    ];
    let before = lost(world);
    let mark = world.mark();
    let from_line = world.gate.stderr().count();
    for header in cases {
        let mut wire = Wire::over(from(BALANCER, world.gate.public));
        wire.write(&[*header, request].concat());
        assert_eq!(wire.rest(), (vec![], Ended::Closed), "{}", header.escape_ascii());
    }
    // Cut: the balancer goes away within it.
    for header in [&b"PROXY TCP4 203.0"[..], &binary(0x21, 0x11, &BLOCK)[..20], b"\r\n\r\n"] {
        let mut wire = Wire::over(from(BALANCER, world.gate.public));
        wire.write(header);
        wire.finish_writing();
        assert_eq!(wire.rest(), (vec![], Ended::Closed), "{}", header.escape_ascii());
    }
    let count = cases.len() + 3;
    until("each is counted", || (lost(world) == before + count).then_some(()));
    assert!(world.seen_since(mark).is_empty(), "nothing of them was a request");
    // The log comes by another way than the count.
    let told = || {
        let lines = world.gate.stderr().since(from_line);
        lines.iter().filter(|line| line.contains("a balancer's connection was closed")).count()
    };
    until("each is told of", || (told() >= count).then_some(()));
    assert_eq!(told(), count, "one line each");
}

fn one_that_does_not_come_ends_it_as_well(world: &World) {
    // `header_timeout` of the bench is two seconds, for all of it and not for each byte.
    for header in [&b""[..], b"PROXY TCP4 203.0", &binary(0x21, 0x11, &[0; 4000])[..1000]] {
        let mut wire = Wire::over(from(BALANCER, world.gate.public));
        wire.write(header);
        assert_eq!(wire.rest(), (vec![], Ended::Closed), "{}", header.escape_ascii());
    }
}

/// How many connections were lost for want of a header.
fn lost(world: &World) -> usize {
    let metrics = world.gate.admin("/metrics").text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("rolegate_connections_lost_total{why=\"proxy_header\"}"));
    line.and_then(|line| line.split(' ').nth(1)).and_then(|count| count.parse().ok()).unwrap()
}

#[test]
fn the_header_comes_before_tls_and_before_the_cleartext_beside_it() {
    let world = front::setup("redirect_listen = \"127.0.0.1:0\"").top(ON).start();
    let mark = world.mark();
    let header = binary(0x21, 0x11, &BLOCK);
    let mut stream = from(BALANCER, world.gate.public);
    stream.write_all(&header).unwrap();
    let answer = Offer::to("app.test").over(stream).unwrap();
    let answer = answer.ask("GET /public/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(told(&world, &world.upstream.wait_for(mark.upstream, 1)[0]), "203.0.113.7");

    // Within TLS it is no header, and without it there is no TLS.
    let answer = Offer::to("app.test").connect(world.gate.public).unwrap();
    let answer = answer.ask("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /public/x HTTP/1.1\r\n\r\n");
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 400")));
    assert!(Offer::to("app.test").over(from(BALANCER, world.gate.public)).is_err());

    let cleartext = front::cleartext::address(&world);
    for (address, header, client) in [(BALANCER, &header[..], "203.0.113.7"), (STRANGER, b"", "127.0.0.3")] {
        let from_line = world.gate.stdout().count();
        let mut wire = Wire::over(from(address, cleartext));
        wire.write(&[header, b"GET /y HTTP/1.1\r\nHost: app.test\r\n\r\n"].concat());
        assert_eq!(wire.answer(false).unwrap().location(), "https://app.test/y");
        let record = |line: &str| crate::support::gate::Access::parse(line);
        let record = world.gate.stdout().wait_since(from_line, record).unwrap();
        assert_eq!(record.text("client"), client);
    }
}

/// HAProxy in front of the gate, in as many ways as it has to say whose a connection is.
struct Haproxy {
    child: Child,
    addresses: Vec<SocketAddr>,
    _folder: tempfile::TempDir,
}

impl Haproxy {
    /// Ports that were free a moment ago may be taken by now: then it does not start, and others are tried.
    fn start(gate: SocketAddr, ways: &[&str]) -> Self {
        let mut tries = (0..5).map(|_| Self::try_start(gate, ways));
        tries.find_map(|started| started).expect("haproxy starts")
    }

    fn try_start(gate: SocketAddr, ways: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let free: Vec<_> = ways.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = free.iter().map(|listener| listener.local_addr().unwrap()).collect();
        drop(free);
        let socket = folder.path().join("s");
        let mut config = format!(
            "global\n stats socket {}\ndefaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n timeout server 60s\n",
            socket.display()
        );
        for (number, (way, address)) in ways.iter().zip(&addresses).enumerate() {
            config += &format!(
                "listen way{number}\n bind {address}\n server gate {gate} source {BALANCER} {way} check inter 200\n"
            );
        }
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("haproxy").arg("-db").arg("-f").arg(&file).stderr(Stdio::null()).spawn();
        let child = child.expect("haproxy is needed: `make test-tools` installs it");
        let mut haproxy = Self { child, addresses, _folder: folder };
        // It answers here once it has all of its ports, and ends where it does not get them.
        let runs = until("haproxy starts or ends", || {
            if haproxy.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let mut asked = UnixStream::connect(&socket).ok()?;
            asked.write_all(b"show info\n").ok()?;
            let mut told = String::new();
            asked.read_to_string(&mut told).ok()?;
            told.contains("Version").then_some(true)
        });
        runs.then_some(haproxy)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_haproxy_sends_is_understood() {
    let world = Setup::bench().top(ON).tables("[log]\nlevel = \"debug\"").start();
    let ways = ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"];
    let haproxy = Haproxy::start(world.gate.public, &ways);
    for (way, address) in ways.iter().zip(&haproxy.addresses) {
        let request = b"GET /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n";
        until("haproxy answers", || {
            let stream = TcpStream::connect(address).ok()?;
            let mut wire = Wire::over(stream);
            wire.write(request);
            wire.answer(false).ok().filter(|answer| answer.status == 200)
        });
        let mark = world.mark();
        let mut wire = Wire::over(from(Ipv4Addr::new(127, 0, 0, 9), *address));
        for _ in 0..2 {
            wire.write(request);
            assert_eq!(wire.answer(false).unwrap().status, 200, "{way}");
        }
        for seen in world.seen_since(mark) {
            assert_eq!(told(&world, &seen).parse(), Ok(IpAddr::from([127, 0, 0, 9])), "{way}");
        }
    }
    // Its own checks of the gate's health are connections without a client, and none of them is an offence.
    assert_eq!(lost(&world), 0, "{}", world.gate.stderr().all());
}

#[test]
fn who_is_not_named_goes_on_with_nobodys_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let keys = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:9\"\nsample_ratio = 0.0\n";
    let world = Setup::bench().top(ON).tables(keys).start();
    let lines = format!("traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n");
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"] {
        let (_, seen) = asked(&world, BALANCER, header, &lines).unwrap();
        let parent = seen.head.one("traceparent").unwrap();
        assert!(
            !parent.contains(TRACE) && ["-00", "-02"].iter().any(|flags| parent.ends_with(flags)),
            "{parent}"
        );
    }
}
