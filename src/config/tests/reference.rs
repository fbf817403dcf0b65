//! `docs/configuration.md` is made of the schema, in the order of `config/rolegate.toml`; here is the making.

use serde_json::Value as Json;

use super::super::shape::Shape;
use super::{read, root, schema};

const HEAD: &str = "\
# Configuration

Every key, with its type, its default and what it means. This page is made of the schema that `rolegate schema` prints, and a
test holds it to that; [`config/rolegate.toml`](../config/rolegate.toml) has the same keys with more of the why, ready to
be copied.

- A **duration** is a text: `500ms`, `30s`, `15m`, `12h`, `7d`, `1h30m`. A file's name is relative to the folder of the
  configuration file.
- A dash is no default: what the key is about is not done. **Mandatory** is what its table cannot do without.
- *Restart*: a running gate refuses a file in which such a key has changed, or such a table came or went; all else is
  [taken while it runs](reload.md).
- Every key outside the `[[…]]` tables is a variable as well: `ROLEGATE_` and the name in capitals, `__` between table and
  key, lists comma-separated. `listen` is `ROLEGATE_LISTEN`, `max_age` of `[session]` is `ROLEGATE_SESSION__MAX_AGE`. Variables
  win over the file. `ROLEGATE_CONFIG` names the file; `ROLEGATE_PORT…` and `ROLEGATE_SERVICE_…`, which Kubernetes sets, are
  passed over; any other unknown name is an error.
- An unknown key, a wrong type and a file that cannot be read end the start with exit code 78, each with its line.
";

/// What `run::fixed` names in words, and the keys that it means.
const IN_WORDS: &[(&str, &[&str])] = &[
    ("[tls] as a whole", &["tls"]),
    ("the provider's issuer or user_pool_id", &["cognito.user_pool_id", "cognito.issuer", "oidc.issuer"]),
    ("the provider's additional_issuers", &["cognito.additional_issuers", "oidc.additional_issuers"]),
    ("the provider's client_id", &["cognito.client_id", "oidc.client_id"]),
    ("the provider's way in dev", &[]),
    ("session.store or a key that begins so", &["session.store*"]),
    ("telemetry", &["telemetry.*"]),
    // What is in these files counts from the next start on, without keeping anything else from being taken.
    ("session.store's passwords or certificate", &[]),
    ("session.store_ca_file", &[]),
    ("telemetry.otlp_headers_file", &[]),
    ("telemetry.otlp_ca_file", &[]),
];

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its own switch")]
fn the_configuration_page_is_what_the_schema_says() {
    let file = root().join("docs/configuration.md");
    let page = page();
    // UPDATE_EXPECTED=1 writes it anew.
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    assert!(
        read(&file) == page,
        "docs/configuration.md is out of date: UPDATE_EXPECTED=1 cargo test --lib -- config::"
    );
}

#[test]
fn a_key_is_shown_with_what_its_description_says() {
    let told = Told::of("For a whole request head to arrive. Default `10s`.");
    assert_eq!(
        (told.default.as_str(), told.meaning.as_str()),
        ("`10s`", "For a whole request head to arrive.")
    );
    let told = Told::of("Where it listens. Default `127.0.0.1:4180`. Loopback.");
    assert_eq!(
        (told.default.as_str(), told.meaning.as_str()),
        ("`127.0.0.1:4180`", "Where it listens. Loopback.")
    );
    assert_eq!(Told::of("Its name. Mandatory.").default, "**mandatory**");
    assert_eq!(Told::of("Its name. Default: none, cookies alone.").default, "none, cookies alone");
    assert_eq!(Told::of("Default this, e.g.: nothing").default, "this, e.g.: nothing");
    assert_eq!(Told::of("Its name.").default, "–");
}

fn page() -> String {
    let schema = schema();
    let book = Book {
        shape: Shape::of_schema(&schema),
        defs: schema["$defs"].clone(),
        order: order(),
        fixed: fixed(),
    };
    let mut page = HEAD.to_owned();
    book.write("", "At the top", &schema, &mut page);
    page
}

/// What a table is made of.
struct Book {
    shape: Shape,
    defs: Json,
    /// Every key's full name as the reference has them, in its order.
    order: Vec<String>,
    /// Beginnings of what only a restart changes, or whole names.
    fixed: Vec<String>,
}

// === impl Book ===

impl Book {
    /// The table of `node`, whose keys are called `prefix` and their own name, and then the tables in it.
    fn write(&self, prefix: &str, heading: &str, node: &Json, page: &mut String) {
        let mut keys: Vec<(String, &Json)> = node["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, node)| (format!("{prefix}{name}"), node))
            .collect();
        let place = |name: &str| self.order.iter().position(|known| known == name).unwrap_or(usize::MAX);
        keys.sort_by_key(|(name, _)| place(name));
        let own: Vec<_> = keys.iter().filter(|(name, _)| self.shape(name).fields().is_none()).collect();
        *page += &format!("\n## {heading}\n\n");
        if !prefix.is_empty() {
            let description = self.described(prefix.trim_end_matches('.'));
            *page += &format!("{description}{}\n\n", self.restart(prefix.trim_end_matches('.')));
        }
        if !own.is_empty() {
            *page += "| key | type | default | |\n|---|---|---|---|\n";
        }
        for (name, node) in own {
            let text = description(node);
            let Told { default, meaning } = Told::of(&text);
            let (kind, restart) = (kind(self.shape(name), &text), self.restart(name));
            let key = name.strip_prefix(prefix).unwrap_or(name);
            *page += &format!("| `{key}` | {kind} | {default} | {meaning}{restart} |\n");
        }
        for (name, node) in &keys {
            let many = matches!(self.shape(name), Shape::Tables(_));
            if self.shape(name).fields().is_some() {
                let heading = if many { format!("`[[{name}]]`") } else { format!("`[{name}]`") };
                self.write(&format!("{name}."), &heading, self.resolved(node), page);
            }
        }
    }

    fn shape(&self, name: &str) -> &Shape {
        name.split('.').fold(&self.shape, |shape, part| &shape.fields().unwrap()[part])
    }

    /// What is said of the table `name` where it stands.
    fn described(&self, name: &str) -> String {
        let root = schema();
        let mut node = &root;
        for part in name.split('.') {
            let inner = &self.resolved(node)["properties"][part];
            node = inner;
        }
        description(node)
    }

    fn resolved<'n>(&'n self, node: &'n Json) -> &'n Json {
        let node = if node["items"].is_object() { &node["items"] } else { node };
        match node["$ref"].as_str() {
            Some(name) => &self.defs[name.rsplit('/').next().unwrap()],
            None => node,
        }
    }

    fn restart(&self, name: &str) -> &'static str {
        let fixed = |known: &String| match known.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == known,
        };
        if self.fixed.iter().any(fixed) { " *Restart.*" } else { "" }
    }
}

/// A description, taken apart.
struct Told {
    default: String,
    meaning: String,
}

// === impl Told ===

impl Told {
    fn of(description: &str) -> Self {
        let mut told = Self { default: "–".into(), meaning: String::new() };
        for sentence in sentences(description) {
            if let Some(default) = sentence.strip_prefix("Default") {
                told.default = default.trim_start_matches(':').trim().trim_end_matches('.').to_owned();
            } else if let Some(but) = sentence.strip_prefix("Mandatory") {
                told.default = format!("**mandatory**{}", but.trim_end_matches('.'));
            } else {
                told.meaning += &format!(" {sentence}");
            }
        }
        told.meaning = told.meaning.trim().replace('|', "\\|");
        told
    }
}

/// Cut where a sentence ends and the next one begins with a capital or a code.
fn sentences(text: &str) -> Vec<&str> {
    let (mut all, mut from) = (vec![], 0);
    for (at, _) in text.match_indices(". ") {
        let begins = text[at + 2..].starts_with(|c: char| c.is_ascii_uppercase() || c == '`');
        if begins && text[from..at].matches('`').count().is_multiple_of(2) {
            all.push(&text[from..=at]);
            from = at + 2;
        }
    }
    all.push(&text[from..]);
    all
}

fn description(node: &Json) -> String {
    node["description"].as_str().unwrap_or_default().replace('\n', " ")
}

/// The type in words. Durations are texts to the schema; their descriptions show one.
fn kind(shape: &Shape, description: &str) -> String {
    let spans = || description.split('`').skip(1).step_by(2);
    let is_duration = |span: &str| {
        span.starts_with(|c: char| c.is_ascii_digit())
            && span.trim_start_matches(|c: char| c.is_ascii_digit()).chars().all(|c| "mshd".contains(c))
            && span.ends_with(|c: char| c.is_ascii_alphabetic())
    };
    match shape {
        Shape::Text if spans().any(is_duration) && spans().any(|span| span == "off") => {
            "duration or `off`".into()
        }
        Shape::Text if spans().any(is_duration) => "duration".into(),
        Shape::Text => "text".into(),
        Shape::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Shape::Integer => "whole number".into(),
        Shape::Decimal => "number".into(),
        Shape::Boolean => "boolean".into(),
        Shape::List => "list".into(),
        Shape::TextOrList => "text or list".into(),
        Shape::Map => "table of texts".into(),
        Shape::Any => "any".into(),
        Shape::Table(_) | Shape::Tables(_) => "table".into(),
    }
}

/// Every key of the reference by its full name, in the order in which they first stand there.
fn order() -> Vec<String> {
    let (mut names, mut table) = (vec![], String::new());
    for line in read(&root().join("config/rolegate.toml")).lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_matches(['[', ']']);
            names.push(name.to_owned());
            table = format!("{name}.");
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            names.push(format!("{table}{key}"));
        }
    }
    names
}

/// What `run::fixed` refuses to change in a running process, by key.
fn fixed() -> Vec<String> {
    let source = include_str!("../../run/fixed.rs").split("#[cfg(test)]").next().unwrap();
    let shape = Shape::of_schema(&schema());
    let known =
        |name: &str| name.split('.').try_fold(&shape, |shape, part| shape.fields()?.get(part)).is_some();
    let mut names = vec![];
    for told in source.split("(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        match IN_WORDS.iter().find(|(words, _)| *words == told) {
            Some((_, keys)) => names.extend(keys.iter().map(|key| (*key).to_owned())),
            None => {
                assert!(
                    known(told),
                    "src/run/fixed.rs names {told:?}, which is no key: say in IN_WORDS which it is"
                );
                names.push(told.to_owned());
            }
        }
    }
    assert!(names.len() > 20, "{names:?}");
    names
}
