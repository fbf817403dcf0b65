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
    let users = "users     admin, editor, viewer, guest (password = name)\n";
    assert!(dev.log().contains(users), "who can sign in: {}", dev.log());
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
    assert_eq!(said_until_the_end(&mut dev), "", "nothing but the one line");
    assert!(begun.elapsed() < PROMPT, "after {:?}", begun.elapsed());
}

/// Ends it as Ctrl-C does; what standard output had beside the line that says it is ready.
fn said_until_the_end(dev: &mut Dev) -> String {
    let sent = Command::new("kill").args(["-INT", &dev.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = until("dev ends", || dev.child.try_wait().unwrap());
    assert!(ended.success(), "{ended:?}");
    let mut rest = String::new();
    dev.stdout.read_to_string(&mut rest).unwrap();
    rest
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

    assert!(dev.log().contains("users     mia, otto\n"), "{}", dev.log());
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
    let mut dev = Dev::of("", "required_roles = [\"viewer\"]\n", &upstream);
    let mut browser = dev.browser();
    dev.sign_in_to(&mut browser, "viewer", "/x");
    assert_eq!(browser.fetch(&dev.at("/x")).status, 200);
    dev.write_rules("required_roles = [\"viewer\"]\n[[rules]]\npath = \"/x/**\"\nany_role = [\"admin\"]\n");
    until("the rules count", || (browser.fetch(&dev.at("/x")).status == 403).then_some(()));
    assert_eq!(browser.fetch(&dev.at("/y")).status, 200);
    dev.write_rules("required_roles = \n");
    dev.told(&["everything stays as it was"]);
    assert_eq!(browser.fetch(&dev.at("/x")).status, 403);
    let log = dev.log();
    assert!(!log.lines().any(|line| line.starts_with('{')), "for a terminal: {log}");
    assert_eq!(said_until_the_end(&mut dev), "", "and without records");
}

#[test]
fn what_a_file_says_of_its_log_counts_in_dev_as_well() {
    let upstream = Recorder::start();
    let rules = "required_roles = [\"viewer\"]\n[log]\nformat = \"json\"\naccess = true\n";
    let mut dev = Dev::of("", rules, &upstream);
    assert_eq!(dev.browser().fetch(&dev.at("/x")).status, 401);
    until("a line for programs", || dev.log().lines().any(|line| line.starts_with('{')).then_some(()));
    let said = said_until_the_end(&mut dev);
    assert!(said.contains("\"kind\":\"access\"") && !said.contains("\"kind\":\"audit\""), "{said}");
}
