//! `rolegate dev` as a program: it says when it is ready, serves, and ends at a signal.

use std::io::Read;
use std::process::Command;
use std::time::Instant;

use super::PROMPT;
use crate::support::browser::Kind;
use crate::support::dev::Dev;
use crate::support::until;
use crate::support::upstream::Recorder;
use crate::support::wire::Wire;

#[test]
fn dev_says_when_it_is_ready_serves_and_ends_at_a_signal() {
    let mut dev = Dev::start();
    let port = dev.port;
    let host = format!("localhost:{port}");
    let ask = |kind: Kind, target: &str| {
        let mut wire = Wire::connect(([127, 0, 0, 1], port).into());
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{}Connection: close\r\n\r\n", kind.lines());
        wire.write(head.as_bytes());
        wire.answer(false).unwrap()
    };
    let login = ask(Kind::Navigate, "/reports/q3?x=1");
    assert_eq!(login.status, 302, "{login:#?}");
    assert!(login.location().starts_with("http://127.0.0.1:"), "{login:#?}");
    let public = ask(Kind::Fetch, "/public/x");
    assert_eq!(public.status, 200, "the sample upstream answers: {public:#?}");
    assert_eq!(ask(Kind::Fetch, "/admin").status, 401);

    let begun = Instant::now();
    let sent = Command::new("kill").args(["-INT", &dev.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = until("dev ends", || dev.child.try_wait().unwrap());
    assert!(ended.success() && begun.elapsed() < PROMPT, "{ended:?} after {:?}", begun.elapsed());
    let mut rest = String::new();
    dev.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "nothing but the one line");
}

#[test]
fn dev_listens_beyond_loopback_only_when_told_to() {
    let output = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args([
            "dev",
            "--listen",
            "0.0.0.0:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--pool-listen",
            "127.0.0.1:0",
        ])
        .env_clear()
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told.contains("--listen") && told.contains("--allow-remote"), "{told}");
}

#[test]
fn dev_is_ready_behind_a_mapped_port_that_only_the_browser_reaches() {
    let dev = Dev::start_with(&["--pool-url", "http://localhost:9"]);
    let login = dev.browser().open(&dev.at("/x"));
    assert!(login.location().starts_with("http://localhost:9/oauth2/authorize?"), "{login:#?}");
}

#[test]
fn a_handler_of_ones_own_decides_what_the_gate_lets_through() {
    let folder = tempfile::tempdir().unwrap();
    let handler = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/triggers/roles.mjs");
    let user = |name: &str, group: &str| {
        format!("[[users]]\nname = \"{name}\"\npassword = \"{name}\"\ngroups = [\"{group}\"]\n")
    };
    let pool = format!(
        "[[groups]]\nname = \"flexai-manager\"\n[[groups]]\nname = \"other\"\n{}{}\
         [trigger]\nversion = \"V2_0\"\nexec = \"{handler}\"\n",
        user("mia", "flexai-manager"),
        user("otto", "other"),
    );
    let rules = "required_roles = [\"flexai-manager\"]\n\
        [[identity.roles]]\nclaim = \"https://flexai.de/roles\"\ntoken = \"access\"\n";
    let (pool_file, rules_file) = (folder.path().join("pool.toml"), folder.path().join("rules.toml"));
    std::fs::write(&pool_file, pool).unwrap();
    std::fs::write(&rules_file, rules).unwrap();
    let dev =
        Dev::start_with(&["--pool", pool_file.to_str().unwrap(), "--config", rules_file.to_str().unwrap()]);

    let managers = dev.sign_in("mia");
    assert_eq!(managers.status, 200, "{managers:#?}");
    let said = managers.text();
    assert!(said.contains("mia") && said.contains("flexai-manager"), "{said}");
    let refused = dev.sign_in("otto");
    assert_eq!(refused.status, 403, "the handler gave no role: {refused:#?}");
}

#[test]
fn rules_that_are_being_written_count_when_they_are_saved() {
    let upstream = Recorder::start();
    let dev = Dev::of("", "required_roles = [\"viewer\"]\n", &upstream);
    let mut browser = dev.browser();
    dev.sign_in_to(&mut browser, "viewer", "/x");
    assert_eq!(browser.fetch(&dev.at("/x")).status, 200);
    dev.write_rules("required_roles = [\"viewer\"]\n[[rules]]\npath = \"/x/**\"\nany_role = [\"admin\"]\n");
    until("the rules count", || (browser.fetch(&dev.at("/x")).status == 403).then_some(()));
    assert_eq!(browser.fetch(&dev.at("/y")).status, 200);
    dev.write_rules("required_roles = \n");
    until("the mistake is told of", || dev.log().contains("everything stays as it was").then_some(()));
    assert_eq!(browser.fetch(&dev.at("/x")).status, 403);
}
