//! The house is as `docs/architecture.md` draws it: its tables are read here and held against `src/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

mod source;

use source::{Source, Text, source, sources, texts};

/// A row of the table of floors. Rows lie below the rows that follow them.
#[derive(Debug, Clone)]
struct Floor {
    /// The row's name first. Each stands for itself and for what lies below it, unless another row names that.
    modules: Vec<String>,
    /// ★: time, randomness, files and sockets only as arguments.
    pure: bool,
    /// Names of the rows that it may import from.
    may: Vec<String>,
}

/// A row of the table of what few may touch.
#[derive(Debug, Clone)]
struct Preserve {
    /// Beginnings of paths.
    what: Vec<String>,
    /// `a` is that module alone, `a::*` with everything below it.
    who: Vec<String>,
}

/// Both tables.
#[derive(Debug, Clone)]
struct House {
    floors: Vec<Floor>,
    preserves: Vec<Preserve>,
}

/// What no ★ may name.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "hyper_util",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::ToSocketAddrs",
    "std::time::SystemTime",
    "std::time::Instant",
    "aws_lc_rs::rand",
    "tracing",
    "figment",
    "crate::clock",
];

#[test]
fn every_import_is_one_that_the_table_of_floors_allows() {
    let found = House::drawn().complaints(&sources(&texts(&root().join("src"))));
    assert!(found.is_empty(), "{} complaints:\n{}\n", found.len(), found.join("\n"));
}

/// Whoever reads one is to see the whole of it. Near 150 lines is what is aimed at.
#[test]
fn no_source_is_longer_than_four_hundred_lines() {
    let texts = texts(&root().join("src"));
    let long: Vec<_> =
        texts.iter().filter(|(_, text)| text.lines().count() > 400).map(|(module, _)| module).collect();
    assert!(long.is_empty(), "to be cut where they fall into parts: {long:?}");
}

#[test]
fn every_row_of_the_tables_is_used() {
    let house = House::drawn();
    let unused = house.unused(&sources(&texts(&root().join("src"))));
    assert!(unused.is_empty(), "in docs/architecture.md and no more in src/:\n{}\n", unused.join("\n"));
}

#[test]
fn the_design_of_the_house_stands() {
    let house = House::drawn();
    assert!(house.floors.len() > 25 && house.preserves.len() > 5, "the tables have been read");
    for pure in [
        "rule",
        "rule::path",
        "authorize",
        "ask",
        "forwarded",
        "refusal",
        "identity",
        "session",
        "reply",
        "config::settings",
        "login::attempt",
        "forward::headers",
        "provider::discovery",
        "tls::certificate",
        "listen::proxy_protocol",
    ] {
        assert!(house.floor(pure).pure, "{pure} is ★");
    }
    assert_eq!(house.floor("config::settings").may, ["tls::certificate", "tls::clients", "rule::path"]);
    assert!(house.floor("rule::path").may.is_empty() && house.floor("clock").may.is_empty());
    let below = [
        "body",
        "gather",
        "tls::certificate",
        "tls::client_certificate",
        "tls::clients",
        "listen::proxy_protocol",
        "listen::http2::frames",
        "tally",
    ];
    assert_eq!(house.floor("listen").may, below, "listen knows no gate");
    assert!(!house.floor("redirect").may.iter().any(|may| may.starts_with("forward")), "it has no upstream");
    assert_eq!(house.floor("devpool").may, ["body", "listen"], "the dev pool is an island");
    let to_the_island: Vec<_> =
        house.floors.iter().filter(|floor| floor.may.iter().any(|may| may == "devpool")).collect();
    assert_eq!(to_the_island.len(), 1);
    assert_eq!(to_the_island[0].modules, ["run"]);
}

#[test]
fn a_doctored_source_is_refused() {
    let house = House::drawn();
    let texts = texts(&root().join("src"));
    assert_eq!(house.complaints(&[doctored(&texts, "rule", "")]), Vec::<String>::new());
    for (module, line, complaint) in [
        ("rule", "use crate::session::Session;", "rule imports session"),
        ("rule", "use super::session::seal::Sealer;", "rule imports session"),
        ("rule::path", "fn x() { crate::gate::x() }", "rule::path imports gate"),
        ("authorize", "use crate::{ask, login::{Login, OwnPage}};", "authorize imports login"),
        ("listen::workers", "use crate::gate::Gate;", "listen imports gate"),
        ("gate", "use crate::devpool;", "gate imports devpool"),
        ("devpool::token", "use crate::session;", "devpool imports session"),
        ("config::walk", "use crate::identity::X_USER;", "config::settings imports identity"),
        ("login::attempt", "fn x() -> u64 { crate::clock::now() }", "login::attempt imports clock"),
        ("session::seal", "fn x() { std::time::SystemTime::now(); }", "std::time::SystemTime::now"),
        ("session::seal", "use std::time; fn x() { time::Instant::now(); }", "std::time::Instant::now"),
        ("identity::roles", "use tokio::sync::Mutex as M;", "tokio::sync::Mutex"),
        ("reply::words", "fn x() { let _ = std::fs::read(\"x\"); }", "std::fs::read"),
        ("session::cookie", "use aws_lc_rs::rand;", "aws_lc_rs::rand"),
        ("gate", "use http::StatusCode; fn x() { StatusCode::OK; }", "http::StatusCode::OK"),
        ("config::check", "use figment::Figment;", "figment::Figment"),
        ("login", "fn x() { std::time::SystemTime::now(); }", "std::time::SystemTime::now"),
        ("gate", "use crate::login::*;", "hides what it brings"),
        ("attic", "//! A module that nobody has drawn.", "attic stands in no row"),
        ("rule", "pub(in crate::rule) struct X(crate::session::Session);", "rule imports session"),
        ("main", "use rolegate::gate::Gate;", "main imports gate"),
    ] {
        let found = house.complaints(&[doctored(&texts, module, line)]);
        assert!(found.iter().any(|found| found.contains(complaint)), "{module}: {line}: {found:#?}");
    }
    for line in [
        "// use crate::session::Session;",
        "/* use crate::session; */",
        "const X: &str = \"use crate::session::Session; tokio::spawn\";",
        "const X: &str = r#\"a\" crate::session::seal\"#;",
        "pub(in crate::session) struct X { pub(in crate::gate) y: u8 }",
        "#[cfg(test)]\nmod tests { use crate::session; fn x() { if true { tokio::spawn(1) } } }",
        "fn x<'a>(_: &'a str) -> char { '\"' }",
    ] {
        assert_eq!(house.complaints(&[doctored(&texts, "rule", line)]), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn a_row_that_nothing_uses_is_found() {
    let mut house = House::drawn();
    house.floors.iter_mut().find(|floor| floor.modules[0] == "gate").unwrap().may.push("tls".into());
    let sources = sources(&texts(&root().join("src")));
    assert_eq!(house.unused(&sources), ["gate no longer imports tls"]);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// That module with one line more; a module of that line alone if there is none.
fn doctored(texts: &[Text], module: &str, line: &str) -> Source {
    let known = texts.iter().find(|(known, _)| known == module);
    let text = known.map(|(_, text)| text.as_str()).unwrap_or_default();
    let modules = texts.iter().map(|(module, _)| module.as_str()).collect();
    source(module, &format!("{text}\n{line}\n"), &modules)
}

// === impl House ===

impl House {
    /// As docs/architecture.md has it.
    fn drawn() -> Self {
        let text = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
        let floors = table(&text, "## The floors");
        let preserves = table(&text, "## What few may touch");
        let floor = |row: &Vec<String>| Floor {
            modules: in_ticks(&row[0]),
            pure: row[0].contains('★'),
            may: in_ticks(&row[2]),
        };
        let preserve = |row: &Vec<String>| Preserve { what: in_ticks(&row[0]), who: in_ticks(&row[1]) };
        Self {
            floors: floors.iter().map(floor).collect(),
            preserves: preserves.iter().map(preserve).collect(),
        }
    }

    fn floor(&self, name: &str) -> &Floor {
        self.floors.iter().find(|floor| floor.modules[0] == name).unwrap_or_else(|| panic!("no row {name}"))
    }

    /// The row that a path of ours belongs to: the longest module that it begins with.
    fn row_of(&self, path: &str) -> Option<usize> {
        let fits = |module: &str| path == module || path.starts_with(&format!("{module}::"));
        let rows = self.floors.iter().enumerate();
        let named = rows.flat_map(|(row, floor)| floor.modules.iter().map(move |module| (row, module)));
        named.filter(|(_, module)| fits(module)).max_by_key(|(_, module)| module.len()).map(|(row, _)| row)
    }

    fn name(&self, row: usize) -> &str {
        &self.floors[row].modules[0]
    }

    /// Whatever in these sources is not as drawn.
    fn complaints(&self, sources: &[Source]) -> Vec<String> {
        let mut found = self.own_faults();
        for source in sources {
            if source.module.is_empty() {
                continue;
            }
            let Some(row) = self.row_of(&source.module) else {
                found.push(format!("{} stands in no row", source.module));
                continue;
            };
            for path in &source.paths {
                found.extend(self.complaint(source, row, path));
            }
        }
        found.sort();
        found.dedup();
        found
    }

    fn complaint(&self, source: &Source, row: usize, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        let Source { module, .. } = source;
        let floor = &self.floors[row];
        if let Some(ours) = path.strip_prefix("crate::") {
            if ours.ends_with('*') {
                found.push(format!("{module}: a glob hides what it brings: {path}"));
            }
            match self.row_of(ours) {
                Some(target) if target == row || floor.may.iter().any(|may| may == self.name(target)) => {}
                Some(target) => found.push(format!(
                    "{} imports {}, which its row does not allow ({module}: {path})",
                    self.name(row),
                    self.name(target)
                )),
                None => found.push(format!("{module}: {path} stands in no row")),
            }
        }
        if floor.pure && IMPURE.iter().any(|impure| path.starts_with(impure)) {
            found.push(format!("{module} is ★ and names {path}"));
        }
        for preserve in &self.preserves {
            if preserve.names(path) && !preserve.is_for(module) {
                found.push(format!("{module} names {path}, which is for {} alone", preserve.who.join(", ")));
            }
        }
        found
    }

    /// What is wrong with the tables themselves.
    fn own_faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut below = BTreeSet::new();
        for floor in &self.floors {
            for may in floor.may.iter().filter(|may| !below.contains(may.as_str())) {
                found.push(format!("{} may import {may}, which does not lie below it", floor.modules[0]));
            }
            below.insert(floor.modules[0].as_str());
        }
        found
    }

    /// What the tables name and no source uses.
    fn unused(&self, sources: &[Source]) -> Vec<String> {
        let mut imports: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for source in sources {
            let Some(row) = self.row_of(&source.module) else { continue };
            let ours = source.paths.iter().filter_map(|path| path.strip_prefix("crate::"));
            let targets = ours.filter_map(|path| self.row_of(path)).map(|target| self.name(target));
            imports.entry(row).or_default().extend(targets);
        }
        let mut unused = Vec::new();
        for (row, floor) in self.floors.iter().enumerate() {
            let used = imports.get(&row).cloned().unwrap_or_default();
            let idle = floor.may.iter().filter(|may| !used.contains(may.as_str()));
            unused.extend(idle.map(|may| format!("{} no longer imports {may}", floor.modules[0])));
            let gone = |module: &&String| !sources.iter().any(|source| source.module == **module);
            unused.extend(floor.modules.iter().filter(gone).map(|module| format!("there is no {module}")));
        }
        for preserve in &self.preserves {
            for who in &preserve.who {
                let alone = Preserve { what: preserve.what.clone(), who: vec![who.clone()] };
                let mut theirs = sources.iter().filter(|source| alone.is_for(&source.module));
                if !theirs.any(|source| source.paths.iter().any(|path| alone.names(path))) {
                    unused.push(format!("{who} no longer names {}", preserve.what.join(", ")));
                }
            }
        }
        unused
    }
}

// === impl Preserve ===

impl Preserve {
    fn names(&self, path: &str) -> bool {
        self.what.iter().any(|what| path.starts_with(what.as_str()))
    }

    fn is_for(&self, module: &str) -> bool {
        self.who.iter().any(|who| match who.strip_suffix("::*") {
            Some(above) => module == above || module.starts_with(&format!("{above}::")),
            None => module == who,
        })
    }
}

/// The cells of the first table after a heading.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let from = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    let lines = text[from..].lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// What stands in `ticks`.
fn in_ticks(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
