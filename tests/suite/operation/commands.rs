//! The commands that end by themselves: what they print, and their exit codes.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::world::World;

const CONFIG: &str = r#"
public_url = "https://app.test"
upstream = "http://127.0.0.1:8080"
required_roles = ["user"]
[cognito]
user_pool_id = "eu-central-1_AbCdEf123"
client_id = "1h57kf5cpq17m0eml12EXAMPLE"
[session]
keys_file = "keys"
[[rules]]
path = "/admin/**"
any_role = ["admin"]
[[rules]]
path = "/public/**"
public = true
"#;

#[test]
fn wrong_flags_exit_with_64_and_help_with_0() {
    for wrong in [
        &["run", "--nope"][..],
        &[],
        &["frobnicate"],
        &["explain", "GET"],
        &["probe"],
        &["run", "--config"],
        &["explain", "--claim", "x", "GET", "/"],
        &["dev", "--listen", "nowhere"],
    ] {
        let output = rolegate(wrong);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}: {output:?}");
    }
    for help in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let output = rolegate(help);
        assert_eq!(output.status.code(), Some(0), "{help:?}: {output:?}");
        assert!(!output.stdout.is_empty(), "{help:?}");
    }
}

#[test]
fn secret_prints_a_new_key_that_the_gate_takes() {
    let (one, other) = (rolegate(&["secret"]), rolegate(&["secret"]));
    assert!(one.status.success() && one.stderr.is_empty());
    let help = String::from_utf8(rolegate(&["secret", "--help"]).stdout).unwrap();
    assert!(help.contains("add the new one as the last line") && help.contains("max_age"), "{help}");
    assert_ne!(one.stdout, other.stdout);
    let files = Files::new();
    std::fs::write(files.folder.path().join("keys"), &one.stdout).unwrap();
    assert_eq!(files.run(&["check"]).status.code(), Some(0));
}

#[test]
fn schema_prints_the_committed_schema() {
    let output = rolegate(&["schema"]);
    assert!(output.status.success());
    let committed = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/config/schema.json")).unwrap();
    assert_eq!(output.stdout, committed);
}

#[test]
fn probe_says_whether_an_address_answers_well() {
    let world = World::bench();
    let url = |path: &str| format!("http://{}{path}", world.gate.admin);
    assert_eq!(rolegate(&["probe", &url("/readyz")]).status.code(), Some(0));
    let missing = rolegate(&["probe", &url("/nothing")]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("404"), "{missing:?}");
    // Nobody listens there.
    let refused = rolegate(&["probe", "http://127.0.0.1:1/livez"]);
    assert_eq!((refused.status.code(), text(&refused.stderr).lines().count()), (Some(1), 1), "{refused:?}");
}

#[test]
fn check_exits_with_0_or_78_and_strict_makes_warnings_errors() {
    let files = Files::new();
    for (toml, lenient, strict) in [
        (CONFIG.to_owned(), 0, 0),
        (CONFIG.replace("https://app.test", "http://localhost:4180"), 0, 78),
        (CONFIG.replace("required_roles", "roles"), 78, 78),
        (CONFIG.replace("any_role = [\"admin\"]", ""), 78, 78),
        ("not toml [".to_owned(), 78, 78),
    ] {
        files.write(&toml);
        for (flags, code) in [(&["check"][..], lenient), (&["check", "--strict"], strict)] {
            let output = files.run(flags);
            assert_eq!(output.status.code(), Some(code), "{flags:?} {toml}: {output:?}");
            let told = text(&output.stderr);
            assert_eq!(told.is_empty(), strict == 0, "{toml}: {told}");
            assert!(
                told.lines().all(|line| line.starts_with(&files.name())),
                "a line a problem, with its place: {told}"
            );
        }
    }
}

#[test]
fn explain_exits_as_the_request_would_fare() {
    let files = Files::new();
    for (flags, method, url, code, word) in [
        (&["--role", "user"][..], "GET", "/x", 0, "forward"),
        (&[], "GET", "/public/x", 0, "forward"),
        (&["--user", "ada", "--role", "admin"], "POST", "https://app.test/admin/x", 0, "forward"),
        (&["--claim", "cognito:groups=[\"admin\"]"], "GET", "/admin", 0, "forward"),
        (&[], "GET", "/x", 10, "login"),
        (&[], "POST", "/x", 10, "challenge"),
        (&["--role", "user"], "GET", "/Admin/x", 11, "forbid"),
        (&["--role", "user"], "GET", "/public/%2e%2e/admin", 11, "forbid"),
        (&["--role", "admin"], "GET", "/a%2Fb", 12, "refuse"),
        (&["--role", "admin"], "GET", "/public/..;/admin", 12, "refuse"),
        (&["--role", "admin"], "CONNECT", "/x", 12, "refuse"),
        (&["--role", "admin"], "GET", "/oauth2/signout", 13, "own"),
    ] {
        let arguments = [&["explain"][..], flags, &[method, url]].concat();
        let output = files.run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(text(&output.stdout).contains(word) && output.stderr.is_empty(), "{arguments:?}: {output:?}");

        let json = files.run(&[&arguments[..], &["--json"]].concat());
        let explained: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((json.status.code(), explained["outcome"].as_str()), (Some(code), Some(word)));
        assert!(explained["because"].as_str().is_some_and(|because| !because.is_empty()), "{explained}");
    }
    files.write("x = 1");
    assert_eq!(files.run(&["explain", "GET", "/"]).status.code(), Some(78));
}

#[test]
fn a_taken_port_of_dev_is_one_line_that_names_port_and_flag() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin-listen", "--pool-listen"] {
        let mut arguments = vec!["dev"];
        for known in ["--listen", "--admin-listen", "--pool-listen"] {
            arguments.extend([known, if known == flag { &taken } else { "127.0.0.1:0" }]);
        }
        let output = rolegate(&arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = text(&output.stderr);
        let one_line =
            told.lines().count() == 1 && told.contains(&taken) && told.contains(&format!("({flag})"));
        assert!(one_line && output.stdout.is_empty(), "{flag}: {output:?}");
    }
    assert!(TcpStream::connect(holder.local_addr().unwrap()).is_ok());
}

/// A folder with a configuration and its key.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let keys = files.folder.path().join("keys");
        std::fs::write(&keys, rolegate(&["secret"]).stdout).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
        files.write(CONFIG);
        files
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("rolegate.toml")
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    fn write(&self, toml: &str) {
        std::fs::write(self.path(), toml).unwrap();
    }

    /// A command that takes `--config`, with this one.
    fn run(&self, arguments: &[&str]) -> Output {
        let name = self.name();
        rolegate(&[&arguments[..1], &["--config", &name], &arguments[1..]].concat())
    }
}

fn rolegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rolegate")).args(arguments).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
