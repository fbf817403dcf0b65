//! A configuration that changes while the gate runs: taken whole or not at all, and nobody notices but by what it says.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::corpus::{Case, case};
use crate::support::gate::Gate;
use crate::support::pool::CLIENT_SECRET;
use crate::support::wire::Wire;
use crate::support::world::{Setup, Who, World};

mod certificates;
mod load;
mod open;

const TAKEN: &str = "configuration taken";
const REFUSED: &str = "the new configuration cannot be used; everything stays as it was";
/// A change of a file is taken within some seconds; a loaded machine may need longer.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn cases() -> Vec<Case> {
    vec![
        case(&["OPS-06"], |_| a_file_that_cannot_be_used_leaves_everything_as_it_was()),
        case(&["OPS-07"], |_| a_rule_counts_from_the_next_request_on()),
    ]
}

#[test]
fn a_rule_counts_from_the_next_request_on() {
    let world = World::bench();
    let mut browser = world.signed_in("user");
    assert_eq!(browser.fetch("/ledger/x").status, 200);
    let mark = world.mark();
    let from = world.gate.stderr().count();
    // Nobody signals anything: the file is looked at.
    replace(&world.gate, |text| {
        format!("{text}\n[[rules]]\npath = \"/ledger/**\"\nany_role = [\"admin\"]\n")
    });
    said(&world.gate, from, TAKEN);
    assert_eq!(browser.fetch("/ledger/x").status, 403);
    assert!(world.seen_since(mark).is_empty());
    assert_eq!(browser.fetch("/x").status, 200, "the session is the same");
    reload(&world.gate, |text| text.replace("required_roles = [\"user\"]", "required_roles = [\"nobody\"]"));
    assert_eq!(browser.fetch("/x").status, 403);
    assert_eq!(count(&world.gate, "configuration", "taken"), 2);
    assert_eq!(count(&world.gate, "configuration", "refused"), 0);
}

#[test]
fn a_file_that_cannot_be_used_leaves_everything_as_it_was() {
    let world = World::bench();
    let mut browser = world.signed_in("user");
    let whole = std::fs::read_to_string(file(&world.gate)).unwrap();
    let half = &whole[..whole.len() / 2];
    let open = whole.replace("required_roles = [\"user\"]", "required_roles = \"signed-in\"");
    let bad = [
        ("half of a file", half.to_owned(), "rolegate.toml:"),
        ("a key that does not exist", format!("nonsense = 1\n{open}"), "rolegate.toml:1:1: nonsense"),
        ("a rule that asks for nothing", format!("{open}\n[[rules]]\npath = \"/y/**\"\n"), "rules"),
        ("an empty file", String::new(), "public_url"),
        ("a secret that is not there", open.replace("/client-secret", "/elsewhere"), "client_secret_file"),
    ];
    for (number, (what, text, reason)) in bad.iter().enumerate() {
        let from = world.gate.stderr().count();
        replace(&world.gate, |_| text.clone());
        let line = said(&world.gate, from, REFUSED);
        assert!(line.contains(reason), "{what}: {line}");
        assert_eq!(browser.fetch("/x").status, 200, "{what}");
        assert_eq!(world.attack(Who::Nobody, get("/x")).status(), 401, "{what}");
        let refused = ["configuration", "client_secret"].map(|what| count(&world.gate, what, "refused"));
        assert_eq!(refused.iter().sum::<usize>(), number + 1, "{what}");
    }
    // The file that was missing comes: that is a change as well, though nobody touches the configuration.
    let from = world.gate.stderr().count();
    std::fs::copy(world.gate.folder().join("client-secret"), world.gate.folder().join("elsewhere")).unwrap();
    said(&world.gate, from, TAKEN);
    let taken = std::fs::read_to_string(file(&world.gate)).unwrap();
    let from = world.gate.stderr().count();
    std::fs::remove_file(file(&world.gate)).unwrap();
    said(&world.gate, from, REFUSED);
    assert_eq!(browser.fetch("/x").status, 200, "without a file");
    assert!(world.gate.admin("/metrics").text().contains("rolegate_config_last_reload_successful 0\n"));
    // Who puts it back as it was has nothing wrong any more.
    let from = world.gate.stderr().count();
    std::fs::write(file(&world.gate), &taken).unwrap();
    said(&world.gate, from, "as they were");
    crate::support::until("nothing is wrong", || {
        let text = world.gate.admin("/metrics").text();
        text.contains("rolegate_config_last_reload_successful 1\n").then_some(())
    });
    world.no_secret_in("the log", &world.gate.stderr().all());
}

#[test]
fn kubernetes_swap_of_a_link_is_one_change() {
    use std::os::unix::fs::symlink;
    let world = World::bench();
    let at = |name: &str| world.gate.folder().join(name);
    let text = std::fs::read_to_string(file(&world.gate)).unwrap();
    // As a ConfigMap lies there: name → ..data/name, ..data → a folder with a time for its name.
    std::fs::create_dir(at("..one")).unwrap();
    std::fs::write(at("..one/rolegate.toml"), &text).unwrap();
    symlink("..one", at("..data")).unwrap();
    symlink("..data/rolegate.toml", at("link")).unwrap();
    std::fs::rename(at("link"), file(&world.gate)).unwrap();
    let mut browser = world.signed_in("user");
    std::fs::create_dir(at("..two")).unwrap();
    let next = format!("{text}\n[[rules]]\npath = \"/ledger/**\"\nany_role = [\"admin\"]\n");
    std::fs::write(at("..two/rolegate.toml"), next).unwrap();
    let from = world.gate.stderr().count();
    symlink("..two", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    std::fs::remove_dir_all(at("..one")).unwrap();
    said(&world.gate, from, TAKEN);
    assert_eq!(browser.fetch("/ledger/x").status, 403);
    assert_eq!(count(&world.gate, "configuration", "taken"), 1);
}

#[test]
fn what_only_a_restart_changes_is_named_and_nothing_else_of_it_counts() {
    let world = World::bench();
    let mut browser = world.signed_in("user");
    let mut changes = vec![
        ("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.2:0\"", "listen"),
        ("header_timeout = \"2s\"", "header_timeout = \"3s\"", "header_timeout"),
        (
            "user_pool_id",
            "additional_issuers = [\"https://other.test/pool\"]\nuser_pool_id",
            "additional_issuers",
        ),
        ("[session]", "[log]\nlevel = \"debug\"\n[session]", "log"),
        ("required_roles", "workers = 7\nrequired_roles", "workers"),
    ];
    let whole = std::fs::read_to_string(file(&world.gate)).unwrap();
    for (now, next, named) in changes.drain(..) {
        let from = world.gate.stderr().count();
        let text = whole.replacen(now, next, 1);
        assert_ne!(text, whole);
        replace(&world.gate, |_| text.replace("[\"user\"]", "[\"nobody\"]"));
        world.gate.signal("HUP");
        let line = said(&world.gate, from, REFUSED);
        assert!(line.contains("only a restart changes this") && line.contains(named), "{named}: {line}");
        assert_eq!(browser.fetch("/x").status, 200, "{named}");
    }
    let from = world.gate.stderr().count();
    replace(&world.gate, |_| whole.clone());
    world.gate.signal("HUP");
    said(&world.gate, from, "as they were");
    assert_eq!(count(&world.gate, "configuration", "taken"), 0);
}

#[test]
fn a_client_secret_is_rotated_without_a_restart() {
    const NEXT: &str = "bmV4dC1zZWNyZXQtb2YtdGhlLWFwcC1jbGllbnQtMDAy";
    let world = World::bench();
    world.keep_secret([NEXT.to_owned()]);
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/deep");
    let from = world.gate.stderr().count();
    std::fs::write(world.gate.folder().join("client-secret"), NEXT).unwrap();
    said(&world.gate, from, TAKEN);
    world.pool.set_client_secrets(&[NEXT]);
    // The login that began before ends after, with the new secret.
    let answer = browser.open(callback.as_str());
    assert_eq!((answer.status, answer.location()), (302, "https://app.test/deep"), "{answer:#?}");
    let again = browser.open(callback.as_str());
    assert_ne!(again.location(), "https://app.test/deep", "what was used up stays used up");
    assert_eq!(world.signed_in("admin").fetch("/admin/x").status, 200);
    assert_eq!(count(&world.gate, "client_secret", "taken"), 1);
    let log = world.gate.stderr().all();
    world.no_secret_in("the log", &log);
    assert!(!log.contains(CLIENT_SECRET));
}

#[test]
fn variables_and_flags_win_over_the_file_after_a_reload_as_well() {
    let mut setup = Setup::bench();
    setup.environment.insert("ROLEGATE_REQUIRED_ROLES".into(), "admin".into());
    let world = setup.start();
    let mut browser = world.signed_in("admin");
    let mut user = world.signed_in("user");
    reload(&world.gate, |text| text.replace("[\"user\"]", "\"signed-in\""));
    assert_eq!((browser.fetch("/x").status, user.fetch("/x").status), (200, 403));
}

/// Puts another text in the place of the configuration's file, at once.
fn replace(gate: &Gate, change: impl FnOnce(&str) -> String) {
    let text = std::fs::read_to_string(file(gate)).unwrap();
    let next = gate.folder().join("next.toml");
    std::fs::write(&next, change(&text)).unwrap();
    std::fs::rename(next, file(gate)).unwrap();
}

/// The same, and the gate has taken it.
pub fn reload(gate: &Gate, change: impl FnOnce(&str) -> String) {
    let from = gate.stderr().count();
    replace(gate, change);
    gate.signal("HUP");
    said(gate, from, TAKEN);
}

/// Waits for a line of the log, after line `from`.
fn said(gate: &Gate, from: usize, what: &str) -> String {
    let line = gate.stderr().wait_within(PATIENCE, from, |line| line.contains(what).then(|| line.to_owned()));
    line.unwrap_or_else(|| panic!("the gate did not say {what:?}; it said\n{}", gate.stderr().all()))
}

fn file(gate: &Gate) -> PathBuf {
    gate.folder().join("rolegate.toml")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n")
}

/// How many reloads ended so, by the metrics.
fn count(gate: &Gate, what: &str, outcome: &str) -> usize {
    let name = format!("rolegate_reloads_total{{what=\"{what}\",outcome=\"{outcome}\"}} ");
    let end = Instant::now() + PATIENCE;
    let text = gate.admin("/metrics").text();
    assert!(Instant::now() < end);
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// A connection on which one request after another is sent.
fn wire(gate: &Gate) -> Wire {
    Wire::connect(gate.public).patient_for(PATIENCE)
}
