//! A user's attributes in the JSON API: who may write which, and how they are shown.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>

use serde_json::{Value, json};

use super::super::seed::check::STANDARD_ATTRIBUTES;
use super::super::state::{Client, User};
use super::failure::Failure;
use super::input::Attribute;

/// Who writes.
#[derive(Clone, Copy)]
pub(super) enum By<'c> {
    /// The user, with a token of this client.
    User(&'c Client),
    /// Whoever has AWS credentials.
    Admin,
}

/// Every attribute exists and may be written.
pub(super) fn check(attributes: &[Attribute], by: By<'_>) -> Result<(), Failure> {
    for Attribute { name, value } in attributes {
        let custom = name.strip_prefix("custom:").is_some_and(|rest| (1..=20).contains(&rest.len()));
        if name == "sub" {
            return Err(Failure::parameter("user.sub: Attribute cannot be updated."));
        }
        if !custom && !STANDARD_ATTRIBUTES.contains(&name.as_str()) {
            return Err(Failure::parameter(format!("user.{name}: Attribute does not exist in the schema.")));
        }
        if value.len() > LONGEST {
            let message = "Attributes did not conform to the schema: the value is too long";
            return Err(Failure::parameter(format!("{name}: {message}")));
        }
        let allowed = match by {
            By::Admin => true,
            // That an address is a user's own is not the user's to say.
            By::User(_) if name.ends_with("_verified") => false,
            By::User(client) => client.may_write(name),
        };
        if !allowed {
            return Err(Failure::not_authorized("A client attempted to write unauthorized attribute"));
        }
    }
    Ok(())
}

/// Checks and writes. An empty value takes the attribute away; a user's new address is not verified.
pub(super) fn write(
    user: &mut User,
    attributes: Vec<Attribute>,
    by: By<'_>,
    now: u64,
) -> Result<(), Failure> {
    check(&attributes, by)?;
    let new = attributes.iter().filter(|attribute| !user.attributes.contains_key(&attribute.name)).count();
    if user.attributes.len() + new > MOST {
        return Err(Failure::parameter("A user has at most 70 attributes."));
    }
    for Attribute { name, value } in attributes {
        if let (By::User(_), "email" | "phone_number") = (by, name.as_str())
            && user.attributes.get(&name) != Some(&value)
        {
            user.attributes.insert(format!("{name}_verified"), "false".to_owned());
        }
        if value.is_empty() {
            user.attributes.remove(&name);
        } else {
            user.attributes.insert(name, value);
        }
    }
    user.modified = now;
    Ok(())
}

/// As a list of names and values, `sub` first.
pub(super) fn show(user: &User, may_read: impl Fn(&str) -> bool) -> Value {
    let mut shown = vec![json!({ "Name": "sub", "Value": user.sub })];
    let readable = user.attributes.iter().filter(|(name, _)| may_read(name));
    shown.extend(readable.map(|(name, value)| json!({ "Name": name, "Value": value })));
    Value::Array(shown)
}

const LONGEST: usize = 2_048;
/// The standard ones, and fifty of the pool's own.
const MOST: usize = 70;
