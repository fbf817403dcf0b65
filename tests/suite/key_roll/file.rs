//! The file that holds the keys: every way in which it changes, and what is left alone when it is no good.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn the_swap_of_a_link_above_the_file_is_taken_as_kubernetes_does_it() {
    let (a, b) = (random(32), random(32));
    let mut setup = Setup::bench().keys(&a);
    setup.files = vec![("..one/session-keys".into(), format!("{a}\n").into_bytes())];
    let world = setup.start();
    let at = |name: &str| world.gate.folder().join(name);
    // As a projected volume lies there: name → ..data/name, ..data → a folder with a time for its name.
    symlink("..one", at("..data")).unwrap();
    symlink("..data/session-keys", at("session-keys.link")).unwrap();
    std::fs::rename(at("session-keys.link"), keys_file(&world)).unwrap();
    let mut browser = world.signed_in("user");
    for (round, keys) in [format!("{b}\n{a}"), b.clone()].into_iter().enumerate() {
        let folder = at(&format!("..next{round}"));
        std::fs::create_dir(&folder).unwrap();
        write(&folder.join("session-keys"), &keys);
        let from = world.gate.stderr().count();
        let before = std::fs::read_link(at("..data")).unwrap();
        symlink(folder.file_name().unwrap(), at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        std::fs::remove_dir_all(at(before.to_str().unwrap())).unwrap();
        taken(&world.gate, from);
        assert_eq!(browser.fetch("/x").status, 200, "round {round}");
    }
}

#[test]
fn a_file_that_is_written_in_place_is_taken() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().keys(&a).start();
    let mut browser = world.signed_in("user");
    let old = browser.clone();
    let from = world.gate.stderr().count();
    write(&keys_file(&world), &format!("{b}\n{a}"));
    taken(&world.gate, from);
    assert_eq!(browser.fetch("/x").status, 200);
    assert_ne!(sealed_by(&browser.jar, PASS), sealed_by(&old.jar, PASS));
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_keys_as_they_were_and_is_told_of_once() {
    const REFUSED: &str = "the new configuration cannot be used; everything stays as it was";
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().keys(&a).start();
    world.keep_secret([b.clone()]);
    let file = keys_file(&world);
    let mut browser = world.signed_in("user");
    let bad = [
        ("cannot read", None),
        ("is empty", Some(String::new())),
        ("line 1: a placeholder", Some("changeme".into())),
        ("line 2: 5 bytes, too short", Some(format!("{b}\nc2hvcnQ="))),
        ("the client secret", Some(crate::support::pool::CLIENT_SECRET.to_owned())),
    ];
    for (reason, text) in &bad {
        let from = world.gate.stderr().count();
        match text {
            None => std::fs::remove_file(&file).unwrap(),
            Some(text) => write(&file, text),
        }
        let line = said(&world.gate, from, REFUSED);
        assert!(line.contains(reason) && line.contains("session.keys_file"), "{line}");
        let answer = browser.fetch("/x");
        assert_eq!((answer.status, set(&answer)), (200, vec![]), "{reason}: {answer:#?}");
    }
    // Long enough for several looks: it is told of when it changes, and not each time that it is looked at.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(world.gate.stderr().all().matches(REFUSED).count(), bad.len());
    assert_eq!(count(&world, "refused"), bad.len());
    // As it was, and then as it should be.
    let from = world.gate.stderr().count();
    write(&file, &a);
    said(&world.gate, from, "the configuration and the files that it names are as they were");
    assert_eq!(count(&world, "taken"), 0);
    let from = world.gate.stderr().count();
    write(&file, &format!("{b}\n{a}"));
    taken(&world.gate, from);
    patiently("the count", || count(&world, "taken") == 1);
    assert_eq!(set(&browser.fetch("/x")), [PASS, TICKET]);
    world.no_secret_in("the log", &world.gate.stderr().all());
}

#[test]
fn a_hang_up_has_the_keys_read_again_and_ends_nothing() {
    const REFUSED: &str = "the new configuration cannot be used; everything stays as it was";
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().keys(&a).start();
    let mut browser = world.signed_in("user");
    let from = world.gate.stderr().count();
    world.gate.signal("HUP");
    said(&world.gate, from, "the configuration and the files that it names are as they were");
    // Nothing changes between these two: only who asks is told a second time.
    let from = world.gate.stderr().count();
    write(&keys_file(&world), "changeme");
    said(&world.gate, from, REFUSED);
    let from = world.gate.stderr().count();
    world.gate.signal("HUP");
    said(&world.gate, from, REFUSED);
    let from = world.gate.stderr().count();
    write(&keys_file(&world), &format!("{b}\n{a}"));
    world.gate.signal("HUP");
    taken(&world.gate, from);
    assert_eq!(set(&browser.fetch("/x")), [PASS, TICKET]);
    world.gate.signal("TERM");
    let World { gate, .. } = world;
    let (status, log) = gate.wait();
    assert!(status.success(), "{log}");
}

/// How many changes of the file ended so, by the metrics.
fn count(world: &World, outcome: &str) -> usize {
    let text = world.gate.admin("/metrics").text();
    let name = format!("rolegate_reloads_total{{what=\"session_keys\",outcome=\"{outcome}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}
