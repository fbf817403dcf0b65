//! Several addresses behind one upstream: which gets a request, which is left out, and when it returns. Addresses named
//! for how they misbehave, over real sockets.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::support::until;
use crate::support::upstream::{self, Behaviour, Recorder};
use crate::support::wire::{Answer, Wire};
use crate::support::world::{Setup, World};

mod checks;
mod reloads;
mod rewriting;
mod tls;

const OUT: &str = "an address of an upstream is left out";
const BACK: &str = "an address of an upstream is asked again";

/// A bench whose upstream is called `app` and has these addresses; `keys` are further ones of its table.
fn app(addresses: &[String], keys: &str) -> Setup {
    let mut setup = Setup::bench().tables(&table("app", addresses, keys));
    setup.upstream = "app".into();
    setup
}

fn table(name: &str, addresses: &[String], keys: &str) -> String {
    format!("[[upstreams]]\nname = {name:?}\naddresses = {addresses:?}\n{keys}\n")
}

fn at(recorder: &Recorder) -> String {
    format!("http://{}", recorder.address)
}

fn wire(world: &World) -> Wire {
    Wire::connect(world.gate.public)
}

/// A GET of something public on this connection.
fn get(wire: &mut Wire, target: &str) -> Answer {
    assert!(wire.write(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes()));
    wire.answer(false).unwrap_or_else(|ended| panic!("a request was lost: {ended:?}"))
}

/// The same, and it was well.
fn well(wire: &mut Wire) {
    let answer = get(wire, "/public/x");
    assert_eq!(answer.status, 200, "{answer:#?}");
}

/// So many addresses are asked, and so many left out, by the metrics.
fn shows(world: &World, address: &str, asked: usize, left_out: usize) {
    let line = |state: &str, count: usize| {
        format!(
            "rolegate_upstream_addresses{{upstream=\"app\",address=\"{address}\",state=\"{state}\"}} {count}\n"
        )
    };
    until(&format!("{address}: {asked} in, {left_out} out"), || {
        let text = world.gate.admin("/metrics").text();
        (text.contains(&line("in", asked)) && text.contains(&line("out", left_out))).then_some(())
    });
}

/// Waits for a line of the log with all of these.
fn said(world: &World, parts: &[&str]) {
    let has = |line: &str| parts.iter().all(|part| line.contains(part)).then_some(());
    let line = world.gate.stderr().wait(has);
    assert!(line.is_some(), "{parts:?} is not in\n{}", world.gate.stderr().all());
}

/// Listens there and answers every request, counting them.
fn at_socket(path: &Path) -> Arc<AtomicUsize> {
    let (listener, count) = (UnixListener::bind(path).unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counter = counter.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                loop {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if stream.read_line(&mut head).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    counter.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix");
                }
            });
        }
    });
    count
}

#[test]
fn who_refuses_is_left_out_and_asked_again_once_it_answers_and_no_request_notices() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let (refuses, answers) = (format!("unix:{}", socket.display()), Recorder::start());
    let world = app(&[refuses.clone(), at(&answers)], "max_fails = 2\neject_time = \"300ms\"").start();
    let mut wire = wire(&world);
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!(answers.count(), 10, "each went to the one that is there");
    // What was tried in vain had not been sent: a body as well goes once, and whole.
    wire.write(b"POST /public/x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(wire.answer(false).unwrap().status, 200);
    said(&world, &[OUT, "\"app\"", &refuses, "upstream_connect"]);
    shows(&world, &refuses, 0, 1);
    assert_eq!(world.gate.admin("/readyz").status, 200, "one address is not the gate");
    let count = at_socket(&socket);
    until("it is asked again", || {
        well(&mut wire);
        (count.load(Ordering::SeqCst) > 0).then_some(())
    });
    said(&world, &[BACK, &refuses, "answered"]);
    shows(&world, &refuses, 1, 0);
    let before = (count.load(Ordering::SeqCst), answers.count());
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!((count.load(Ordering::SeqCst), answers.count()), (before.0 + 5, before.1 + 5), "in turn");
    let text = world.gate.admin("/metrics").text();
    let ejected = format!(
        "rolegate_upstream_ejections_total{{upstream=\"app\",address=\"{refuses}\",reason=\"upstream_connect\"}} 1\n"
    );
    assert!(text.contains(&ejected), "{text}");
    assert!(!text.contains("rolegate_upstream_faults_total{"), "every request got its answer: {text}");
}

#[test]
fn who_resets_or_hangs_is_left_out_after_so_many_failures() {
    let [resets, hangs, answers] = [(); 3].map(|()| Recorder::start());
    resets.behave(upstream::closes_after_head());
    hangs.behave(upstream::stalls_after_head());
    let keys = "max_fails = 2\neject_time = \"10m\"";
    let addresses = [at(&resets), at(&hangs), at(&answers)];
    let world = app(&addresses, keys).limits("response_timeout = \"1500ms\"").start();
    let mut wire = wire(&world);
    let mut statuses = vec![];
    for _ in 0..8 {
        statuses.push(get(&mut wire, "/public/x").status);
    }
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((count(502), count(504)), (2, 2), "what was sent is not sent again: {statuses:?}");
    said(&world, &[OUT, &addresses[0], "upstream_closed"]);
    said(&world, &[OUT, &addresses[1], "upstream_timeout"]);
    for _ in 0..20 {
        well(&mut wire);
    }
    assert_eq!((resets.count(), hangs.count()), (2, 2));
}

#[test]
fn an_answer_however_bad_is_an_answer() {
    let [fails, answers] = [(); 2].map(|()| Recorder::start());
    fails.behave(upstream::answers_with("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"));
    let world = app(&[at(&fails), at(&answers)], "max_fails = 1").start();
    let mut wire = wire(&world);
    let statuses: Vec<_> = (0..10).map(|_| get(&mut wire, "/public/x").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 5, "{statuses:?}");
    assert!(!world.gate.stderr().all().contains(OUT));
}

#[test]
fn where_all_are_left_out_all_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let sockets = ["a.sock", "b.sock"].map(|name| folder.path().join(name));
    let addresses = sockets.each_ref().map(|socket| format!("unix:{}", socket.display()));
    let world = app(&addresses, "max_fails = 1\neject_time = \"10m\"").start();
    let mut wire = wire(&world);
    for _ in 0..5 {
        assert_eq!(get(&mut wire, "/public/x").status, 502);
    }
    shows(&world, &addresses[0], 0, 1);
    shows(&world, &addresses[1], 0, 1);
    assert_eq!(world.gate.admin("/readyz").status, 200);
    at_socket(&sockets[1]);
    until("it answers", || (get(&mut wire, "/public/x").status == 200).then_some(()));
    shows(&world, &addresses[1], 1, 0);
    for _ in 0..5 {
        well(&mut wire);
    }
}

#[test]
fn each_gets_its_turn_and_least_connections_looks_at_what_is_under_way() {
    for (balance, expected) in [("least_connections", 0), ("round_robin", 5)] {
        let recorders = [(); 2].map(|()| Recorder::start());
        let release = recorders.each_ref().map(holds);
        let addresses = recorders.each_ref().map(at);
        let setup = app(&addresses, &format!("balance = {balance:?}"));
        // Each worker looks at what it sends itself.
        let world = setup.top("workers = 1").start();
        let (mut held, mut other) = (wire(&world), wire(&world));
        for _ in 0..10 {
            well(&mut other);
        }
        assert_eq!(
            recorders.each_ref().map(Recorder::count),
            [5, 5],
            "{balance}: in turn while nothing is under way"
        );
        held.write(b"GET /public/held HTTP/1.1\r\nHost: app.test\r\n\r\n");
        let busy = until("one is held", || recorders.iter().position(|recorder| recorder.count() > 5));
        for _ in 0..10 {
            well(&mut other);
        }
        assert_eq!(recorders[busy].count() - 6, expected, "{balance}");
        release[busy].send(()).unwrap();
        assert_eq!(held.answer(false).unwrap().status, 200);
        let before = recorders[busy].count();
        for _ in 0..10 {
            well(&mut other);
        }
        assert_eq!(recorders[busy].count(), before + 5, "{balance}: it is as free as the other again");
    }
}

/// Requests for `/public/held` are answered once that is said.
fn holds(recorder: &Recorder) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (released, honest) = (Mutex::new(released), upstream::echo());
    let held: Behaviour = Arc::new(move |turn| {
        let _ = released.lock().unwrap().recv();
        honest(turn)
    });
    recorder.at("/public/held", held);
    release
}

#[test]
fn a_websocket_is_under_way_for_as_long_as_it_is_open() {
    use crate::forwarding::websocket::{ACCEPT, UPGRADE};
    let recorders = [(); 2].map(|()| Recorder::start());
    for recorder in &recorders {
        recorder.at("/public/ws", upstream::switches_protocols(ACCEPT));
    }
    let world = app(&recorders.each_ref().map(at), "").top("workers = 1").start();
    let mut open = wire(&world);
    open.write(format!("GET /public/ws HTTP/1.1\r\nHost: app.test\r\n{UPGRADE}\r\n").as_bytes());
    let busy = until("it is open", || recorders.iter().position(|recorder| recorder.count() == 1));
    assert_eq!(open.answer(false).unwrap().status, 101);
    let mut other = wire(&world);
    for _ in 0..10 {
        well(&mut other);
    }
    assert_eq!(recorders[busy].count(), 1);
    drop(open);
    until("it is as free as the other again", || {
        well(&mut other);
        (recorders[busy].count() > 1).then_some(())
    });
}

#[test]
fn a_name_is_as_many_addresses_as_it_leads_to_and_one_that_refuses_is_passed_over() {
    let answers = Recorder::start();
    let address = format!("http://localhost:{}", answers.address.port());
    let world = app(std::slice::from_ref(&address), "resolve = \"1s\"").start();
    let mut wire = wire(&world);
    let resolved = format!(
        "rolegate_upstream_resolutions_total{{upstream=\"app\",address=\"{address}\",outcome=\"ok\"}} "
    );
    until("the name is resolved", || world.gate.admin("/metrics").text().contains(&resolved).then_some(()));
    // Where it leads to ::1 as well, nobody listens there.
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!(answers.count(), 10);
}

#[test]
fn a_unix_socket_is_an_address_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let (count, answers) = (at_socket(&socket), Recorder::start());
    let world = app(&[format!("unix:{}", socket.display()), at(&answers)], "").start();
    let mut wire = wire(&world);
    for _ in 0..10 {
        well(&mut wire);
    }
    assert_eq!((count.load(Ordering::SeqCst), answers.count()), (5, 5));
}

/// Long enough for what happens every so often to happen some times.
const SOME_TIMES: Duration = Duration::from_secs(1);
