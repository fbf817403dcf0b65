//! What is wrong with a configuration is said with its place and ends the start; nothing is guessed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::corpus::{Case, case};

pub fn cases() -> Vec<Case> {
    vec![case(&["OPS-04"], |_| what_cannot_be_meant_is_an_error_with_its_place())]
}

const CONFIG: &str = r#"public_url = "https://app.test"
upstream = "http://127.0.0.1:9"
required_roles = ["user"]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
[cognito]
user_pool_id = "eu-central-1_AbCdEf123"
client_id = "1h57kf5cpq17m0eml12example"
client_secret_file = "client-secret"
[session]
keys_file = "keys"
"#;

/// A folder with a configuration that is well, and its two secrets.
struct Folder(tempfile::TempDir);

#[test]
fn what_cannot_be_meant_is_an_error_with_its_place() {
    let unset = "ROLEGATE_COGNITO__CLIENT_ID";
    let wrong: &[(&str, &str, &str, &str)] = &[
        ("an unknown key", "listen =", "lisen =", "4:1: lisen: unknown key"),
        ("a wrong type", "[\"user\"]", "7", "3:18: required_roles"),
        ("a key twice", "listen = ", "listen = \"127.0.0.1:1\"\nlisten = ", "5:1: not TOML: duplicate key"),
        ("a word for a boolean", "[cognito]", "pass_host = yes\n[cognito]", "6:13: "),
        ("a text for a boolean", "[cognito]", "pass_host = \"yes\"\n[cognito]", "6:13: pass_host"),
        ("what is no TOML", "[session]", "session:\n\tkeys: x", "10:9: not TOML"),
        ("an anchor of YAML", "[session]", "a = &a [*a,*a]\n[session]", "10:8: not TOML"),
        ("no client", "client_id = \"1h57kf5cpq17m0eml12example\"\n", "", "cognito.client_id"),
        ("a file that is not there", "\"keys\"", "\"nowhere\"", "11:13: session.keys_file"),
    ];
    for (what, now, next, place) in wrong {
        let folder = Folder::new();
        let text = CONFIG.replacen(now, next, 1);
        assert_ne!(text, CONFIG, "{what}");
        std::fs::write(folder.at("rolegate.toml"), text).unwrap();
        for command in ["check", "run"] {
            let told = folder.rolegate(command, &[]);
            assert_eq!(told.status.code(), Some(78), "{what}: {told:?}");
            let stderr = String::from_utf8(told.stderr).unwrap();
            assert!(stderr.contains("rolegate.toml:") && stderr.contains(place), "{what}: {stderr}");
        }
    }
    let folder = Folder::new();
    for (name, value) in [("ROLEGATE_LISEN", "127.0.0.1:1"), (unset, ""), ("ROLEGATE_PASS_HOST", "yes")] {
        let told = folder.rolegate("run", &[(name, value)]);
        let stderr = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(78), "{name}: {stderr}");
        assert!(stderr.contains(&format!("env:{name}")), "{name}: {stderr}");
    }
}

#[test]
fn a_secrets_file_is_taken_without_its_last_newline_and_refused_where_it_holds_none() {
    let check = |text: &str, strict: bool| {
        let folder = Folder::new();
        std::fs::write(folder.at("client-secret"), text).unwrap();
        let told = folder.rolegate(if strict { "check --strict" } else { "check" }, &[]);
        (told.status.code(), String::from_utf8(told.stderr).unwrap())
    };
    for text in ["a-secret-of-some-length-0123456789", "a-secret-of-some-length-0123456789\r\n"] {
        assert_eq!(check(text, true), (Some(0), String::new()), "{text:?}");
    }
    for text in ["", "\n", "  \n"] {
        let (code, stderr) = check(text, false);
        assert_eq!(code, Some(78), "{text:?}: {stderr}");
        assert!(stderr.contains("9:22: cognito.client_secret_file"), "{text:?}: {stderr}");
    }
}

#[test]
fn a_secret_that_everybody_can_read_is_warned_of() {
    let folder = Folder::new();
    std::fs::set_permissions(folder.at("keys"), std::fs::Permissions::from_mode(0o644)).unwrap();
    for (command, code) in [("check", 0), ("check --strict", 78)] {
        let told = folder.rolegate(command, &[]);
        assert_eq!(told.status.code(), Some(code), "{told:?}");
        let stderr = String::from_utf8(told.stderr).unwrap();
        assert!(stderr.contains("11:13: ") && stderr.contains("warning"), "{stderr}");
    }
}

// === impl Folder ===

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let key = crate::support::token::random(32);
        for (name, text) in [
            ("rolegate.toml", CONFIG),
            ("client-secret", "a-secret-of-some-length-0123456789\n"),
            ("keys", &format!("{key}\n")),
        ] {
            std::fs::write(folder.at(name), text).unwrap();
            std::fs::set_permissions(folder.at(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn rolegate(&self, command: &str, environment: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rolegate"))
            .args(command.split(' '))
            .arg("--config")
            .arg(self.at("rolegate.toml"))
            .env_clear()
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }
}
