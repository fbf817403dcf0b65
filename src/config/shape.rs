//! What may stand where: the schema as a tree that a file or a variable is held against. ★
//!
//! serde stops at its first error; this walk finds every unknown key and wrong type at once, and knows
//! where each stands.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// What a key wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A table with these keys.
    Table(BTreeMap<String, Shape>),
    /// `[[name]]` tables with these keys.
    Tables(BTreeMap<String, Shape>),
    Text,
    /// One of these words.
    Choice(Vec<String>),
    Integer,
    /// Not negative.
    Decimal,
    Boolean,
    /// A list of texts.
    List,
    /// A text or a list of texts.
    TextOrList,
    /// Texts by name.
    Map,
    /// Anything that JSON can say too.
    Any,
}

// === impl Shape ===

impl Shape {
    /// Reads the JSON schema that `raw` derives.
    pub(super) fn of_schema(schema: &Json) -> Self {
        Self::of_node(schema, &schema["$defs"])
    }

    fn of_node(node: &Json, defs: &Json) -> Self {
        if let Some(name) = node["$ref"].as_str() {
            return Self::of_node(&defs[name.rsplit('/').next().unwrap_or_default()], defs);
        }
        if let Some(words) = words(node) {
            return Self::Choice(words);
        }
        if node["anyOf"].is_array() {
            return Self::TextOrList;
        }
        match node["type"].as_str() {
            Some("object") if node["properties"].is_object() => Self::Table(fields(node, defs)),
            Some("object") => Self::Map,
            Some("integer") => Self::Integer,
            Some("number") => Self::Decimal,
            Some("boolean") => Self::Boolean,
            Some("array") => match Self::of_node(&node["items"], defs) {
                Self::Table(fields) => Self::Tables(fields),
                _ => Self::List,
            },
            Some(_) => Self::Text,
            None => Self::Any,
        }
    }

    /// The keys of a table or of each of several.
    pub(super) fn fields(&self) -> Option<&BTreeMap<String, Shape>> {
        match self {
            Self::Table(fields) | Self::Tables(fields) => Some(fields),
            _ => None,
        }
    }

    /// What is wanted, in words.
    pub(super) fn wanted(&self) -> String {
        match self {
            Self::Table(_) => "a table".into(),
            Self::Tables(_) => "a list of tables".into(),
            Self::Text => "a string".into(),
            Self::Choice(words) => {
                words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
            }
            Self::Integer => "a whole number that is not negative".into(),
            Self::Decimal => "a number that is not negative".into(),
            Self::Boolean => "true or false".into(),
            Self::List => "a list of strings".into(),
            Self::TextOrList => "a string or a list of strings".into(),
            Self::Map => "a table of strings".into(),
            Self::Any => "a string, a number, true or false, a list or a table".into(),
        }
    }

    /// A variable's or a flag's text, taken as the type that the key wants.
    pub(super) fn read_text(&self, text: &str) -> Option<Json> {
        let list = || {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Json::Array(items.map(Json::from).collect())
        };
        match self {
            Self::Table(_) | Self::Tables(_) | Self::Map => None,
            Self::Text | Self::Any => Some(text.into()),
            Self::Choice(words) => words.iter().any(|word| word == text).then(|| text.into()),
            Self::Integer => text.trim().parse::<u64>().ok().map(Json::from),
            Self::Decimal => text.trim().parse::<f64>().ok().filter(|number| *number >= 0.0).map(Json::from),
            Self::Boolean => text.trim().parse::<bool>().ok().map(Json::from),
            Self::List => Some(list()),
            Self::TextOrList if text.trim() == "signed-in" => Some("signed-in".into()),
            Self::TextOrList => Some(list()),
        }
    }
}

/// What was probably meant: the nearest name in this table, or where this very name belongs.
pub(super) fn suggestion(root: &Shape, fields: &BTreeMap<String, Shape>, name: &str) -> Option<Suggestion> {
    let folded = name.to_ascii_lowercase().replace('-', "_");
    let nearest = fields.keys().map(|known| (distance(&folded, known), known)).min();
    if let Some((distance, known)) = nearest
        && distance <= (known.len() / 3).clamp(1, 3)
    {
        return Some(Suggestion::Name(known.clone()));
    }
    let home = root.fields()?.iter().find(|(_, shape)| shape.fields().is_some_and(|f| f.contains_key(name)));
    match home {
        Some((table, Shape::Tables(_))) => Some(Suggestion::Home(format!("[[{table}]]"))),
        Some((table, _)) => Some(Suggestion::Home(format!("[{table}]"))),
        None if root.fields()?.contains_key(name) => Some(Suggestion::Top),
        None => None,
    }
}

/// What an unknown name was probably meant to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Suggestion {
    /// This name, in the same table.
    Name(String),
    /// The same name, in this table.
    Home(String),
    /// The same name, above all tables.
    Top,
}

fn fields(node: &Json, defs: &Json) -> BTreeMap<String, Shape> {
    let properties = node["properties"].as_object();
    properties.into_iter().flatten().map(|(name, node)| (name.clone(), Shape::of_node(node, defs))).collect()
}

fn words(node: &Json) -> Option<Vec<String>> {
    let text = |word: &Json| word.as_str().map(str::to_owned);
    if let Some(words) = node["enum"].as_array() {
        return words.iter().map(text).collect();
    }
    node["oneOf"].as_array()?.iter().map(|choice| text(&choice["const"])).collect()
}

/// Damerau-Levenshtein with adjacent swaps: the slips that fingers make.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let swap = if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    rows[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                change.min(swap).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}
