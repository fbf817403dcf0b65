//! Section N, OPS-17: a machine that lacks what everything rests on.

use std::process::Command;

use crate::corpus::{Case, case};
use crate::support::pool::FakePool;
use crate::support::upstream::Recorder;
use crate::support::world::Setup;

pub fn cases() -> Vec<Case> {
    vec![case(&["OPS-17"], |_| a_gate_does_not_start_where_nothing_it_says_could_be_right())]
}

fn a_gate_does_not_start_where_nothing_it_says_could_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let preload = folder.path().join("preload.so");
    // Rust itself needs a C compiler here to link, and the gate's cryptography to be built.
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&preload)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/machine/preload.c"))
        .output()
        .expect("this test needs a C compiler as cc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let on_a_machine_where = |name: &str, value: &str| {
        let mut setup = Setup::bench().unready();
        setup.environment.insert("LD_PRELOAD".into(), preload.to_str().unwrap().into());
        setup.environment.insert(name.into(), value.into());
        setup.try_start_with(&pool, &upstream)
    };
    for (name, value, reason) in [
        ("CLOCK_SAYS", "7", "the clock says 1970-01-01T00:00:07Z"),
        ("CLOCK_SAYS", "1546300800", "the clock says 2019-01-01T00:00:00Z"),
        ("NO_ENTROPY", "1", "the system gives no randomness"),
    ] {
        let Err(refused) = on_a_machine_where(name, value) else { panic!("{name}={value}: it serves") };
        assert_eq!(refused.code, Some(1), "{name}={value}: {refused:?}");
        assert!(refused.stderr.contains(reason), "{name}={value}: {refused:?}");
        assert!(!refused.stderr.contains("panicked"), "{name}={value}: {refused:?}");
    }
    // And where only what is put before it is put before it, it does start.
    assert!(on_a_machine_where("CLOCK_SAYS", "1795219200").is_ok());
    assert!(on_a_machine_where("NOTHING", "1").is_ok());
}
