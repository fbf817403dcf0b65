//! The audit trail: who came, left and was refused, and what was changed; that it shows when it was touched; and that no
//! output stops a request.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::bearer;
use crate::login::{login, short_lived, wait_until_due};
use crate::sessions_command::sessions;
use crate::support::gate::Gate;
use crate::support::pool::{CLIENT_SECRET, Endpoint, FakePool, Reply, User};
use crate::support::scrape::Scrape;
use crate::support::token::random;
use crate::support::until;
use crate::support::upstream::{self, Recorder};
use crate::support::wire::Wire;
use crate::support::world::{Setup, World};

/// What every line has.
const FIELDS: [&str; 11] =
    ["client", "event", "kind", "outcome", "reason", "request_id", "rule", "session", "sub", "time", "user"];

/// The audit line from line `from` on that is of this event, and maybe this reason.
fn told(gate: &Gate, from: usize, event: &str, reason: Option<&str>) -> Value {
    let of_it = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let wanted = line["kind"] == "audit" && line["event"] == event;
        (wanted && reason.is_none_or(|reason| line["reason"] == reason)).then_some(line)
    };
    let line = gate.stdout().wait_since(from, of_it);
    let line = line.unwrap_or_else(|| panic!("no {event} {reason:?} in {:#?}", gate.stdout().since(from)));
    let mut fields: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    fields.retain(|field| !["detail", "chain", "number", "mac"].contains(field));
    fields.sort_unstable();
    assert_eq!(fields, FIELDS, "{line}");
    line
}

#[test]
fn who_came_left_and_was_refused_is_accounted_for() {
    let world = Setup::bench().top("control_socket = \"{folder}/control.sock\"").start();
    let (gate, lines) = (&world.gate, || world.gate.stdout().count());
    assert_eq!(told(gate, 0, "started", None)["detail"]["version"], env!("CARGO_PKG_VERSION"));
    let sub = User::new("user", &[]).sub;

    let from = lines();
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/x");
    let answer = browser.open(callback.as_str());
    world.keep_secret(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
    let came = told(gate, from, "login", None);
    assert_eq!(
        [
            &came["outcome"],
            &came["user"],
            &came["sub"],
            &came["client"],
            &came["request_id"],
            &came["detail"]["roles"]
        ],
        [
            &json!("success"),
            &json!("user"),
            &json!(sub),
            &json!("127.0.0.1"),
            &json!(answer.header("x-request-id").unwrap()),
            &json!(["user"])
        ]
    );
    let session = came["session"].as_str().unwrap().to_owned();

    let from = lines();
    let answer = browser.fetch("/admin/x?secret-in-the-query");
    assert_eq!(answer.status, 403);
    let refused = told(gate, from, "refused", Some("role_missing"));
    assert_eq!(
        [&refused["user"], &refused["sub"], &refused["session"], &refused["rule"], &refused["request_id"]],
        [
            &json!("user"),
            &json!(sub),
            &json!(session),
            &json!("rules[3] /admin/**"),
            &json!(answer.header("x-request-id").unwrap())
        ]
    );
    let record = bearer::record(&world, &answer);
    assert_eq!((record.text("sub"), record.text("session")), (sub.as_str(), session.as_str()));

    let from = lines();
    browser.post("/oauth2/signout", "");
    let left = told(gate, from, "logout", Some("user"));
    assert_eq!((&left["session"], &left["client"]), (&json!(session), &json!("127.0.0.1")));
    // Nobody is not accounted for: what was refused to them is in the access records.
    let from = lines();
    let answer = browser.fetch("/admin/x");
    assert_eq!(answer.status, 401);
    bearer::record(&world, &answer);
    assert!(!gate.stdout().since(from).iter().any(|line| line.contains("\"kind\":\"audit\"")));

    let from = lines();
    let denied = world.browser().callback_for("user", "/x");
    world.browser().open(&denied.as_str().replace("code=", "error=access_denied&x="));
    let mut other = world.browser();
    let denied = other.callback_for("user", "/x");
    other.open(&denied.as_str().replace("code=", "error=access_denied&x="));
    let failed = told(gate, from, "login", Some("access_denied"));
    assert_eq!((&failed["outcome"], &failed["user"]), (&json!("failure"), &Value::Null));

    let from = lines();
    assert!(sessions(&world, &["end", "--sub", &sub]).status.success());
    let ended = told(gate, from, "logout", Some("operator"));
    assert_eq!((&ended["detail"]["whom"], &ended["detail"]["by"]), (&json!(sub), &json!("sub")));
    assert!(ended["detail"]["uid"].is_number() && ended["detail"]["reach"] == "here", "{ended}");
    let from = lines();
    assert!(sessions(&world, &["end", "--id", &session]).status.success());
    let ended = told(gate, from, "logout", Some("operator"));
    assert_eq!((&ended["session"], &ended["detail"]["by"]), (&json!(session), &json!("id")));
    world.no_secret_in("the audit trail", &gate.stdout().all());
    assert!(!gate.stdout().all().contains("secret-in-the-query"));
}

#[test]
fn refreshes_that_change_or_end_a_session_and_keys_that_change_are_accounted_for() {
    let key = random(32);
    let world = short_lived().keys(&key).start();
    let gate = &world.gate;
    let mut browser = world.signed_in("user");
    let begun = Instant::now();
    world.pool.change_user("user", |user| user.groups = vec!["user".into(), "editor".into()]);
    wait_until_due(begun);
    assert_eq!(browser.fetch("/x").status, 200);
    let roles = told(gate, 0, "roles", None);
    assert_eq!(roles["detail"], json!({"before": ["user"], "roles": ["editor", "user"]}));
    world.pool.revoke_all();
    wait_until_due(Instant::now());
    assert_eq!(browser.fetch("/x").status, 401);
    let ended = told(gate, 0, "refresh", Some("invalid_grant"));
    assert_eq!((&ended["outcome"], &ended["user"]), (&json!("failure"), &json!("user")));
    assert!(ended["session"].is_string());

    let file = gate.folder().join("session-keys");
    std::fs::write(&file, format!("{}\n{key}\n", random(32))).unwrap();
    assert_eq!(told(gate, 0, "reload", Some("taken"))["detail"]["what"], "session_keys");
    std::fs::write(&file, "changeme\n").unwrap();
    assert_eq!(told(gate, 0, "reload", Some("refused"))["outcome"], "failure");
}

#[test]
fn without_audit_there_are_access_records_and_without_those_the_trail() {
    for (key, kept, left_out) in [("audit", "access", "audit"), ("access", "audit", "access")] {
        let world = Setup::bench().tables(&format!("[log]\n{key} = false")).start();
        let mut browser = world.browser();
        browser.sign_in("user");
        browser.fetch("/admin/x");
        let out = world.gate.stdout().clone();
        world.gate.signal("TERM");
        let World { gate, .. } = world;
        assert!(gate.wait().0.success());
        let has = |kind: &str| out.all().contains(&format!("\"kind\":\"{kind}\""));
        assert_eq!((has(kept), has(left_out)), (true, false), "{}", out.all());
    }
}

#[test]
fn a_chain_shows_what_was_changed_taken_out_or_moved() {
    let (key, old) = (random(32), random(32));
    let world = Setup::bench().keys(&format!("{key}\n{old}")).tables("[log]\naudit_chain = true").start();
    for _ in 0..2 {
        let mut browser = world.signed_in("user");
        browser.fetch("/admin/x");
        browser.post("/oauth2/signout", "");
    }
    let out = world.gate.stdout().clone();
    let World { gate, .. } = world;
    gate.signal("TERM");
    assert!(gate.wait().0.success());
    let lines = out.since(0);
    let audit: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("\"kind\":\"audit\"")).collect();
    assert!(audit.len() >= 8, "{lines:#?}");
    assert!(lines[*audit.last().unwrap()].contains("\"event\":\"stopped\""), "{lines:#?}");
    let keys = tempfile::NamedTempFile::new().unwrap();
    // Which of the keys it was is found out.
    std::fs::write(keys.path(), format!("{old}\n{key}\n")).unwrap();
    let (well, said) = verify(keys.path(), &lines);
    assert!(well && said.contains("0 faults") && !said.contains("missing"), "{said}");

    let changed = |at: usize| {
        let mut lines = lines.clone();
        lines[at] = lines[at].replace("\"success\"", "\"failure\"");
        lines
    };
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines
    };
    let moved = |a: usize, b: usize| {
        let mut lines = lines.clone();
        lines.swap(a, b);
        lines
    };
    let mut forged = lines.clone();
    forged.insert(audit[2], "{\"kind\":\"audit\",\"event\":\"login\"}".into());
    for (what, lines) in [
        ("changed", changed(audit[1])),
        ("taken out", without(audit[3])),
        ("taken out at the beginning", without(audit[0])),
        ("moved", moved(audit[1], audit[2])),
        ("put in", forged),
    ] {
        let (well, said) = verify(keys.path(), &lines);
        assert!(!well, "{what}: {said}");
    }
    let (well, said) = verify(keys.path(), &without(*audit.last().unwrap()));
    assert!(well && said.contains("may be missing"), "a cut end is said to be possible: {said}");
    std::fs::write(keys.path(), random(32)).unwrap();
    assert!(!verify(keys.path(), &lines).0, "another key");
    let bare = Command::new("python3").arg(SCRIPT).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(bare.stderr).unwrap();
    assert_eq!((bare.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.starts_with("usage: verify-audit.py "), "{said}");
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring/verify-audit.py");

/// What the script of the documentation says.
fn verify(keys: &Path, lines: &[String]) -> (bool, String) {
    let mut child = Command::new("python3")
        .arg(SCRIPT)
        .arg(keys)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// A gate whose standard error is read until it listens, and no further.
struct Unread {
    child: Child,
    public: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    _stderr: BufReader<std::process::ChildStderr>,
    others: (tempfile::TempDir, FakePool, Recorder),
}

fn unread(stdout: Stdio) -> Unread {
    let folder = tempfile::tempdir().unwrap();
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let setup = Setup::bench().tables("[log]\nlevel = \"debug\"\n[bearer]");
    let toml = setup.toml(&pool, &upstream).replace("{folder}", folder.path().to_str().unwrap());
    for (name, content) in
        [("client-secret", CLIENT_SECRET), ("session-keys", &setup.keys), ("a.toml", &toml)]
    {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args(["run", "--config"])
        .arg(folder.path().join("a.toml"))
        .env_clear()
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let (public, admin) = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended");
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["message"] == "listening" {
            let address = |name: &str| event[name].as_str().unwrap().parse().unwrap();
            break (address("listen"), address("admin"));
        }
    };
    Unread { child, public, admin, _stderr: stderr, others: (folder, pool, upstream) }
}

impl Unread {
    /// Requests to this path, one after the other; each is answered so.
    fn flood(&self, count: usize, path: &str, status: u16) {
        let mut wire = Wire::connect(self.public);
        let request = format!("GET {path}{} HTTP/1.1\r\nHost: app.test\r\n\r\n", "x".repeat(500));
        for at in 0..count {
            wire.write(request.as_bytes());
            let answer = wire.answer(false).unwrap_or_else(|ended| panic!("request {at}: {ended:?}"));
            assert_eq!(answer.status, status);
        }
    }

    fn scrape(&self) -> Scrape {
        let mut wire = Wire::connect(self.admin);
        wire.write(b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        Scrape::parse(&wire.answer(false).unwrap().text())
    }

    fn must_end(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let ended = until("it ends", || self.child.try_wait().unwrap());
        assert!(ended.success(), "{ended:?}");
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn outputs_that_nobody_reads_stop_no_request_and_no_end() {
    let gate = unread(Stdio::piped());
    // A pipe takes 64 KiB. Each of these has a line of the log as well, that the upstream gave no answer.
    gate.others.2.behave(upstream::closes_after_head());
    gate.flood(400, "/public/", 502);
    assert_eq!(gate.scrape().get("rolegate_ready"), 1.0);
    gate.must_end();
}

#[test]
fn a_full_disk_stops_no_request_and_is_counted() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let gate = unread(full.into());
    gate.flood(50, "/", 401);
    until("what was lost is counted", || {
        let scrape = gate.scrape();
        let lost = |kind: &str| scrape.get(&format!("rolegate_lines_lost_total{{kind=\"{kind}\"}}"));
        (lost("access") == 50.0 && lost("audit") >= 1.0).then_some(())
    });
    gate.must_end();
}

#[test]
fn nothing_secret_is_said_anywhere_at_the_level_that_says_most() {
    let mut setup = short_lived().tables("[log]\nlevel = \"debug\"\naudit_chain = true\n[bearer]\n");
    setup.rules += "[[rules]]\npath = \"/handed/**\"\nany_role = [\"user\"]\npass_token = \"access\"\n";
    let world = setup.start();
    world.pool.set_rotation(true);
    let keep = |browser: &crate::support::browser::Browser| {
        world.keep_secret(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
    };
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/x");
    keep(&browser);
    world.keep_secret(callback.query_pairs().map(|(_, value)| value.into_owned()));
    browser.open(callback.as_str());
    let begun = Instant::now();
    keep(&browser);
    assert_eq!(browser.fetch("/handed/x").status, 200);
    let token = bearer::access(&world, "user");
    assert_eq!(bearer::ask(&world, "/x", &bearer::line(&token)).status, 200);
    let broken = format!("{token}x");
    assert_eq!(bearer::ask(&world, "/x", &bearer::line(&broken)).status, 401);
    wait_until_due(begun);
    assert_eq!(browser.fetch("/x").status, 200);
    keep(&browser);
    for reply in [
        Reply::Hangup,
        Reply::HalfClosed,
        Reply::Status(200, "application/json", b"{\"access_token\": 1}".to_vec()),
        Reply::Status(400, "application/json", b"{\"error\": \"invalid_client\"}".to_vec()),
    ] {
        world.pool.script_once(Endpoint::Token, reply);
        keep(&login(&world, "user").browser);
    }
    world.pool.tamper(|mint| mint.claim("aud", "other"));
    keep(&login(&world, "user").browser);
    world.pool.be_honest();
    browser.open(callback.as_str());
    browser.post("/oauth2/signout", "");
    keep(&browser);
    until("the token is revoked", || (!world.pool.revoked().is_empty()).then_some(()));
    let (out, log) = (world.gate.stdout().all(), world.gate.stderr().all());
    assert!(log.contains("\"DEBUG\""), "the level says most: {log}");
    assert!(
        !log.lines().any(|line| line.contains("\"target\":\"hyper") || line.contains("\"target\":\"rustls"))
    );
    world.no_secret_in("the access records and the audit trail", &out);
    world.no_secret_in("the log", &log);
    world.no_secret_in("the metrics", &world.gate.admin("/metrics").text());
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{file}", world.gate.id())).unwrap();
        world.no_secret_in(file, &String::from_utf8_lossy(&text));
    }
}
