//! Reading the input of an operation: its types first, then what has to be there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::{Failure, Kind};

/// A map of strings; SDKs write `null` for what they leave out.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Texts(BTreeMap<String, Option<String>>);

/// `{"Name": …, "Value": …}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

/// Reads a body. What is unknown in it is skipped, as at AWS.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let wrong = |message: String| Failure::new(Kind::Serialization, message);
    let value: Value = serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        .map_err(|_| wrong("The input is not JSON".to_owned()))?;
    if !value.is_object() {
        return Err(wrong("Unexpected token at the input's start: a structure was expected".to_owned()));
    }
    serde_json::from_value(value).map_err(|error| wrong(serialization(&error.to_string())))
}

/// What has to be there, and not empty.
pub(super) fn need<'t>(value: Option<&'t str>, name: &str) -> Result<&'t str, Failure> {
    match value {
        Some("") => Err(unfit(&format!("at '{name}'"), "Member must have length greater than or equal to 1")),
        Some(value) => Ok(value),
        None => Err(missing(name)),
    }
}

/// A member that has to be there is not.
pub(super) fn missing(name: &str) -> Failure {
    unfit(&format!("null at '{name}'"), "Member must not be null")
}

/// One part of a list: at most `limit` of it, 60 if none is said, from where the last part ended; and where this one
/// ends, if more follows.
pub(super) fn part<T>(
    all: impl Iterator<Item = T>,
    limit: Option<u32>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Failure> {
    let from = match token {
        Some(token) => token.parse().map_err(|_| Failure::parameter("Invalid pagination token"))?,
        None => 0_usize,
    };
    let limit = match limit.unwrap_or(MOST) {
        limit @ 0..=MOST => usize::try_from(limit).unwrap_or_default(),
        _ => return Err(unfit("at 'limit'", "Member must have value less than or equal to 60")),
    };
    let mut rest = all.skip(from);
    let part: Vec<_> = rest.by_ref().take(limit).collect();
    let next = (limit > 0 && rest.next().is_some()).then(|| from.saturating_add(limit).to_string());
    Ok((part, next))
}

fn unfit(at: &str, constraint: &str) -> Failure {
    let message =
        format!("1 validation error detected: Value {at} failed to satisfy constraint: {constraint}");
    Failure::parameter(message)
}

/// What AWS says of a value of the wrong type, from what serde says.
fn serialization(error: &str) -> String {
    let found = error.strip_prefix("invalid type: ").unwrap_or(error);
    let expected = found.split_once(", expected ").map_or("value", |(_, expected)| expected);
    let kind = if expected.contains("string") { "String" } else { expected };
    match found.split([' ', ',', '`']).next().unwrap_or_default() {
        "integer" | "floating" => format!("NUMBER_VALUE can not be converted to a {kind}"),
        "boolean" if found.contains("true") => format!("TRUE_VALUE can not be converted to a {kind}"),
        "boolean" => format!("FALSE_VALUE can not be converted to a {kind}"),
        "string" => format!("STRING_VALUE can not be converted to a {kind}"),
        "sequence" => "Start of list found where not expected".to_owned(),
        "map" => "Start of structure or map found where not expected.".to_owned(),
        _ => error.to_owned(),
    }
}

// === impl Texts ===

impl Texts {
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }

    /// A parameter of a flow that has to be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Failure> {
        let value = self.find(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Failure::parameter(format!("Missing required parameter {name}")))
    }

    /// What follows a prefix in the names, with the values.
    pub(super) fn after<'t>(&'t self, prefix: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_deref()?)))
    }
}

/// The most that a list's part has.
const MOST: u32 = 60;
