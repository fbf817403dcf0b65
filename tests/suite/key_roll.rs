//! Session keys that roll: nobody is signed out by it, whatever way the file changes and in whichever order the
//! replicas see it, and a key that is gone opens nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cookies::{PASS, TICKET};
use crate::support::browser::{Browser, Jar};
use crate::support::gate::Gate;
use crate::support::pool::{Endpoint, User};
use crate::support::token::random;
use crate::support::upstream::Recorder;
use crate::support::wire::Answer;
use crate::support::world::{Setup, World};

mod file;
mod replicas;
mod reseal;

const TOKEN: &str = "__Host-rolegate-token";

/// A change of the file is taken within some seconds; a loaded machine may need longer.
const TAKEN: Duration = Duration::from_secs(30);

#[test]
fn a_key_rolls_under_a_constant_stream_and_nobody_notices() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().keys(&a).start();
    world.keep_secret([b.clone()]);
    let browsers: Vec<Browser> = (0..4).map(|_| world.signed_in("user")).collect();
    let stop = AtomicBool::new(false);
    let answered: Vec<AtomicUsize> = browsers.iter().map(|_| AtomicUsize::new(0)).collect();
    // Until each browser has had two answers more: one may have been under way already.
    let each_was_answered = || {
        let before: Vec<usize> = answered.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        for (count, before) in answered.iter().zip(before) {
            patiently("a browser is answered", || count.load(Ordering::SeqCst) >= before + 2);
        }
    };
    let browsers: Vec<Browser> = std::thread::scope(|scope| {
        let streams: Vec<_> = browsers
            .into_iter()
            .zip(&answered)
            .map(|(mut browser, count)| {
                let stop = &stop;
                scope.spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let answer = browser.fetch("/x");
                        assert_eq!(answer.status, 200, "{answer:#?}");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    browser
                })
            })
            .collect();
        let roll = || {
            each_was_answered();
            for keys in [format!("{a}\n{b}"), format!("{b}\n{a}"), b.clone()] {
                roll(&world.gate, &keys);
                each_was_answered();
            }
        };
        // Whatever fails, the streams end.
        let rolled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(roll));
        stop.store(true, Ordering::SeqCst);
        rolled.unwrap();
        streams.into_iter().map(|stream| stream.join().unwrap()).collect()
    });
    let fresh = world.signed_in("user");
    for browser in &browsers {
        assert_eq!(sealed_by(&browser.jar, PASS), sealed_by(&fresh.jar, PASS));
        assert_eq!(sealed_by(&browser.jar, TICKET), sealed_by(&fresh.jar, PASS));
    }
    assert_eq!(world.pool.count(Endpoint::Authorize), 5, "nobody was sent to the pool but to sign in");
    assert_eq!(world.pool.grants("refresh_token"), 0, "sealing anew asks nobody");
    world.no_secret_in("the log", &world.gate.stderr().all());
}

#[test]
fn a_key_that_is_gone_opens_nothing_and_deletes_nothing() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().keys(&a).start();
    let old = world.signed_in("user");
    let mut stays_away = old.clone();
    let mut comes_by = old.clone();
    roll(&world.gate, &format!("{b}\n{a}"));
    assert_eq!(comes_by.fetch("/x").status, 200);
    roll(&world.gate, &b);
    assert_eq!(comes_by.fetch("/x").status, 200, "what was sealed anew counts");
    let answer = stays_away.fetch("/x");
    assert_eq!((answer.status, set(&answer)), (401, vec![]), "{answer:#?}");
    let page = stays_away.open("/x");
    assert_eq!(page.status, 302, "{page:#?}");
    for name in [PASS, TICKET] {
        assert_eq!(stays_away.jar.get(name), old.jar.get(name), "a sibling may know it still");
    }
}

#[test]
fn a_login_and_a_sign_out_that_began_under_the_old_key_end_under_the_new_ring() {
    let (a, b) = (random(32), random(32));
    let world = Setup::bench().keys(&a).start();
    let mut signing_in = world.browser();
    let callback = signing_in.callback_for("user", "/deep?x=1");
    let mut switching = world.signed_in("admin");
    let answer = switching.open("/oauth2/signout?switch=1&rd=/after");
    assert_eq!(answer.status, 302, "{answer:#?}");
    assert!(switching.jar.get("__Host-rolegate-login-return").is_some(), "{:#?}", switching.jar.all());

    roll(&world.gate, &format!("{b}\n{a}"));
    let answer = signing_in.open(callback.as_str());
    assert_eq!((answer.status, answer.location()), (302, "https://app.test/deep?x=1"), "{answer:#?}");
    assert_eq!(signing_in.fetch("/x").status, 200);
    // The landing page goes straight to a new login, which ends where the old one's owner wanted to.
    switching.signs_in_as = Some("user".into());
    let page = switching.follow("/oauth2/signout", |next| next.path() == "/after");
    assert_eq!(page.answer.location(), "https://app.test/after", "{page:#?}");
    assert!(switching.jar.get(PASS).is_some());
}

/// Writes the keys' file anew, under another name first, has it read at once, and waits until the gate has taken it.
pub fn roll(gate: &Gate, keys: &str) {
    let from = gate.stderr().count();
    let (file, next) = (gate.folder().join("session-keys"), gate.folder().join("session-keys.next"));
    write(&next, keys);
    std::fs::rename(next, file).unwrap();
    gate.signal("HUP");
    taken(gate, from);
}

/// Waits until the gate says, after line `from` of its log, that it took new keys.
fn taken(gate: &Gate, from: usize) {
    said(gate, from, "session keys taken");
}

/// Waits for a line of the log.
fn said(gate: &Gate, from: usize, what: &str) -> String {
    let line = gate.stderr().wait_within(TAKEN, from, |line| line.contains(what).then(|| line.to_owned()));
    line.unwrap_or_else(|| panic!("the gate did not say {what:?}; it said\n{}", gate.stderr().all()))
}

fn write(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn keys_file(world: &World) -> PathBuf {
    world.gate.folder().join("session-keys")
}

fn patiently(what: &str, mut ready: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + TAKEN;
    while !ready() {
        assert!(std::time::Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The key that a cookie says it is sealed by; of one in parts the first part says it.
pub fn sealed_by(jar: &Jar, name: &str) -> Vec<u8> {
    let cookie = jar.get(name).or_else(|| jar.get(&format!("{name}.0")));
    let cookie = cookie.unwrap_or_else(|| panic!("no {name} in {:#?}", jar.all()));
    URL_SAFE_NO_PAD.decode(&cookie.value[..8]).unwrap()[2..].to_vec()
}

/// The names of the cookies that an answer sets.
fn set(answer: &Answer) -> Vec<&str> {
    let lines = answer.head.all("set-cookie");
    lines.into_iter().map(|line| line.split('=').next().unwrap_or_default()).collect()
}

/// A replica: the same pool, with these keys.
fn replica(world: &World, keys: &str) -> World {
    world.setup().clone().keys(keys).start_with(world.pool.clone(), Recorder::start())
}

/// A browser with these cookies at this gate.
fn with_jar(world: &World, jar: Jar) -> Browser {
    let mut browser = world.browser();
    browser.jar = jar;
    browser
}

/// Somebody whose session takes several cookies.
fn large(world: &World) -> Browser {
    let mut roles: Vec<String> = (0..180).map(|n| format!("group-{n:03}-{}", "x".repeat(24))).collect();
    roles.push("user".into());
    let names: Vec<&str> = roles.iter().map(String::as_str).collect();
    world.pool.user(User::new("large", &names));
    world.signed_in("large")
}
