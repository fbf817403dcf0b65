//! Holds a file and the environment against the shape, and keeps only what fits. ★
//!
//! What does not fit is a problem with its place, and is left out, so that the rest can still be judged.

use serde_json::{Map, Value as Json};
use toml_edit::{Item, TableLike, Value};

use super::places::Places;
use super::problem::{Key, Place, Problem, Problems, Severity, Step, UNKNOWN_KEY};
use super::shape::{self, Shape, Suggestion};

/// Variables that are not ours although they begin like ours: the file's name, and what Kubernetes injects
/// for a Service called `rolegate`.
const FOREIGN: [&str; 2] = ["ROLEGATE_PORT", "ROLEGATE_SERVICE_"];

/// The file as JSON, as far as it fits.
pub(super) fn file(root: &Shape, table: &dyn TableLike, places: &Places, problems: &mut Problems) -> Json {
    let walk = Walk { root, places };
    match root.fields() {
        Some(fields) => walk.table(fields, table, &Key::default(), problems),
        None => Json::Null,
    }
}

/// One variable or flag as a JSON tree with this one leaf.
pub(super) fn text(shape: &Shape, key: &Key, source: &str, text: &str) -> Result<Json, Problem> {
    let wrong = |message: String, fix: Option<String>| Problem {
        severity: Severity::Error,
        place: Place::Source(source.to_owned()),
        key: key.clone(),
        message,
        fix,
    };
    let leaf = shape.read_text(text).ok_or_else(|| match shape {
        Shape::Table(_) => wrong("is a table".into(), Some(format!("name a key of it: {source}__…"))),
        Shape::Tables(_) | Shape::Map => {
            wrong("tables cannot be written in a variable".into(), Some("write them in the file".into()))
        }
        _ => wrong(format!("expected {}", shape.wanted()), None),
    })?;
    Ok(key.0.iter().rev().fold(leaf, |inner, step| match step {
        Step::Name(name) => Json::Object(Map::from_iter([(name.clone(), inner)])),
        Step::Index(_) => inner,
    }))
}

/// The key and shape that a variable names. `None`: not one of ours.
pub(super) fn variable<'s>(root: &'s Shape, name: &str) -> Option<Result<(Key, &'s Shape), Problem>> {
    let rest = name.strip_prefix("ROLEGATE_")?;
    if name == "ROLEGATE_CONFIG" || FOREIGN.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let mut shape = root;
    let mut key = Key::default();
    for part in rest.split("__") {
        let lower = part.to_ascii_lowercase();
        let exact = part.bytes().all(|b| !b.is_ascii_lowercase());
        match shape.fields().and_then(|fields| fields.get(&lower)).filter(|_| exact) {
            Some(inner) => {
                shape = inner;
                key = key.name(&lower);
            }
            None => return Some(Err(unknown_variable(root, name, rest))),
        }
    }
    Some(Ok((key, shape)))
}

fn unknown_variable(root: &Shape, name: &str, rest: &str) -> Problem {
    let all = variables(root, "");
    let wanted = rest.to_ascii_uppercase();
    let nearest = all.iter().map(|known| (shape::distance(&wanted, known), known)).min();
    let near = nearest.filter(|(distance, known)| *distance <= (known.len() / 3).clamp(1, 3));
    let fix = near.map(|(_, known)| format!("did you mean ROLEGATE_{known}?"));
    Problem {
        severity: Severity::Error,
        place: Place::Source(format!("env:{name}")),
        key: Key::default(),
        message: "unknown variable".to_owned(),
        fix,
    }
}

/// Every variable's name, without the prefix.
fn variables(shape: &Shape, prefix: &str) -> Vec<String> {
    let Shape::Table(fields) = shape else { return Vec::new() };
    fields
        .iter()
        .flat_map(|(name, inner)| {
            let name = format!("{prefix}{}", name.to_ascii_uppercase());
            match inner {
                Shape::Table(_) => variables(inner, &format!("{name}__")),
                Shape::Tables(_) | Shape::Map => Vec::new(),
                _ => vec![name],
            }
        })
        .collect()
}

struct Walk<'a> {
    root: &'a Shape,
    places: &'a Places,
}

type Fields = std::collections::BTreeMap<String, Shape>;

// === impl Walk ===

impl Walk<'_> {
    fn table(&self, fields: &Fields, table: &dyn TableLike, key: &Key, problems: &mut Problems) -> Json {
        let mut kept = Map::new();
        for (name, item) in table.iter() {
            let key = key.name(name);
            match fields.get(name) {
                None => problems.push(self.unknown(fields, &key, name)),
                Some(shape) => {
                    if let Some(value) = self.item(shape, item, &key, problems) {
                        kept.insert(name.to_owned(), value);
                    }
                }
            }
        }
        Json::Object(kept)
    }

    fn item(&self, shape: &Shape, item: &Item, key: &Key, problems: &mut Problems) -> Option<Json> {
        match (shape, item) {
            (Shape::Table(fields), _) if item.is_table_like() => {
                Some(self.table(fields, item.as_table_like()?, key, problems))
            }
            (Shape::Map, _) if item.is_table_like() => {
                let all = item.as_table_like()?.iter().filter_map(|(name, item)| {
                    Some((name.to_owned(), self.item(&Shape::Text, item, &key.name(name), problems)?))
                });
                Some(Json::Object(all.collect()))
            }
            (Shape::Any, Item::Table(table)) => Some(Json::Object(json_table(table)?)),
            (Shape::Tables(fields), Item::ArrayOfTables(tables)) => {
                let each = tables.iter().enumerate();
                let all = each.map(|(at, table)| self.table(fields, table, &key.index(at), problems));
                Some(Json::Array(all.collect()))
            }
            (Shape::Tables(_), Item::Table(_)) => {
                let Some(Step::Name(name)) = key.0.last() else { return None };
                let fix = format!("write [[{}]] with two brackets", plain(&Key(key.0.clone())));
                problems.push(self.wrong(
                    key,
                    format!("expected a list of tables, found one [{name}]"),
                    Some(fix),
                ));
                None
            }
            (_, Item::Value(value)) => self.value(shape, value, key, problems),
            _ => {
                let found = if item.is_array_of_tables() { "a list of tables" } else { "a table" };
                problems.push(self.wrong(key, format!("expected {}, found {found}", shape.wanted()), None));
                None
            }
        }
    }

    fn value(&self, shape: &Shape, value: &Value, key: &Key, problems: &mut Problems) -> Option<Json> {
        let fitting = match (shape, value) {
            (Shape::Text | Shape::TextOrList | Shape::Choice(_), Value::String(text)) => {
                Some(Json::from(text.value().as_str()))
            }
            // A client id or a role may look like a number.
            (Shape::Text | Shape::TextOrList | Shape::Choice(_), Value::Integer(number)) => {
                Some(number.value().to_string().into())
            }
            (Shape::Any, value) => json(value),
            (Shape::Integer, Value::Integer(number)) => u64::try_from(*number.value()).ok().map(Json::from),
            (Shape::Decimal, Value::Integer(number)) => u64::try_from(*number.value()).ok().map(Json::from),
            (Shape::Decimal, Value::Float(number)) => {
                Some(*number.value()).filter(|n| *n >= 0.0).map(Json::from)
            }
            (Shape::Boolean, Value::Boolean(flag)) => Some((*flag.value()).into()),
            (Shape::List | Shape::TextOrList, Value::Array(items)) => {
                let each = items.iter().enumerate();
                let all =
                    each.filter_map(|(at, item)| self.value(&Shape::Text, item, &key.index(at), problems));
                return Some(Json::Array(all.collect()));
            }
            (Shape::Tables(fields), Value::Array(items)) => {
                let mut all = Vec::new();
                for (at, item) in items.iter().enumerate() {
                    match item.as_inline_table() {
                        Some(table) => all.push(self.table(fields, table, &key.index(at), problems)),
                        None => problems.push(self.wrong(
                            &key.index(at),
                            format!("expected a table, found {}", kind(item)),
                            None,
                        )),
                    }
                }
                return Some(Json::Array(all));
            }
            _ => None,
        };
        let fitting = fitting.filter(|found| match shape {
            Shape::Choice(words) => words.iter().any(|word| found == word),
            _ => true,
        });
        if fitting.is_none() {
            let fix = match (shape, value) {
                (Shape::List, Value::String(_)) => Some("put it in brackets: [\"…\"]".to_owned()),
                _ => None,
            };
            let found = match (shape, value.as_str()) {
                (Shape::Choice(_), Some(word)) => format!("{word:?}"),
                _ => kind(value),
            };
            problems.push(self.wrong(key, format!("expected {}, found {found}", shape.wanted()), fix));
        }
        fitting
    }

    fn wrong(&self, key: &Key, message: String, fix: Option<String>) -> Problem {
        Problem { severity: Severity::Error, place: self.places.in_file(key), key: key.clone(), message, fix }
    }

    fn unknown(&self, fields: &Fields, key: &Key, name: &str) -> Problem {
        let fix = match shape::suggestion(self.root, fields, name) {
            Some(Suggestion::Name(known)) => format!("did you mean {known}?"),
            Some(Suggestion::Home(table)) => format!("it belongs in {table}"),
            Some(Suggestion::Top) => "it belongs above all tables".to_owned(),
            None => {
                let known = fields.keys().map(String::as_str).collect::<Vec<_>>();
                format!("known here: {}", known.join(", "))
            }
        };
        let (message, fix) = (UNKNOWN_KEY.to_owned(), Some(fix));
        Problem { severity: Severity::Error, place: self.places.name(key), key: key.clone(), message, fix }
    }
}

/// A value that JSON can say; a date cannot.
fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number.value())?.into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Array(items) => Json::Array(items.iter().map(json).collect::<Option<_>>()?),
        Value::InlineTable(table) => Json::Object(json_table(table)?),
        Value::Datetime(_) => return None,
    })
}

fn json_table(table: &dyn TableLike) -> Option<Map<String, Json>> {
    let member = |(name, item): (&str, &Item)| {
        let value = match item {
            Item::Table(table) => Json::Object(json_table(table)?),
            item => json(item.as_value()?)?,
        };
        Some((name.to_owned(), value))
    };
    table.iter().map(member).collect()
}

/// The path without indices, as the schema sees it.
fn plain(key: &Key) -> String {
    let names = key.0.iter().filter_map(|step| match step {
        Step::Name(name) => Some(name.as_str()),
        Step::Index(_) => None,
    });
    names.collect::<Vec<_>>().join(".")
}

fn kind(value: &Value) -> String {
    match value {
        // Short enough to recognise; a secret never stands where something else than a text is wanted,
        // but it may stand in the wrong place, so texts are not repeated.
        Value::String(_) => "a string".into(),
        Value::Integer(number) => format!("the number {}", number.value()),
        Value::Float(_) => "a decimal number".into(),
        Value::Boolean(flag) => flag.value().to_string(),
        Value::Datetime(_) => "a date or time".into(),
        Value::Array(_) => "a list".into(),
        Value::InlineTable(_) => "a table".into(),
    }
}
