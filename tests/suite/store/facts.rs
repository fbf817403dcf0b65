//! What holds at every store.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rolegate::session::store::engine::Engine;

use super::{at, later, now, patient, run};
use crate::support::PATIENCE;
use crate::support::store::Server;

const LONG: Duration = Duration::from_secs(600);

/// All of them, at an empty store.
pub fn hold(engine: &Engine) {
    run(async {
        values(engine).await;
        an_end(engine).await;
        locks(engine).await;
        notes(engine).await;
        past_notes(engine).await;
        many_people(engine).await;
        log(engine).await;
        long_log(engine).await;
    });
}

#[test]
fn a_single_server_keeps_every_fact() {
    let server = Server::start();
    hold(&patient(&at(&server.url())));
}

#[test]
fn another_database_and_prefix_keep_to_themselves() {
    let server = Server::start();
    let one = patient(&at(&server.url()));
    let two = patient(&format!("{}store_prefix = \"other/\"", at(&server.url())));
    let three = patient(&at(&format!("{}/3", server.url())));
    run(async {
        for (at, engine) in [&one, &two, &three].into_iter().enumerate() {
            let value = [u8::try_from(at).unwrap()];
            engine.create("n", 1, &value, later()).await.unwrap();
            engine.note("p", "s", &value, later()).await.unwrap();
            engine.log_add(1, &value).await.unwrap();
        }
        for (at, engine) in [&one, &two, &three].into_iter().enumerate() {
            let value = vec![u8::try_from(at).unwrap()];
            assert_eq!(engine.load("n").await.unwrap(), Some(value.clone()));
            assert_eq!(engine.noted("p").await.unwrap(), [("s".to_owned(), value.clone())]);
            assert_eq!(engine.log_after(0, Duration::ZERO).await.unwrap(), [(1, value)]);
        }
    });
    assert_eq!(server.says(&["GET", "rolegate:s:{n}"]), "00000000000000000001\0");
    assert_eq!(server.says(&["EXISTS", "other/s:{n}", "other/p:{p}", "other/people", "other/log"]), "4");
}

async fn values(engine: &Engine) {
    let name = "v:{odd}*\u{e9}";
    let binary: Vec<u8> = (0..=255).cycle().take(5000).collect();
    assert_eq!(engine.load(name).await.unwrap(), None);
    assert!(!engine.replace(name, 1, b"x", later()).await.unwrap(), "nothing is there to be replaced");
    assert_eq!(engine.load(name).await.unwrap(), None);
    engine.create(name, 7, &binary, later()).await.unwrap();
    assert_eq!(engine.load(name).await.unwrap(), Some(binary));

    assert!(!engine.replace(name, 6, b"older", later()).await.unwrap());
    assert!(!engine.replace(name, 7, b"as old", later()).await.unwrap());
    assert!(engine.replace(name, 8, b"newer", later()).await.unwrap());
    assert!(engine.replace(name, 8, b"newer", later()).await.unwrap(), "the same call again");
    assert!(!engine.replace(name, 8, b"other", later()).await.unwrap());
    assert_eq!(engine.load(name).await.unwrap().as_deref(), Some(&b"newer"[..]));
    for generation in [9, 10, 1 << 53, (1 << 53) + 1, u64::MAX] {
        assert!(engine.replace(name, generation, b"", later()).await.unwrap(), "{generation}");
    }
    assert!(!engine.replace(name, (1 << 53) + 1, b"older", later()).await.unwrap());
    assert_eq!(engine.load(name).await.unwrap().as_deref(), Some(&b""[..]));

    engine.forget(name).await.unwrap();
    assert!(!engine.replace(name, u64::MAX, b"back", later()).await.unwrap(), "what is gone stays gone");
    assert_eq!(engine.load(name).await.unwrap(), None);
    engine.forget(name).await.unwrap();
}

async fn an_end(engine: &Engine) {
    engine.create("ends", 1, b"x", now() + 2).await.unwrap();
    engine.create("shortened", 1, b"x", later()).await.unwrap();
    engine.create("stays", 1, b"x", later()).await.unwrap();
    engine.create("past", 1, b"x", now() - 10).await.unwrap();
    assert!(engine.replace("shortened", 2, b"x", now() + 2).await.unwrap());
    for name in ["ends", "shortened", "past"] {
        within("a value's end comes", async || engine.load(name).await.unwrap().is_none()).await;
    }
    assert!(engine.load("stays").await.unwrap().is_some());
}

async fn locks(engine: &Engine) {
    let (one, two) = (&[1; 16], &[2; 16]);
    engine.create("l", 1, b"x", later()).await.unwrap();
    assert!(engine.lock("l", one, LONG).await.unwrap());
    assert!(engine.lock("l", one, LONG).await.unwrap(), "the same call again");
    assert!(!engine.lock("l", two, LONG).await.unwrap());
    assert!(!engine.extend("l", two, LONG).await.unwrap());
    assert!(engine.extend("l", one, LONG).await.unwrap());
    engine.unlock("l", two).await.unwrap();
    assert!(!engine.lock("l", two, LONG).await.unwrap(), "only the holder gives it back");
    engine.unlock("l", one).await.unwrap();
    assert!(!engine.extend("l", one, LONG).await.unwrap());
    assert!(engine.lock("l", two, Duration::from_millis(50)).await.unwrap());
    within("a lock ends by itself", async || engine.lock("l", one, LONG).await.unwrap()).await;
    assert!(engine.extend("l", one, Duration::ZERO).await.unwrap());
    within("it can be cut short", async || engine.lock("l", two, LONG).await.unwrap()).await;
    assert!(engine.load("l").await.unwrap().is_some(), "a lock is not the value");
    assert!(engine.lock("nothing", one, LONG).await.unwrap(), "nor needs one");
}

async fn notes(engine: &Engine) {
    let binary: Vec<u8> = (0..=255).collect();
    engine.note("ann", "s1", &binary, later()).await.unwrap();
    engine.note("ann", "s2", b"", later()).await.unwrap();
    engine.note("bob", "s3", b"three", later()).await.unwrap();
    engine.note("bob", "s3", b"3", later()).await.unwrap();
    assert_eq!(sessions(engine, "ann").await, ["s1", "s2"]);
    assert_eq!(engine.noted("bob").await.unwrap(), [("s3".to_owned(), b"3".to_vec())]);
    assert_eq!(engine.noted("eve").await.unwrap(), []);
    let all = engine.everyone_noted().await.unwrap();
    let all: BTreeSet<_> = all.iter().map(|it| (it.person.as_str(), it.session.as_str())).collect();
    assert_eq!(all, BTreeSet::from([("ann", "s1"), ("ann", "s2"), ("bob", "s3")]));
    let noted = engine.noted("ann").await.unwrap();
    assert!(noted.contains(&("s1".to_owned(), binary)) && noted.contains(&("s2".to_owned(), vec![])));

    engine.unnote("ann", "s1").await.unwrap();
    engine.unnote("ann", "s1").await.unwrap();
    engine.unnote("bob", "s3").await.unwrap();
    engine.unnote("eve", "s9").await.unwrap();
    let all = engine.everyone_noted().await.unwrap();
    assert_eq!(all.iter().map(|it| it.session.as_str()).collect::<Vec<_>>(), ["s2"]);
}

async fn past_notes(engine: &Engine) {
    engine.note("cyd", "long", b"", later()).await.unwrap();
    engine.note("cyd", "short", b"", now() + 1).await.unwrap();
    engine.note("cyd", "past", b"", now() - 10).await.unwrap();
    engine.note("dan", "short", b"", now() + 1).await.unwrap();
    within("a past note goes", async || sessions(engine, "cyd").await == ["long"]).await;
    within("and a person without any", async || {
        let all = engine.everyone_noted().await.unwrap();
        all.iter().all(|it| it.person != "dan")
    })
    .await;
    // Enough to be looked at by chance: the past ones of one who signs in all day do not pile up.
    for at in 0..100 {
        engine.note("max", &format!("past-{at}"), b"", now() - 10).await.unwrap();
    }
    engine.note("max", "now", b"", later()).await.unwrap();
    assert_eq!(sessions(engine, "max").await, ["now"]);
    for person in ["ann", "bob", "cyd", "max"] {
        for session in sessions(engine, person).await {
            engine.unnote(person, &session).await.unwrap();
        }
    }
    assert_eq!(engine.everyone_noted().await.unwrap(), []);
}

async fn many_people(engine: &Engine) {
    for at in 0..450 {
        engine.note(&format!("person-{at}"), "s", b"d", later()).await.unwrap();
    }
    let all = engine.everyone_noted().await.unwrap();
    let people: BTreeSet<_> = all.iter().map(|it| &it.person).collect();
    assert_eq!((all.len(), people.len()), (450, 450), "each once, over several steps");
}

async fn log(engine: &Engine) {
    const BIG: u64 = (1 << 53) + 1;
    let none = Duration::ZERO;
    assert_eq!(engine.log_last().await.unwrap(), 0);
    assert_eq!(engine.log_after(0, Duration::from_millis(20)).await.unwrap(), []);
    assert!(!engine.log_add(0, b"before the first").await.unwrap());
    assert!(engine.log_add(9, b"nine").await.unwrap());
    assert!(engine.log_add(9, b"nine").await.unwrap(), "the same call again");
    assert!(!engine.log_add(9, b"other").await.unwrap());
    assert!(!engine.log_add(8, b"older").await.unwrap());
    assert!(engine.log_add(10, b"\0\xff").await.unwrap(), "numbers are no words: 10 comes after 9");
    assert_eq!(engine.log_last().await.unwrap(), 10);
    let after = engine.log_after(0, none).await.unwrap();
    assert_eq!(after, [(9, b"nine".to_vec()), (10, b"\0\xff".to_vec())]);
    assert_eq!(engine.log_after(9, none).await.unwrap(), [(10, b"\0\xff".to_vec())]);
    assert_eq!(engine.log_after(10, none).await.unwrap(), []);
    assert_eq!(engine.log_next(0).await.unwrap(), Some((9, b"nine".to_vec())));
    assert_eq!(engine.log_next(9).await.unwrap(), Some((10, b"\0\xff".to_vec())));
    assert_eq!(engine.log_next(10).await.unwrap(), None);

    engine.log_trim(10).await.unwrap();
    assert_eq!(engine.log_after(0, none).await.unwrap().first().unwrap().0, 10);
    engine.log_trim(11).await.unwrap();
    assert_eq!(engine.log_after(0, none).await.unwrap(), []);
    assert_eq!(engine.log_last().await.unwrap(), 10, "a number that was given is not given again");
    assert!(!engine.log_add(10, b"\0\xff").await.unwrap());

    // Whoever waits is told, and holds up nobody meanwhile.
    let (told, ()) = tokio::join!(engine.log_after(10, PATIENCE), async {
        for _ in 0..20 {
            engine.load("nothing").await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(engine.log_add(11, b"news").await.unwrap());
    });
    assert_eq!(told.unwrap(), [(11, b"news".to_vec())]);

    assert!(engine.log_add(BIG, b"").await.unwrap());
    assert!(!engine.log_add(BIG - 1, b"").await.unwrap());
    assert!(engine.log_add(BIG + 1, b"").await.unwrap());
    assert_eq!(engine.log_last().await.unwrap(), BIG + 1);
    assert_eq!(engine.log_after(BIG, none).await.unwrap(), [(BIG + 1, vec![])]);
}

async fn long_log(engine: &Engine) {
    let first = engine.log_last().await.unwrap();
    for at in 1..=1005 {
        assert!(engine.log_add(first + at, b"x").await.unwrap());
    }
    let some = engine.log_after(first, PATIENCE).await.unwrap();
    let rest = engine.log_after(first + 1000, PATIENCE).await.unwrap();
    assert_eq!((some.len(), rest.len()), (1000, 5));
    let numbers: Vec<_> = some.iter().chain(&rest).map(|(number, _)| number - first).collect();
    assert_eq!(numbers, (1..=1005).collect::<Vec<_>>());
}

async fn sessions(engine: &Engine, person: &str) -> Vec<String> {
    let mut sessions: Vec<_> = engine.noted(person).await.unwrap().into_iter().map(|it| it.0).collect();
    sessions.sort();
    sessions
}

async fn within(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
