//! Under systemd, as far as it goes without one: its tools judge the units, its launcher hands over sockets, and what
//! the gate tells a service manager is written down.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use crate::support::browser::Browser;
use crate::support::gate::{Gate, Refused, Start};
use crate::support::pool::{CLIENT_SECRET, Endpoint, FakePool, Reply};
use crate::support::tls::Offer;
use crate::support::upstream::Recorder;
use crate::support::wire::{Answer, Wire};
use crate::support::world::Setup;
use crate::support::{PATIENCE, until};

const UNITS: [&str; 3] = ["rolegate.service", "rolegate.socket", "rolegate-redirect.socket"];

// === the units ===

#[test]
fn systemd_takes_the_units_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let units = UNITS.map(|unit| {
        let text = std::fs::read_to_string(deployed().join(unit)).unwrap();
        let at = folder.path().join(unit);
        // The program is where the package puts it, which is not here.
        std::fs::write(&at, text.replace("/usr/bin/rolegate", env!("CARGO_BIN_EXE_rolegate"))).unwrap();
        at
    });
    // One at a time: judged together, what is wrong with one may be said of another.
    for unit in &units {
        let judged = systemd("systemd-analyze", &["verify", "--man=no", unit.to_str().unwrap()]);
        // The line that systemd 253 understands; the one before it is for the others.
        let told: Vec<_> = judged.lines().filter(|line| !line.ends_with("ignoring: notify-reload")).collect();
        assert!(told.is_empty(), "{told:#?}");
    }
}

#[test]
fn the_service_may_do_next_to_nothing() {
    let unit = deployed().join("rolegate.service");
    // In tenths, as systemd counts: 1.2 of 10 with systemd 252, and other versions weigh a little otherwise.
    let judged =
        systemd("systemd-analyze", &["security", "--offline=true", "--threshold=15", unit.to_str().unwrap()]);
    assert!(judged.contains("exposure level"), "{judged}");
}

// === sockets that are handed over ===

#[test]
fn a_socket_without_a_name_is_the_public_one() {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let address = an_address();
    let mut gate = activated(start(&pool, &upstream), &[address], None).unwrap();
    assert_eq!(gate.gate.public, address, "and `listen` is not bound");
    assert_eq!(gate.waiting.answer(false).unwrap().status, 200, "who woke it is served");
    let mut browser = Browser::new(address);
    browser.sign_in("user");
    assert_eq!(browser.fetch("/x").status, 200);
}

#[test]
fn each_socket_is_what_its_name_says() {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let [redirect, public, admin] = [an_address(), an_address(), an_address()];
    let setup = Setup::bench().tables(
        "[tls]\ncert_file = \"{folder}/app.pem\"\nkey_file = \"{folder}/app.key\"\nredirect_listen = \"192.0.2.1:80\"",
    );
    let start = files(Start::with(setup.toml(&pool, &upstream)), &setup)
        .file("app.pem", include_str!("../fixtures/tls/app.pem"))
        .file("app.key", include_str!("../fixtures/tls/app.key"));
    let mut gate = activated(start, &[redirect, public, admin], Some("redirect:public:admin")).unwrap();
    assert_eq!((gate.gate.public, gate.gate.admin), (public, admin));
    let moved = gate.waiting.answer(false).unwrap();
    assert_eq!((moved.status, moved.header("location")), (308, Some("https://app.test/public/x")));
    let tls = Offer::to("app.test").connect(public).unwrap();
    assert!(tls.ask(PUBLIC).unwrap().starts_with("HTTP/1.1 200 "));
    assert_eq!(gate.gate.admin("/livez").status, 200);
}

#[test]
fn a_socket_that_means_nothing_certain_is_refused() {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let [one, two] = [an_address(), an_address()];
    for (sockets, names, told) in [
        (&[one][..], Some("connection"), "called `connection`"),
        (&[one, two][..], Some("public:public"), "two sockets were handed over for `public`"),
        (&[one, two][..], None, "two sockets were handed over for `public`"),
        (&[one][..], Some("redirect"), "there is no [tls]"),
    ] {
        let Err(refused) = activated(start(&pool, &upstream), sockets, names) else {
            panic!("it started: {told}")
        };
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        assert!(refused.stderr.contains(told), "{told}: {refused:#?}");
    }
}

#[test]
fn a_socket_that_is_not_of_the_network_is_refused() {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut start = start(&pool, &upstream).unready();
    start.launcher = launcher(&[path.to_str().unwrap().to_owned()], Some("public"));
    let waiting = std::thread::spawn(move || until("it listens", || UnixStream::connect(&path).ok()));
    let Err(refused) = start.start() else { panic!("it started") };
    waiting.join().unwrap();
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("handed over for `public` cannot be used"), "{refused:#?}");
}

#[test]
fn who_comes_between_two_gates_waits_for_the_second() {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let behind = || {
        let mut start = start(&pool, &upstream);
        // As systemd does it: the socket is its own, and each gate gets it as number 3.
        let hand_over = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\" 3<&0 0</dev/null";
        start.launcher = ["/bin/sh", "-c", hand_over, "sh"].map(str::to_owned).to_vec();
        start.handed = Some(held.try_clone().unwrap());
        start.start().unwrap()
    };
    let first = behind();
    assert_eq!(ask(first.public).status, 200);
    first.signal("TERM");
    let (status, log) = first.wait();
    assert!(status.success(), "{log}");
    let mut between = Wire::connect(held.local_addr().unwrap());
    between.write(PUBLIC.as_bytes());
    let second = behind();
    assert_eq!(second.public, held.local_addr().unwrap());
    assert_eq!(between.answer(false).unwrap().status, 200);
}

// === what the manager is told ===

#[test]
fn the_service_manager_is_told_how_it_goes_from_the_start_to_the_end() {
    let manager = Manager::listen();
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    pool.script(Endpoint::Discovery, Reply::Hangup);
    let mut start = start(&pool, &upstream).unready();
    start.environment.insert("NOTIFY_SOCKET".into(), manager.path());
    start.environment.insert("WATCHDOG_USEC".into(), "400000".into());
    let gate = start.start().unwrap();

    let ready = manager.next();
    assert_eq!(ready[0], "READY=1", "it serves before logins can begin");
    assert_eq!(
        ready[1],
        format!(
            "STATUS=serving at {}; no login can begin yet, the identity provider does not answer",
            gate.public
        )
    );
    assert_eq!(ask(gate.public).status, 200, "what it is ready for");

    pool.be_honest();
    let serving = format!("STATUS=serving at {}", gate.public);
    assert_eq!(manager.next(), [serving.as_str()], "said when it became so, without being asked");
    assert_eq!(manager.next_of_any(), ["WATCHDOG=1"]);
    assert_eq!(manager.next_of_any(), ["WATCHDOG=1"], "again and again");

    let mut last = 0;
    for keys in [crate::support::token::random(32), "no key".to_owned()] {
        std::fs::write(gate.folder().join("session-keys"), keys).unwrap();
        gate.signal("HUP");
        let reloading = manager.next();
        assert_eq!(reloading[0], "RELOADING=1");
        let at: i128 = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(at > last, "{reloading:?}");
        last = at;
        let ready = manager.next();
        assert_eq!(ready[0], "READY=1", "also where nothing of it was taken");
        assert!(ready[1].starts_with(&serving), "{ready:?}");
    }

    gate.signal("TERM");
    let stopping = manager.next();
    assert_eq!(
        stopping[..2],
        ["STOPPING=1", "EXTEND_TIMEOUT_USEC=25000000"],
        "the drain time and some seconds"
    );
    let (status, log) = gate.wait();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("service manager").count(), 0, "{log}");
}

#[test]
fn a_manager_that_does_not_listen_stops_nobody() {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let mut start = start(&pool, &upstream);
    start.environment.insert("NOTIFY_SOCKET".into(), "/nonexistent/notify".into());
    start.environment.insert("WATCHDOG_USEC".into(), "200000".into());
    let gate = start.start().unwrap();
    gate.signal("HUP");
    assert_eq!(ask(gate.public).status, 200);
    gate.signal("TERM");
    let (status, log) = gate.wait();
    assert!(status.success(), "{log}");
    assert!(log.contains("the service manager was not told"), "{log}");
}

// === a service manager that writes down what it hears ===

struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn listen() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("notify").to_str().unwrap().to_owned()
    }

    /// The lines of the next message.
    fn next_of_any(&self) -> Vec<String> {
        let mut bytes = [0; 1024];
        let length = self.socket.recv(&mut bytes).expect("a message");
        String::from_utf8(bytes[..length].to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    /// The same, signs of life left out.
    fn next(&self) -> Vec<String> {
        // They keep coming, also where nothing else does.
        let end = Instant::now() + PATIENCE;
        loop {
            let lines = self.next_of_any();
            if lines != ["WATCHDOG=1"] {
                return lines;
            }
            assert!(Instant::now() < end, "nothing but signs of life");
        }
    }
}

// === gates that are handed their sockets ===

/// A gate that was started by a connection.
struct Activated {
    gate: Gate,
    /// That connection, with a request on it.
    waiting: Wire,
}

/// The gate under systemd's launcher, which listens at `sockets` until somebody comes to the first of them.
fn activated(mut start: Start, sockets: &[SocketAddr], names: Option<&str>) -> Result<Activated, Refused> {
    let addresses: Vec<_> = sockets.iter().map(ToString::to_string).collect();
    start.launcher = launcher(&addresses, names);
    // An address of nobody here: what was handed over is not bound as well.
    start.toml = start.toml.replace("\nlisten = \"127.0.0.1:0\"", "\nlisten = \"192.0.2.1:4180\"");
    let first = sockets[0];
    let waiting = std::thread::spawn(move || {
        let stream = until("the launcher listens", || std::net::TcpStream::connect(first).ok());
        let mut wire = Wire::over(stream);
        wire.write(PUBLIC.as_bytes());
        wire
    });
    let gate = start.start();
    let waiting = waiting.join().unwrap();
    Ok(Activated { gate: gate?, waiting })
}

fn launcher(sockets: &[String], names: Option<&str>) -> Vec<String> {
    assert!(
        Command::new("systemd-socket-activate").arg("--version").output().is_ok(),
        "systemd-socket-activate is not there: `make test` installs it (Debian: systemd)"
    );
    let mut words = vec!["systemd-socket-activate".to_owned()];
    words.extend(sockets.iter().map(|socket| format!("--listen={socket}")));
    words.extend(names.map(|names| format!("--fdname={names}")));
    words
}

fn start(pool: &FakePool, upstream: &Recorder) -> Start {
    let setup = Setup::bench();
    files(Start::with(setup.toml(pool, upstream)), &setup)
}

fn files(start: Start, setup: &Setup) -> Start {
    start
        .file("client-secret", format!("{CLIENT_SECRET}\n"))
        .file("session-keys", format!("{}\n", setup.keys))
}

/// The launcher takes no port 0. Nobody else is at these addresses of the loopback network: they differ by process, and
/// the port lies below those that the system gives out.
fn an_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 83, high, low], 21_000 + NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn ask(address: SocketAddr) -> Answer {
    let mut wire = Wire::connect(address);
    wire.write(PUBLIC.as_bytes());
    wire.answer(false).unwrap()
}

/// What the tool wrote; it must be content.
fn systemd(tool: &str, arguments: &[&str]) -> String {
    let run = Command::new(tool).args(arguments).env("SYSTEMD_COLORS", "0").output();
    let run =
        run.unwrap_or_else(|error| panic!("{tool}: {error}; `make test` installs it (Debian: systemd)"));
    let told = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{tool} {arguments:?}: {told}");
    told
}

fn deployed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd")
}

const PUBLIC: &str = "GET /public/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
