//! The attack corpus: which case this suite runs, which it does not and why, and that none is forgotten.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use crate::support::world::World;
use crate::{
    bearer, concurrency, configuration, connections, cookies, crowded, drain, floods, forwarded, framing,
    gateways, headers, http2, keys, login, logout, machine, operation, paths, proxy_protocol, rate,
    redirects, reload, streams, tokens,
};

/// A case or a few that are one: its ids, and what holds the gate to them.
pub struct Case {
    /// As in the corpus.
    pub ids: &'static [&'static str],
    /// Panics if the gate is not as the corpus wants it.
    pub run: Box<dyn Fn(&World) + Send>,
}

/// Cases that share a bench.
pub struct Section {
    /// The corpus' letter, and letters for what needs a bench of its own.
    pub name: &'static str,
    /// Makes the bench.
    pub bench: fn() -> World,
    /// Its cases, run one after another.
    pub cases: fn() -> Vec<Case>,
}

/// What is run. Sections run side by side.
const SECTIONS: &[Section] = &[
    Section { name: "A", bench: World::bench, cases: headers::cases },
    Section { name: "B", bench: paths::bench, cases: paths::cases },
    Section { name: "B, gateways", bench: World::bench, cases: gateways::cases },
    Section { name: "C", bench: redirects::bench, cases: redirects::cases },
    Section { name: "D", bench: World::bench, cases: framing::cases },
    Section { name: "E", bench: http2::bench, cases: http2::cases },
    Section { name: "F", bench: World::bench, cases: streams::cases },
    Section { name: "G", bench: World::bench, cases: cookies::cases },
    Section { name: "H", bench: World::bench, cases: login::cases },
    Section { name: "I", bench: bearer::either, cases: tokens::cases },
    Section { name: "J", bench: World::bench, cases: keys::cases },
    Section { name: "K", bench: World::bench, cases: logout::cases },
    Section { name: "L", bench: rate::bench, cases: rate::cases },
    Section { name: "L, connections", bench: World::bench, cases: connections::cases },
    Section { name: "L, the upstream", bench: crowded::bench, cases: crowded::cases },
    Section { name: "L, floods", bench: World::bench, cases: floods::cases },
    Section { name: "M", bench: World::bench, cases: forwarded::cases },
    Section { name: "N", bench: World::bench, cases: reload::cases },
    Section { name: "N", bench: World::bench, cases: configuration::cases },
    Section { name: "N", bench: World::bench, cases: machine::cases },
    Section { name: "M, PROXY protocol", bench: proxy_protocol::bench, cases: proxy_protocol::cases },
    Section { name: "N", bench: World::bench, cases: operation::edge::cases },
    Section { name: "N, a stop", bench: World::bench, cases: drain::cases },
    Section { name: "O", bench: World::bench, cases: concurrency::cases },
];

/// No case takes longer, whatever else the machine does: one takes half a minute by itself, byte by byte.
const LONGEST_CASE: Duration = Duration::from_secs(300);

/// How many sections run side by side.
const SIDE_BY_SIDE: usize = 3;

/// A case whose check is `run`.
pub fn case(ids: &'static [&'static str], run: impl Fn(&World) + Send + 'static) -> Case {
    Case { ids, run: Box::new(run) }
}

/// What `tests/cases.toml` says of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Run,
    Property(String),
    NotHere(String),
}

#[test]
fn every_case_of_the_corpus_that_is_to_be_run_is_run_and_holds() {
    let only = std::env::var("CORPUS").unwrap_or_default();
    let wanted = |id: &str| only.split(',').any(|beginning| id.starts_with(beginning));
    let states = states();

    let outcome = run_sections(&wanted);
    let mut failures = outcome.failures;
    for (id, state) in &states {
        match (state, outcome.ran.contains(id.as_str())) {
            (State::Run, false) if wanted(id) && !failures.iter().any(|f| f.starts_with(id.as_str())) => {
                failures.push(format!("{id}: is to be run and was not"));
            }
            (State::NotHere(_), true) => {
                failures.push(format!("{id}: was run, but tests/cases.toml says {state:?}"));
            }
            _ => {}
        }
    }
    for id in &outcome.ran {
        if !states.contains_key(*id) {
            failures.push(format!("{id}: was run and is not in tests/cases.toml"));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n\n{}\n", failures.len(), failures.join("\n\n"));
}

#[test]
fn every_id_of_the_corpus_has_exactly_one_state() {
    let states = states();
    let ids = ids();
    assert!(ids.len() > 300, "the corpus has been read: {}", ids.len());
    let missing: Vec<_> = ids.iter().filter(|id| !states.contains_key(**id)).collect();
    let unknown: Vec<_> = states.keys().filter(|id| !ids.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "not in tests/cases.toml: {missing:?}");
    assert!(unknown.is_empty(), "in tests/cases.toml and not in the corpus: {unknown:?}");
}

#[test]
fn a_property_that_stands_for_a_case_is_a_test_of_this_repository() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    let mut folders = vec![root.join("tests"), root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                source += &std::fs::read_to_string(entry).unwrap();
            }
        }
    }
    for (id, state) in states() {
        if let State::Property(test) = state {
            assert!(source.contains(&format!("fn {test}(")), "{id}: there is no test {test}");
        }
    }
}

struct Outcome {
    ran: BTreeSet<&'static str>,
    failures: Vec<String>,
}

fn run_sections(wanted: &(dyn Fn(&str) -> bool + Sync)) -> Outcome {
    remember_panics();
    let waiting = Mutex::new(SECTIONS.iter().rev().collect::<Vec<_>>());
    let outcome = Mutex::new(Outcome { ran: BTreeSet::new(), failures: Vec::new() });
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let section = waiting.lock().unwrap().pop();
                    let Some(section) = section else { return };
                    run_section(section, wanted, &outcome);
                }
            });
        }
    });
    outcome.into_inner().unwrap()
}

fn run_section(section: &Section, wanted: &(dyn Fn(&str) -> bool + Sync), outcome: &Mutex<Outcome>) {
    let fail = |what: String| outcome.lock().unwrap().failures.push(what);
    let cases = (section.cases)();
    let cases: Vec<_> = cases.iter().filter(|case| case.ids.iter().any(|id| wanted(id))).collect();
    if cases.is_empty() {
        return;
    }
    let bench = match caught(section.bench) {
        Ok(bench) => bench,
        Err(why) => return fail(format!("section {}: no bench: {why}", section.name)),
    };
    for case in cases {
        let begun = Instant::now();
        let result = caught(|| (case.run)(&bench));
        let took = begun.elapsed();
        outcome.lock().unwrap().ran.extend(case.ids);
        let name = case.ids.join(", ");
        if let Err(why) = result {
            fail(format!("{name}: {why}"));
        } else if took > LONGEST_CASE {
            fail(format!("{name}: took {took:?}"));
        }
        if std::env::var_os("CORPUS_TIMES").is_some() {
            eprintln!("{name}: {took:?}");
        }
        bench.upstream.behave_well();
        bench.pool.be_honest();
    }
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static CATCHING: RefCell<bool> = const { RefCell::new(false) };
}

/// What `run` gives, or what it panicked with and where.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    CATCHING.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    CATCHING.set(false);
    result.map_err(|panic: Box<dyn Any + Send>| {
        LAST_PANIC.take().unwrap_or_else(|| {
            panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic without words".into())
        })
    })
}

/// Keeps the words of a caught panic for the report at the end instead of printing them at once.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.try_with(|catching| *catching.borrow()).unwrap_or(false) {
                LAST_PANIC.set(Some(info.to_string()));
            } else {
                usual(info);
            }
        }));
    });
}

fn ids() -> BTreeSet<&'static str> {
    let corpus = include_str!("../fixtures/attacks.md");
    let cases = corpus.lines().filter_map(|line| line.split_once(" | ").map(|(id, _)| id));
    let is_id = |id: &&str| {
        id.split_once('-').is_some_and(|(group, number)| {
            group.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    cases.filter(is_id).collect()
}

fn states() -> BTreeMap<String, State> {
    let text = include_str!("../cases.toml");
    let document: toml_edit::DocumentMut = text.parse().expect("tests/cases.toml is TOML");
    let state = |id: &str, item: &toml_edit::Item| {
        if item.as_str() == Some("run") {
            return State::Run;
        }
        let table = item.as_inline_table().unwrap_or_else(|| panic!("{id}: neither \"run\" nor a table"));
        let mut pairs = table.iter().map(|(key, value)| (key, value.as_str().unwrap_or_default()));
        let (Some((key, value)), None) = (pairs.next(), pairs.next()) else {
            panic!("{id}: exactly one of property, not_here");
        };
        assert!(!value.trim().is_empty(), "{id}: {key} says nothing");
        match key {
            "property" => State::Property(value.to_owned()),
            "not_here" => State::NotHere(value.to_owned()),
            other => panic!("{id}: {other}?"),
        }
    };
    document.iter().map(|(id, item)| (id.to_owned(), state(id, item))).collect()
}
