//! What the gate does to WebSockets, as Autobahn's cases see it: nothing.
//!
//! PyPI's `kosoku` runs the case files of the Autobahn test suite (which itself needs Python 2) against npm's `ws`, once
//! directly and once through the gate with a session. Both ways lead through [`Bearer`], which puts in the session that
//! the runner has no option for. `make conformance` runs all of them; `CONFORMANCE=7.*,9.1.1` these.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::browser::Running;
use crate::support::pool::FakePool;
use crate::support::until;
use crate::support::upstream::Recorder;
use crate::support::world::{Setup, Who, World};

/// Framing, pings, reserved bits, opcodes, fragments, UTF-8 and closes, all of them; a few of limits and compression.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.7.1,10.*,12.1.1,12.2.1,13.1.1";
/// What at least one case of which must have run.
const SECTIONS: [&str; 11] = ["1.1.", "1.2.", "2.", "3.", "4.", "5.", "6.", "7.", "9.", "10.", "12."];
/// How often a case is run anew whose verdict is another: a few of them tell by time or by who closes first.
const AGAIN: usize = 6;
/// So many are not a few.
const MANY: usize = 25;
/// How many [`CASES`] are, of the version of kosoku that the requirements name: fewer are no comparison.
const COMPARED: usize = 251;

#[test]
fn autobahns_cases_end_alike_with_and_without_the_gate() {
    let chosen = std::env::var("CONFORMANCE").ok();
    let mut echo = Command::new("node");
    echo.arg("websocket-echo.mjs").current_dir(folder()).env_remove("NODE_OPTIONS");
    assert!(
        folder().join("node_modules/ws").is_dir(),
        "these tests need ws: `make test` installs it into tests/clients"
    );
    let mut echo = Running::start("the echo server", echo);
    let upstream: SocketAddr = echo.wait_for("ready ").parse().unwrap();
    let setup = Setup { upstream: format!("http://{upstream}"), ..Setup::bench() };
    let world = setup.limits("response_timeout = \"60s\"").start_with(FakePool::start(), Recorder::start());

    let direct = Bearer::to(upstream, &world);
    let through = Bearer::to(world.gate.public, &world);
    let wanted = chosen.as_deref().unwrap_or(CASES);
    let (mut without, mut with) = (run(&direct, wanted), run(&through, wanted));
    let ran: BTreeSet<_> = without.keys().cloned().collect();
    if matches!(wanted, CASES | "*") {
        assert!(ran.len() >= COMPARED, "{} of {COMPARED} cases were run: {ran:?}", ran.len());
        for section in SECTIONS {
            assert!(ran.iter().any(|case| case.starts_with(section)), "{section}* was run: {ran:?}");
        }
    }
    assert!(!ran.is_empty(), "there is no case like {wanted}");
    let mut seen_without: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut asked, mut anew) = (ran.clone(), BTreeSet::new());
    for _ in 0..AGAIN {
        // Whatever a run leaves out would pass for the same.
        for told in [&without, &with] {
            assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), asked, "each case has its verdict");
        }
        for (case, verdict) in &without {
            seen_without.entry(case.clone()).or_default().push(verdict.clone());
        }
        with.retain(|case, verdict| !seen_without[case].contains(verdict));
        assert!(with.len() < MANY, "through the gate: {with:#?}\nwithout: {seen_without:#?}");
        if with.is_empty() {
            break;
        }
        asked = with.keys().cloned().collect();
        anew.extend(asked.clone());
        let differing = with.into_keys().collect::<Vec<_>>().join(",");
        without = run(&direct, &differing);
        with = run(&through, &differing);
    }
    assert!(with.is_empty(), "through the gate: {with:#?}\nwithout: {seen_without:#?}");
    println!("{} cases were compared, {} of them in more than one run: {anew:?}", ran.len(), anew.len());
    // Each was let in by the gate, and by nobody else. A record comes by a thread of its own.
    until("the gate saw them", || {
        let records = world.gate.access_since(0);
        (records.iter().filter(|record| record.status() == 101).count() >= ran.len()).then_some(())
    });
}

/// Runs these cases; what became of each.
fn run(bearer: &Bearer, wanted: &str) -> BTreeMap<String, String> {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = tmp.parent().unwrap_or(tmp).join("clients-venv/bin/python");
    assert!(
        python.with_file_name("kosoku").is_file(),
        "these tests need kosoku: `make test` installs it into target/clients-venv"
    );
    let mut command = Command::new(python);
    command.args(["websocket-cases.py", &bearer.address.to_string(), "8", wanted]);
    let output = command.current_dir(folder()).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let results: BTreeMap<_, _> = told
        .lines()
        .filter_map(|line| {
            let verdict = line.strip_prefix("case ")?;
            let case: serde_json::Value = serde_json::from_str(verdict).unwrap();
            Some((case["case"].as_str().unwrap().to_owned(), verdict.to_owned()))
        })
        .collect();
    assert!(
        output.status.success() && told.lines().any(|line| line == format!("ran {}", results.len())),
        "{}\n{told}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    results
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Passes connections on as they are, but for the head of each: its Host becomes the application's, and a session goes
/// in.
struct Bearer {
    address: SocketAddr,
}

// === impl Bearer ===

impl Bearer {
    fn to(target: SocketAddr, world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let session = world.session(Who::User).line();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), session) = (client, session.clone()) else { return };
                std::thread::spawn(move || join(client, target, &session));
            }
        });
        Self { address }
    }
}

fn join(mut client: TcpStream, target: SocketAddr, session: &str) -> Option<()> {
    let mut server = TcpStream::connect(target).ok()?;
    client.set_nodelay(true).ok()?;
    server.set_nodelay(true).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let is_host = |line: &&str| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("host:"));
    let lines = head.trim_end().split("\r\n").filter(|line| !is_host(line)).collect::<Vec<_>>().join("\r\n");
    server.write_all(format!("{lines}\r\nHost: app.test\r\n{session}\r\n").as_bytes()).ok()?;
    let (back, mut forth) = (client.try_clone().ok()?, (client, server.try_clone().ok()?));
    let there = std::thread::spawn(move || {
        pass(&mut forth.0, &mut forth.1);
    });
    let mut back = back;
    pass(&mut server, &mut back);
    there.join().ok()
}

/// Copies until there is no more, and says so.
fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..count]).is_err() {
            // Nobody takes it any more: whoever sends it is to know.
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
