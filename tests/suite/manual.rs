//! What the manual says can be followed: links arrive, recipes decide what stands under them, and sources and tests that
//! it names are there.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A recipe with its own copy of the secrets.
struct Kitchen(tempfile::TempDir);

/// A page, its headings as anchors, and what it links to.
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<String>,
}

#[test]
fn every_recipe_of_the_cookbook_decides_what_stands_under_it() {
    let text = read("docs/cookbook.md");
    let recipes: Vec<&str> = text.split("\n## ").skip(1).collect();
    assert!(recipes.len() >= 12, "{} recipes", recipes.len());
    let kitchen = Kitchen::new();
    for recipe in recipes {
        let name = recipe.lines().next().unwrap();
        kitchen.serve(block(recipe, "toml"));
        let checked = kitchen.ask("rolegate check");
        let told = String::from_utf8(checked.stderr).unwrap();
        let unexpected: Vec<_> =
            told.lines().filter(|line| !line.contains("is refused here; no other rule decides it")).collect();
        assert!(checked.status.success() && unexpected.is_empty(), "{name}: {told}");
        let questions: Vec<&str> = block(recipe, "console").lines().collect();
        assert!(!questions.is_empty(), "{name} asks nothing");
        for question in questions {
            let (command, outcome) = question.strip_prefix("$ ").unwrap().rsplit_once('#').unwrap();
            let code = match outcome.trim() {
                "forward" => 0,
                "login" => 10,
                "forbid" => 11,
                "refuse" => 12,
                other => panic!("{name}: {other:?} is no outcome"),
            };
            let told = kitchen.ask(command);
            assert_eq!(told.status.code(), Some(code), "{name}: {question}\n{told:?}");
        }
    }
}

#[test]
fn every_link_of_the_documents_goes_somewhere() {
    let pages: BTreeMap<PathBuf, Page> =
        documents().into_iter().map(|path| (path.clone(), Page::of(&read(path.to_str().unwrap())))).collect();
    let mut dead = vec![];
    for (path, page) in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { beside(path, file) };
            let found = match pages.get(&target) {
                Some(page) => anchor.is_empty() || page.anchors.contains(anchor),
                None => root().join(&target).exists(),
            };
            if !found {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn the_manual_lists_every_page() {
    let listed = Page::of(&read("docs/README.md")).links;
    let pages =
        documents().into_iter().filter(|path| path.starts_with("docs") && !path.ends_with("README.md"));
    let unlisted: Vec<_> =
        pages.filter(|path| !listed.iter().any(|link| Path::new("docs").join(link) == *path)).collect();
    assert!(unlisted.is_empty(), "docs/README.md does not list {unlisted:?}");
}

/// A semicolon ends a line of a diagram, and what follows it is no line: the page then shows an error in its place.
#[test]
fn no_line_of_a_diagram_ends_too_early() {
    let mut seen = 0;
    for path in documents() {
        let text = read(path.to_str().unwrap());
        for diagram in text.split("```mermaid\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let broken: Vec<_> = diagram.lines().filter(|line| line.contains(';')).collect();
            assert!(broken.is_empty(), "{}: {broken:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen} diagrams");
}

/// Where a promise is kept, and by which test, goes stale in silence.
#[test]
fn every_source_and_test_that_the_manual_names_is_there() {
    let mut code = String::new();
    for folder in ["src", "tests"] {
        gather(&root().join(folder), "rs", &mut |path| {
            code.push_str(&std::fs::read_to_string(path).unwrap())
        });
    }
    for page in ["docs/security.md", "docs/life-of-a-request.md"] {
        let text = read(page);
        let mut seen = 0;
        for span in text.split('`').skip(1).step_by(2) {
            if span.starts_with("src/") || span.starts_with("tests/") {
                assert!(root().join(span).exists(), "{page}: there is no {span}");
                seen += 1;
            } else if is_test(span) {
                assert!(code.contains(&format!("fn {span}(")), "{page}: there is no test {span}");
                seen += 1;
            }
        }
        assert!(seen > 10, "{page} names {seen}");
    }
    let cases = read("tests/fixtures/attacks.md");
    let security = read("docs/security.md");
    for id in security.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| is_case(word))
    {
        assert!(cases.contains(&format!("\n{id} | ")), "docs/security.md: there is no case {id}");
    }
}

/// Three words or more, as tests are named.
fn is_test(span: &str) -> bool {
    span.matches('_').count() >= 3
        && span.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// `PATH-36`
fn is_case(word: &str) -> bool {
    word.split_once('-').is_some_and(|(kind, number)| {
        (2..=4).contains(&kind.len())
            && kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && number.len() == 2
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The first block of this kind.
fn block<'t>(text: &'t str, kind: &str) -> &'t str {
    let rest = text.split_once(&format!("```{kind}\n")).unwrap_or_else(|| panic!("no {kind} in {text}")).1;
    rest.split_once("```").unwrap().0
}

/// Every page that people read on the repository's site, by its name from the root.
fn documents() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(PathBuf::from).into();
    for folder in ["docs", "deploy"] {
        gather(&root().join(folder), "md", &mut |path| {
            all.push(path.strip_prefix(root()).unwrap().to_path_buf())
        });
    }
    assert!(all.len() > 20, "{all:?}");
    all
}

fn gather(folder: &Path, extension: &str, take: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, extension, take);
        } else if path.extension().is_some_and(|is| is == extension) {
            take(&path);
        }
    }
}

/// `link` as it stands on the page `path`.
fn beside(path: &Path, link: &str) -> PathBuf {
    let mut parts: Vec<&str> = path.parent().unwrap().iter().map(|part| part.to_str().unwrap()).collect();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.iter().collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

// === impl Kitchen ===

impl Kitchen {
    fn new() -> Self {
        let kitchen = Self(tempfile::tempdir().unwrap());
        kitchen.put("cognito-client-secret", "a-secret-of-some-length-0123456789\n");
        kitchen.put("oidc-client-secret", "a-secret-of-some-length-0123456789\n");
        kitchen.put("session-keys", &format!("{}\n", crate::support::token::random(32)));
        kitchen
    }

    fn serve(&self, recipe: &str) {
        self.put("rolegate.toml", &recipe.replace("\"/run/secrets/", "\""));
    }

    fn put(&self, name: &str, text: &str) {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// As somebody types it.
    fn ask(&self, command: &str) -> Output {
        let folder = Path::new(env!("CARGO_BIN_EXE_rolegate")).parent().unwrap();
        Command::new("/bin/sh")
            .args(["-c", command])
            .env_clear()
            .env("PATH", folder)
            .env("ROLEGATE_CONFIG", self.0.path().join("rolegate.toml"))
            .output()
            .unwrap()
    }
}

// === impl Page ===

impl Page {
    fn of(text: &str) -> Self {
        let (mut anchors, mut links, mut fenced) = (BTreeSet::new(), vec![], false);
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced {
                continue;
            } else if let Some(heading) = line.strip_prefix('#') {
                let anchor = anchor(heading.trim_start_matches('#').trim());
                let again =
                    (1..).map(|number| format!("{anchor}-{number}")).find(|next| !anchors.contains(next));
                anchors.insert(if anchors.contains(&anchor) { again.unwrap() } else { anchor });
            }
            let after = line.split("](").skip(1);
            links.extend(after.filter_map(|rest| rest.split([')', ' ']).next()).map(str::to_owned));
        }
        Self { anchors, links }
    }
}

/// As the repository's site makes it of a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
