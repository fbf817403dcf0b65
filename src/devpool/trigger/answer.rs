//! A trigger's answer, read as its version has it: what has another form is no answer.

use serde_json::{Map, Value};

use super::change::{Changes, Groups, Overrides};
use super::{Failure, Version};

/// What the answer asks for. Members that the version does not know change nothing.
pub(super) fn read(version: Version, answer: &Value) -> Result<Overrides, Failure> {
    let response = answer
        .get("response")
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("the function has to return the event, with its response"))?;
    let (member, other) = match version {
        Version::One => ("claimsOverrideDetails", "claimsAndScopeOverrideDetails"),
        Version::Two | Version::Three => ("claimsAndScopeOverrideDetails", "claimsOverrideDetails"),
    };
    if response.get(other).is_some_and(|value| !value.is_null()) {
        tracing::warn!(
            member = other,
            "the trigger's answer has a member of another event version: it changes nothing here; see [trigger] version"
        );
    }
    let Some(details) = object(response, member)? else { return Ok(Overrides::default()) };
    let overrides = match version {
        Version::One => Overrides { id: strings(details)?, groups: groups(details)?, ..Overrides::default() },
        Version::Two | Version::Three => {
            let access = object(details, "accessTokenGeneration")?;
            let list = |name| access.map_or(Ok(Vec::new()), |access| list(access, name));
            Overrides {
                id: object(details, "idTokenGeneration")?.map(changes).transpose()?.unwrap_or_default(),
                access: access.map(changes).transpose()?.unwrap_or_default(),
                scopes_to_add: list("scopesToAdd")?,
                scopes_to_suppress: list("scopesToSuppress")?,
                groups: groups(details)?,
            }
        }
    };
    if overrides.size() > MOST_CHANGES {
        return Err(wrong(&format!("more than {MOST_CHANGES} claims and scopes")));
    }
    Ok(overrides)
}

fn changes(details: &Map<String, Value>) -> Result<Changes, Failure> {
    let add = object(details, "claimsToAddOrOverride")?.cloned().unwrap_or_default();
    Ok(Changes { add, suppress: list(details, "claimsToSuppress")? })
}

/// In version one every value is a string: what is a number or a boolean becomes one, what is more is refused.
fn strings(details: &Map<String, Value>) -> Result<Changes, Failure> {
    let mut changes = changes(details)?;
    for (claim, value) in &mut changes.add {
        match value {
            Value::Number(_) | Value::Bool(_) => *value = Value::String(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(wrong(&format!(
                    "the value of {claim:?} is no string: lists and objects need version V2_0"
                )));
            }
            Value::String(_) | Value::Null => {}
        }
    }
    Ok(changes)
}

/// Absent: unchanged. Null or empty: no groups any more.
fn groups(details: &Map<String, Value>) -> Result<Option<Groups>, Failure> {
    let Some(given) = details.get("groupOverrideDetails") else { return Ok(None) };
    let Some(given) = given.as_object() else {
        return if given.is_null() {
            Ok(Some(Groups::default()))
        } else {
            Err(not_a("groupOverrideDetails", "object"))
        };
    };
    // A string by the schema, a list in AWS's own test events.
    let preferred = match given.get("preferredRole") {
        None | Some(Value::Null) => None,
        Some(Value::String(role)) => Some(role.clone()),
        Some(Value::Array(roles)) => roles.first().and_then(Value::as_str).map(str::to_owned),
        Some(_) => return Err(not_a("preferredRole", "string")),
    };
    Ok(Some(Groups {
        names: list(given, "groupsToOverride")?,
        roles: list(given, "iamRolesToOverride")?,
        preferred,
    }))
}

/// An object; null is as good as nothing, and so is the `[]` of older samples.
fn object<'a>(of: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, Failure> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) if list.is_empty() => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(not_a(name, "object")),
    }
}

fn list(of: &Map<String, Value>, name: &str) -> Result<Vec<String>, Failure> {
    let texts = match of.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(texts)) => texts,
        Some(_) => return Err(not_a(name, "list of strings")),
    };
    let texts = texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>();
    texts.ok_or_else(|| not_a(name, "list of strings"))
}

fn not_a(name: &str, kind: &str) -> Failure {
    wrong(&format!("{name} is no {kind}"))
}

fn wrong(reason: &str) -> Failure {
    Failure::Output(reason.to_owned())
}

/// Cognito's quota of a transaction.
const MOST_CHANGES: usize = 5_000;
