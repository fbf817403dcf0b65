//! `rolegate sessions`: what an operator ends has ended, and the socket for it is for nobody else.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

mod shared;

use crate::forwarding::websocket;
use crate::support::browser::Browser;
use crate::support::gate::Gate;
use crate::support::pool::{CLIENT_SECRET, FakePool};
use crate::support::until;
use crate::support::upstream::{self, Recorder};
use crate::support::wire::Wire;
use crate::support::world::{Session, Setup, World};

/// 1012, "service restart".
pub const CLOSE: &[u8] = b"\x88\x02\x03\xf4";
const SOCKET: &str = "control_socket = \"{folder}/control.sock\"";

#[test]
fn a_persons_sessions_end_by_sub_with_what_they_have_open_and_nobody_elses() {
    let world = Setup::bench().top(SOCKET).start();
    world.upstream.behave(upstream::switches_protocols(websocket::ACCEPT));
    let (mut laptop, mut phone) = (world.signed_in("user"), world.signed_in("user"));
    let mut other = world.signed_in("admin");
    let (mut ours, mut theirs) = (open_at(&world.gate, &laptop), open_at(&world.gate, &other));
    world.upstream.behave_well();
    let sub = sub(&mut laptop);

    let ended = sessions(&world, &["end", "--sub", &sub]);
    let said = said(&ended);
    assert_eq!((ended.status.code(), said.lines().count()), (Some(0), 1), "{ended:?}");
    assert!(said.contains("in this process alone") && said.contains("session.store"), "{said}");

    assert_eq!(ours.rest().0, CLOSE);
    theirs.write(b"\x89\x00");
    assert_eq!(theirs.take(2).unwrap(), b"\x89\x00");
    for browser in [&mut laptop, &mut phone] {
        assert_eq!((browser.fetch("/x").status, browser.open("/x").status), (401, 302));
    }
    assert_eq!(other.fetch("/x").status, 200);
    until("whoever signs in later comes in", || {
        (world.signed_in("user").fetch("/x").status == 200).then_some(())
    });
}

#[test]
fn who_is_named_may_begin_with_a_hyphen_as_one_session_in_64_does() {
    let world = Setup::bench().top(SOCKET).start();
    for by in ["--id", "--sub"] {
        let output = sessions(&world, &["end", by, "-x_-of-nobody"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    for arguments in [["list", "--user", "-x"], ["list", "--sub", "--x"], ["end", "--user", "-x"]] {
        let output = sessions(&world, &arguments);
        assert!(complaint(&output).contains("session.store"), "it was asked: {output:?}");
    }
}

#[test]
fn everyone_ends_with_yes_alone() {
    let world = Setup::bench().top(SOCKET).start();
    let mut browsers = [world.signed_in("user"), world.signed_in("admin")];
    let unsure = sessions(&world, &["end", "--everyone"]);
    assert_eq!(unsure.status.code(), Some(64), "{unsure:?}");
    assert!(complaint(&unsure).contains("--yes"), "{unsure:?}");
    for browser in &mut browsers {
        assert_eq!(browser.fetch("/x").status, 200);
    }
    assert_eq!(sessions(&world, &["end", "--everyone", "--yes"]).status.code(), Some(0));
    for browser in &mut browsers {
        assert_eq!(browser.fetch("/x").status, 401);
    }
}

#[test]
fn without_a_store_what_takes_a_list_says_so_and_ends_nobody() {
    let world = Setup::bench().top(SOCKET).start();
    let mut browser = world.signed_in("user");
    for arguments in [&["list"][..], &["list", "--sub", "x", "--json"], &["end", "--user", "user"]] {
        let output = sessions(&world, arguments);
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(1), ""), "{output:?}");
        assert!(complaint(&output).contains("session.store"), "{output:?}");
    }
    assert_eq!(sessions(&world, &["end", "--id", "of-nobody"]).status.code(), Some(0));
    assert_eq!(browser.fetch("/x").status, 200);
}

#[test]
fn every_end_is_in_the_log_with_who_asked_for_it() {
    let world = Setup::bench().top(SOCKET).start();
    assert_eq!(sessions(&world, &["end", "--sub", "a\nb"]).status.code(), Some(0));
    let line = world.gate.stderr().wait(audited).expect("an audit line");
    let uid = std::fs::metadata(world.gate.folder()).unwrap().uid();
    assert_eq!(
        (&line["uid"], &line["by"], &line["whom"], &line["reach"]),
        (&uid.into(), &"sub".into(), &"a\nb".into(), &"here".into()),
        "{line}"
    );
    assert!(line["pid"].is_number(), "{line}");
}

#[test]
fn a_log_for_errors_alone_has_the_audit_lines_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let setup = Setup::bench().top(SOCKET).tables("[log]\nlevel = \"error\"");
    let toml = setup.toml(&pool, &upstream).replace("{folder}", folder.path().to_str().unwrap());
    for (name, content) in
        [("client-secret", CLIENT_SECRET), ("session-keys", &setup.keys), ("a.toml", &toml)]
    {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let log = folder.path().join("log");
    let mut gate = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args(["run", "--config"])
        .arg(folder.path().join("a.toml"))
        .env_clear()
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    until("the gate answers, or has ended", || {
        (end_nobody(&socket).status.success() || gate.try_wait().unwrap().is_some()).then_some(())
    });
    until("it is told", || {
        let told = std::fs::read_to_string(&log).unwrap();
        told.lines().any(|line| audited(line).is_some()).then_some(())
    });
    let _ = gate.kill();
    let _ = gate.wait();
}

#[test]
fn the_socket_is_its_users_alone_and_goes_with_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let setup = Setup::bench().top(&format!("control_socket = {socket:?}"));
    let world = setup.start();
    let metadata = std::fs::metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(folder.path()), ["control.sock"], "nothing else is left of making it");

    // What a process that was killed leaves is taken over, and the file of the one that runs is not.
    let world = world.restarted(|setup| setup);
    assert_eq!(names(folder.path()), ["control.sock"]);
    assert_eq!(end_nobody(&socket).status.code(), Some(0));
    let refused = match world.setup().try_start_with(&world.pool, &world.upstream) {
        Ok(_) => panic!("two gates at one socket"),
        Err(refused) => refused,
    };
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("(control_socket)") && refused.stderr.contains(socket.to_str().unwrap()),
        "{refused:?}"
    );
    assert_eq!(end_nobody(&socket).status.code(), Some(0));

    world.gate.signal("TERM");
    let World { gate, .. } = world;
    let (status, log) = gate.wait();
    assert!(status.success(), "{log}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn a_file_that_is_no_socket_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious");
    std::fs::write(&file, "precious").unwrap();
    for (name, why) in
        [(file.clone(), "no socket"), (folder.path().join("missing/control.sock"), "No such file")]
    {
        let setup = Setup::bench().top(&format!("control_socket = {name:?}")).unready();
        let Err(refused) = setup.try_start_with(&FakePool::start(), &Recorder::start()) else {
            panic!("the gate started")
        };
        assert_eq!(refused.code, Some(1));
        let told = refused.stderr.lines().last().unwrap().to_owned();
        assert!(told.contains("(control_socket)") && told.contains(why), "{refused:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn the_socket_of_a_process_that_hangs_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let _hangs = UnixListener::bind(&socket).unwrap();
    let inode = std::fs::metadata(&socket).unwrap().ino();
    let setup = Setup::bench().top(&format!("control_socket = {socket:?}")).unready();
    let refused = setup.try_start_with(&FakePool::start(), &Recorder::start());
    assert_eq!(refused.err().and_then(|refused| refused.code), Some(1));
    assert_eq!(std::fs::metadata(&socket).unwrap().ino(), inode);
}

#[test]
fn nothing_of_it_is_reachable_otherwise() {
    let world = Setup::bench().top(SOCKET).start();
    let mut browser = world.signed_in("user");
    let body = r#"{"end":"everyone"}"#;
    for request in [
        "GET /sessions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".to_owned(),
        format!(
            "POST /sessions/end HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    ] {
        for (address, statuses) in [(world.gate.admin, [404, 404]), (world.gate.public, [401, 302])] {
            let mut wire = Wire::connect(address);
            let host = if address == world.gate.public { "app.test".into() } else { address.to_string() };
            wire.write(request.replace("{host}", &host).as_bytes());
            let status = wire.answer(false).unwrap().status;
            assert!(statuses.contains(&status), "{address} {status} {request}");
        }
    }
    assert_eq!(browser.fetch("/x").status, 200);
}

#[test]
fn what_is_no_question_is_refused_and_ends_nobody() {
    let world = Setup::bench().top(SOCKET).start();
    let socket = socket(&world);
    let mut browser = world.signed_in("user");
    let post = |body: &str| {
        format!(
            "POST /sessions/end HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let get = |method: &str, target: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    };
    for (request, status) in [
        (post(""), 400),
        (post("everyone"), 400),
        (post(r#"{"end":{"sub":"a"},"end":"everyone"}"#), 400),
        (post(r#"{"end":{"sub":["a"]}}"#), 400),
        (post(&"x".repeat(20_000)), 413),
        (get("GET", "/sessions/end"), 405),
        (get("DELETE", "/sessions"), 405),
        (get("GET", "/sessions?id=x"), 400),
        (get("GET", "/sessions?sub=x&sub=y"), 400),
        (get("GET", "/"), 404),
        (get("GET", "/metrics"), 404),
        ("\x16\x03\x01 garbage\r\n\r\n".to_owned(), 400),
    ] {
        let answer = raw(&socket, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
    // A megabyte of nothing, and a head that never ends.
    let mut stream = UnixStream::connect(&socket).unwrap();
    let _ = stream.write_all(&vec![b'x'; 1 << 20]);
    drop(stream);
    assert_eq!(end_nobody(&socket).status.code(), Some(0));
    assert_eq!(browser.fetch("/x").status, 200);
    assert!(world.gate.alive());
}

#[test]
fn whoever_is_slow_there_holds_nobody_up() {
    let world = Setup::bench().top(SOCKET).start();
    let socket = socket(&world);
    let mut browser = world.signed_in("user");
    let slow: Vec<_> = [
        &b""[..],
        b"GET /sess",
        b"POST /sessions/end HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"end\":",
    ]
    .into_iter()
    .cycle()
    .take(60)
    .map(|beginning| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(beginning).unwrap();
        stream
    })
    .collect();
    // The admin listener and every refresh run on the same thread.
    assert_eq!(world.gate.admin("/readyz").status, 200);
    assert_eq!(browser.fetch("/x").status, 200);
    // More than there is room for: the slow ones lose theirs.
    assert_eq!(end_nobody(&socket).status.code(), Some(0));
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = vec![];
        let ended = stream.read_to_end(&mut rest);
        assert!(ended.is_ok(), "{ended:?} {}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn what_keeps_the_command_from_asking_is_said_with_what_to_do() {
    let world = Setup::bench().start();
    let none = sessions(&world, &["list"]);
    assert_eq!(none.status.code(), Some(78));
    assert!(complaint(&none).contains("control_socket = "), "{none:?}");

    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("control.sock");
    let stale = folder.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for socket in [missing, stale] {
        let output = rolegate(&["sessions", "list", "--socket", socket.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = complaint(&output);
        assert!(told.contains(socket.to_str().unwrap()) && told.contains("is the gate running"), "{told}");
    }
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "x = 1\n").unwrap();
    let output = rolegate(&["sessions", "list", "--config", wrong.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(complaint(&output).contains("--socket"), "{output:?}");

    for flags in [
        &["list", "--user", "a", "--sub", "b"][..],
        &["list", "--id", "a"],
        &["end"],
        &["end", "--id", "a", "--sub", "b"],
        &["end", "--everyone", "--yes", "--user", "a"],
        &["list", "--config", "a", "--socket", "b"],
        &[],
    ] {
        let output = rolegate(&[&["sessions"], flags].concat());
        assert_eq!(output.status.code(), Some(64), "{flags:?}: {output:?}");
    }
}

#[test]
fn what_answers_at_the_socket_and_is_no_gate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let other = std::thread::spawn(move || {
        for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "SSH-2.0-x\r\n", ""] {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    for _ in 0..3 {
        let output = rolegate(&["sessions", "list", "--socket", path.to_str().unwrap()]);
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(1), ""), "{output:?}");
        assert!(complaint(&output).contains(path.to_str().unwrap()), "{output:?}");
    }
    other.join().unwrap();
}

fn socket(world: &World) -> PathBuf {
    world.gate.folder().join("control.sock")
}

/// `rolegate sessions`, by the configuration of this gate.
pub fn sessions(world: &World, arguments: &[&str]) -> Output {
    sessions_of(&world.gate, arguments)
}

fn sessions_of(gate: &Gate, arguments: &[&str]) -> Output {
    let config = gate.folder().join("rolegate.toml");
    let (command, flags) = arguments.split_first().unwrap();
    rolegate(&[&["sessions", command, "--config", config.to_str().unwrap()], flags].concat())
}

/// Something that the gate does for whoever may ask, and that changes nothing.
fn end_nobody(socket: &Path) -> Output {
    rolegate(&["sessions", "end", "--id", "of-nobody", "--socket", socket.to_str().unwrap()])
}

fn rolegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rolegate")).args(arguments).env_clear().output().unwrap()
}

/// What comes back to these bytes, until the other side closes.
fn raw(socket: &Path, bytes: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A refusal may come, and the connection go, before all of it is written.
    let _ = stream.write_all(bytes.as_bytes());
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn audited(line: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "an operator ended sessions").then_some(line)
}

fn open_at(gate: &Gate, browser: &Browser) -> Wire {
    let session = Session { cookie: browser.cookies("/"), identity: None };
    let mut wire = Wire::connect(gate.public).patient_for(Duration::from_secs(20));
    wire.write(&session.fill(websocket::request("/ws", "").as_bytes()));
    let head = wire.head().unwrap();
    assert!(head.start.starts_with("HTTP/1.1 101"), "{head:?}");
    wire
}

/// The `sub` of whoever is signed in.
fn sub(browser: &mut Browser) -> String {
    let told = browser.fetch("/oauth2/userinfo");
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    told["sub"].as_str().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
