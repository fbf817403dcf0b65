//! What costs a client little and would cost the gate much ends the connection, and nothing else.

use super::*;
use crate::support::until;
use crate::support::wire::Ended;

pub fn cases() -> Vec<Case> {
    vec![
        case(&["H2-16"], resets_by_the_thousand),
        case(&["H2-17"], requests_that_the_gate_must_reset),
        case(&["H2-18"], heads_that_do_not_end),
        case(&["H2-19"], frames_with_nothing_in_them),
        case(&["H2-21"], heads_that_are_too_large),
        case(&["H2-22"], streams_out_of_order),
        case(&["H2-23"], |_| who_takes_nothing_is_given_up()),
        case(&["H2-24"], goodbyes_between_settings),
    ]
}

/// Enough for a flood; a debug build counts each.
const MANY: usize = 100_000;
/// As many streams the gate resets for a connection's faults, and then ends it (RUSTSEC-2025-0070).
const MOST_RESETS: usize = 1_024;
/// What a flood may leave behind in memory; a debug build's own buffers included.
const ROOM_KIB: u64 = 48 * 1024;

/// Pours until the other side has had enough; the code of its GOAWAY, where that was not overtaken by the end.
fn poured(
    world: &World,
    http2: &mut Http2,
    mut piece: impl FnMut(&mut Http2) -> Vec<u8>,
    pieces: usize,
) -> Option<u32> {
    let before = world.gate.rss_kib();
    for _ in 0..pieces {
        let bytes = piece(http2);
        if !http2.write(&bytes) {
            break;
        }
    }
    let code = http2.end();
    let after = world.gate.rss_kib();
    assert!(after < before + ROOM_KIB, "from {before} to {after} KiB");
    goes_on(&mut Http2::connect(world.gate.public));
    code
}

fn is_calmed(code: Option<u32>) {
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)), "{code:?}");
}

fn resets_by_the_thousand(world: &World) {
    world.upstream.at("/public/stall", upstream::stalls_after_head());
    let pairs = |http2: &mut Http2, count: usize| {
        let pair = |http2: &mut Http2| {
            let stream = http2.stream();
            let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&get("/public/stall", &[])));
            [head, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        };
        (0..count).flat_map(|_| pair(http2)).collect::<Vec<_>>()
    };
    let mut few = Http2::connect(world.gate.public);
    let bytes = pairs(&mut few, 150);
    few.write(&bytes);
    assert_eq!(few.end(), Some(ENHANCE_YOUR_CALM));
    let mut many = Http2::connect(world.gate.public);
    is_calmed(poured(world, &mut many, |http2| pairs(http2, 1_000), MANY / 1_000));

    // One after another, each seen by the upstream: what it was asked for is called off there.
    let mut patient = Http2::connect(world.gate.public);
    for _ in 0..20 {
        let mark = world.mark();
        let stream = patient.begin(&get("/public/stall", &[]), true);
        world.upstream.wait_for(mark.upstream, 1);
        patient.write(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    goes_on(&mut patient);
    until("what was called off is given up", || (world.upstream.open() <= 2).then_some(()));
}

/// What is wrong with a request, and its bytes on a stream.
type Broken<'a> = (&'a str, &'a dyn Fn(u32) -> Vec<u8>);

fn requests_that_the_gate_must_reset(world: &World) {
    let head = |flags, stream, lines: &[(&'static str, &'static str)]| {
        frame(HEADERS, END_HEADERS | flags, stream, &block(&request("POST", "/public/t", lines)))
    };
    let then =
        |stream: u32, kind, payload: &[u8]| [head(0, stream, &[]), frame(kind, 0, stream, payload)].concat();
    let ended_then = |stream: u32, kind, flags, payload: &[u8]| {
        [head(END_STREAM, stream, &[]), frame(kind, flags, stream, payload)].concat()
    };
    let of_itself = |stream: u32| [&stream.to_be_bytes()[..], &[0]].concat();
    let behind = block(&[("x", "y")]);

    let resets: &[Broken<'_>] = &[
        ("more room than there can be", &|stream| {
            then(stream, WINDOW_UPDATE, &0x7fff_ffff_u32.to_be_bytes())
        }),
        ("a head behind the end", &|stream| ended_then(stream, HEADERS, END_HEADERS, &behind)),
        ("trailers that end nothing", &|stream| {
            [head(0, stream, &[]), frame(HEADERS, END_HEADERS, stream, &behind)].concat()
        }),
        ("a length that is none", &|stream| head(0, stream, &[("content-length", "x")])),
        ("a body of another length", &|stream| {
            [head(0, stream, &[("content-length", "1")]), frame(DATA, 0, stream, b"xx")].concat()
        }),
        ("a line that is HTTP/1.1's", &|stream| head(0, stream, &[("connection", "close")])),
        ("a stream that waits for itself", &|stream| then(stream, PRIORITY, &of_itself(stream))),
    ];
    for (what, broken) in resets {
        // One after the other, each seen to be reset: so many, and no more.
        let mut http2 = Http2::connect(world.gate.public);
        let reset = |http2: &mut Http2| {
            let stream = http2.stream();
            http2.write(&broken(stream)) && http2.outcome(stream).reset.is_some()
        };
        let count = (0..2 * MOST_RESETS).take_while(|_| reset(&mut http2)).count();
        assert_eq!((count, http2.end()), (MOST_RESETS, Some(ENHANCE_YOUR_CALM)), "{what}");
        // And as many as one can send, whose answers nobody waits for.
        let piece = |http2: &mut Http2| (0..100).flat_map(|_| broken(http2.stream())).collect();
        is_calmed(poured(world, &mut Http2::connect(world.gate.public), piece, MANY / 100));
    }
    let ends: &[Broken<'_>] = &[
        ("room of nothing", &|stream| then(stream, WINDOW_UPDATE, &[0; 4])),
        ("a body behind the end", &|stream| ended_then(stream, DATA, 0, b"x")),
        ("a priority of another length", &|stream| then(stream, PRIORITY, &[0; 4])),
    ];
    for (what, broken) in ends {
        let mut http2 = Http2::connect(world.gate.public);
        let stream = http2.stream();
        http2.write(&broken(stream));
        assert_eq!(http2.end(), Some(PROTOCOL_ERROR), "{what}");
    }
    goes_on(&mut Http2::connect(world.gate.public));
}

fn heads_that_do_not_end(world: &World) {
    for piece in [&b""[..], &block(&[("x", "y")]), &block(&[("x", "y".repeat(4_000))])] {
        let mut http2 = Http2::connect(world.gate.public);
        let stream = http2.stream();
        http2.write(&frame(HEADERS, END_STREAM, stream, &block(&get("/public/t", &[]))));
        let pieces = frame(CONTINUATION, 0, stream, piece).repeat(100);
        is_calmed(poured(world, &mut http2, |_| pieces.clone(), MANY / 100));
    }
    // One that is not continued has the time of a head, which is two seconds here, and so has a preface.
    let begun = frame(HEADERS, END_STREAM, 1, &block(&get("/public/t", &[])));
    let settings = frame(SETTINGS, 0, 0, b"");
    for bytes in [
        [PREFACE, &settings, &begun].concat(),
        [PREFACE, &settings, &begun[..20]].concat(),
        [PREFACE, &settings[..5]].concat(),
        PREFACE[..20].to_vec(),
    ] {
        let mut http2 = Http2::bare(world.gate.public);
        http2.write(&bytes);
        http2.end();
    }
}

fn frames_with_nothing_in_them(world: &World) {
    world.upstream.at("/public/stall", upstream::stalls_after_head());
    let empty = frame(DATA, 0, 1, b"").repeat(100);
    let byte = frame(DATA, 0, 1, b"x").repeat(100);
    let padded = frame(DATA, PADDED, 1, &[&[255][..], &[0; 255]].concat()).repeat(100);
    for pieces in [empty, byte, padded] {
        let mut http2 = Http2::connect(world.gate.public);
        http2.begin(&request("POST", "/public/stall", &[]), false);
        is_calmed(poured(world, &mut http2, |_| pieces.clone(), MANY / 100));
    }
    // Small pieces that are taken as they come are a conversation.
    let mut http2 = Http2::connect(world.gate.public);
    let stream = http2.begin(&request("POST", "/public/t", &[]), false);
    for _ in 0..200 {
        http2.data(stream, b"x", false);
        assert!(http2.is_alive());
    }
    http2.data(stream, b"", true);
    let answer = http2.outcome(stream);
    assert_eq!(answer.status(), 200, "{answer:?}");
    // Questions that nobody has to wait for are answered, and no more of them are kept than there are answers taken.
    let mut http2 = Http2::connect(world.gate.public);
    for _ in 0..100 {
        http2.write(&frame(PING, 0, 0, b"are you?").repeat(10));
        assert!(http2.is_alive());
    }
    goes_on(&mut http2);
}

fn heads_that_are_too_large(world: &World) {
    let mut http2 = Http2::connect(world.gate.public);
    goes_on(&mut http2);
    let advertised = http2.settings[&6] as usize;
    assert!(advertised >= 64 * 1024, "{advertised}");
    let send = |size: usize| {
        let mark = world.mark();
        let mut http2 = Http2::connect(world.gate.public);
        let line = "y".repeat(1_000);
        let lines: Vec<_> = (0..size / 1_000).map(|number| (format!("x-{number}"), line.clone())).collect();
        let mut fields: Vec<_> =
            get("/public/large", &[]).iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        fields.extend(lines);
        let stream = http2.stream();
        let block = block(&fields);
        let mut pieces = block.chunks(16_384).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            let first = if kind == HEADERS { END_STREAM } else { 0 };
            http2.write(&frame(kind, end | first, stream, piece));
            kind = CONTINUATION;
        }
        let outcome = http2.outcome(stream);
        assert!(world.seen_since(mark).iter().all(|seen| seen.path() != "/public/large"));
        (outcome, http2)
    };
    // Ours first, with a page; then the parser's own; then the end.
    let (outcome, mut http2) = send(40_000);
    assert_eq!(
        (outcome.status(), outcome.header("x-content-type-options")),
        (431, Some("nosniff")),
        "{outcome:?}"
    );
    goes_on(&mut http2);
    for size in [advertised + 10_000, 3 * advertised, 10 * advertised] {
        let (outcome, _) = send(size);
        assert!(outcome.is_refused(&[431]), "{size}: {outcome:?}");
    }
    let long = format!("/public/{}", "a".repeat(9_000));
    let answer = Http2::connect(world.gate.public).ask(&get(&long, &[]));
    assert_eq!(answer.status(), 414);
}

fn streams_out_of_order(world: &World) {
    let head = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&get("/public/t", &[])));
    for (what, bytes) in [
        ("an even one", head(2)),
        ("one that goes back", [head(5), head(3)].concat()),
        ("the same again", [head(1), head(1)].concat()),
        ("none", head(0)),
        ("a body of one that is not open", frame(DATA, 0, 1, b"x")),
        ("a reset of one that is not open", frame(RST_STREAM, 0, 1, &[0; 4])),
        ("room for one that is not open", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, b"")),
        ("a push", frame(5, END_HEADERS, 1, &[0, 0, 0, 2])),
        (
            "something in between",
            [frame(HEADERS, 0, 1, &block(&get("/public/t", &[]))), frame(PING, 0, 0, &[0; 8])].concat(),
        ),
    ] {
        let mut http2 = Http2::connect(world.gate.public);
        http2.write(&bytes);
        let code = http2.end();
        assert!(code.is_some_and(|code| code != NO_ERROR), "{what}: {code:?}");
    }
    // One more than there may be at once is refused, and the others go on.
    world.upstream.at("/public/stall", upstream::stalls_after_head());
    let mut http2 = Http2::connect(world.gate.public);
    goes_on(&mut http2);
    assert_eq!(http2.settings[&3], 128);
    for _ in 0..128 {
        http2.begin(&get("/public/stall", &[]), true);
    }
    let refused = http2.ask(&get("/public/x", &[]));
    assert_eq!(refused.reset, Some(7), "{refused:?}");
    assert!(http2.is_alive());
}

/// A megabyte, whatever is asked.
fn plenty() -> Behaviour {
    upstream::answers_headers("", &"x".repeat(1 << 20))
}

fn who_takes_nothing_is_given_up() {
    let world = setup().top("workers = 1").limits("body_idle_timeout = \"8s\"").start();
    world.upstream.at("/public/plenty", plenty());
    let before = world.gate.rss_kib();
    // A window of one byte for each answer, and nothing is ever given back.
    let mut http2 = Http2::with(world.gate.public, &[0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]);
    http2.gives_room = false;
    let streams: Vec<_> = (0..100).map(|_| http2.begin(&get("/public/plenty", &[]), true)).collect();
    // And one that reads nothing at all.
    let mut deaf = Http2::connect(world.gate.public);
    for _ in 0..100 {
        deaf.begin(&get("/public/plenty", &[]), true);
    }
    let (begun, mut most) = (Instant::now(), before);
    let mut others = Http2::connect(world.gate.public);
    while world.upstream.open() < 50 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        goes_on(&mut others);
    }
    until("both are given up", || {
        goes_on(&mut others);
        most = most.max(world.gate.rss_kib());
        // One for those who are served meanwhile.
        (world.upstream.open() <= 2).then_some(())
    });
    assert!(most < before + 2 * ROOM_KIB, "from {before} to {most} KiB");
    http2.end();
    let taken: usize = streams.iter().map(|stream| http2.so_far(*stream).body.len()).sum();
    assert!(taken <= streams.len(), "{taken} bytes came through windows of one");
    // Whoever takes a little at a time is served to the end.
    let mut slow = Http2::with(world.gate.public, &[0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]);
    slow.gives_room = false;
    let stream = slow.begin(&get("/public/x", &[]), true);
    for _ in 0..8 {
        assert!(slow.is_alive());
        std::thread::sleep(Duration::from_millis(500));
        slow.write(&frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]));
    }
    slow.write(&frame(WINDOW_UPDATE, 0, stream, &[0, 1, 0, 0]));
    assert_eq!(slow.outcome(stream).json()["target"], "/public/x");
}

fn goodbyes_between_settings(world: &World) {
    let goodbye = frame(7, 0, 0, &[0; 8]);
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255, 0, 5, 0, 0, 64, 0]);
    let ack = frame(SETTINGS, ACK, 0, b"");
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&get("/public/t", &[])));
    for bytes in [
        [&goodbye[..], &settings, &goodbye, &settings].concat(),
        [&settings[..], &goodbye, &head, &settings, &goodbye].concat(),
        [&head[..], &goodbye, &ack, &settings, &goodbye, &frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 2])].concat(),
        [goodbye.clone(), settings.clone()].concat().repeat(1_000),
        [settings.clone(), head, goodbye].concat(),
    ] {
        let mut http2 = Http2::connect(world.gate.public);
        http2.write(&bytes);
        // A client that says goodbye is answered what it has asked, and may go.
        http2.write(&frame(PING, 0, 0, &[0; 8]));
        drop(http2);
        goes_on(&mut Http2::connect(world.gate.public));
    }
    // Without a client's own settings nothing is answered.
    let mut http2 = Http2::bare(world.gate.public);
    http2.write(&[PREFACE, &settings[..9]].concat());
    match http2.read() {
        Ok(frame) => assert_ne!(frame.kind, HEADERS, "{frame:?}"),
        Err(ended) => assert_eq!(ended, Ended::Closed),
    }
}
