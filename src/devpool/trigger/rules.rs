//! `[[trigger.claims]]`: rules instead of a function, answered in the function's own words, so that they can do
//! neither more nor less.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Version;

/// `[[trigger.claims]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::devpool) struct Rule {
    /// In version one only the ID token can be meant.
    pub(in crate::devpool) token: Option<Which>,
    pub(in crate::devpool) claim: Option<String>,
    /// The claim's value, of any type …
    pub(in crate::devpool) value: Option<Value>,
    /// … or the value of one of the user's attributes …
    pub(in crate::devpool) attribute: Option<String>,
    /// … or the list of the user's groups that begin so.
    pub(in crate::devpool) groups_with: Option<String>,
    #[serde(default)]
    pub(in crate::devpool) suppress: Vec<String>,
    #[serde(default)]
    pub(in crate::devpool) add_scopes: Vec<String>,
    #[serde(default)]
    pub(in crate::devpool) suppress_scopes: Vec<String>,
    /// Takes the place of the user's groups.
    pub(in crate::devpool) groups: Option<Vec<String>>,
    #[serde(default)]
    pub(in crate::devpool) when: When,
}

/// A token, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::devpool) enum Which {
    Id,
    Access,
    Both,
}

/// When a rule holds: everything that it names has to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::devpool) struct When {
    user: Option<String>,
    group: Option<String>,
    client: Option<String>,
    /// An attribute that the user has …
    attribute: Option<String>,
    /// … with this value …
    equals: Option<String>,
    /// … or with this end.
    ends_with: Option<String>,
}

/// The event with the answer that the rules have for it. A later rule wins over an earlier one.
pub(super) fn answer(version: Version, rules: &[Rule], event: &Value) -> Value {
    let mut id = Map::new();
    let mut access = Map::new();
    let (mut no_id, mut no_access) = (Vec::new(), Vec::new());
    let (mut scopes, mut no_scopes) = (Vec::new(), Vec::new());
    let mut groups = None;
    for rule in rules.iter().filter(|rule| rule.when.holds(event)) {
        let of = |which| matches!(rule.token, None | Some(Which::Both)) || rule.token == Some(which);
        if let (Some(claim), Some(value)) = (&rule.claim, rule.value(event)) {
            if of(Which::Id) {
                id.insert(claim.clone(), value.clone());
            }
            if of(Which::Access) {
                access.insert(claim.clone(), value);
            }
        }
        if of(Which::Id) {
            no_id.extend(&rule.suppress);
        }
        if of(Which::Access) {
            no_access.extend(&rule.suppress);
        }
        scopes.extend(&rule.add_scopes);
        no_scopes.extend(&rule.suppress_scopes);
        groups = rule.groups.as_ref().or(groups);
    }
    let mut details = match version {
        Version::One => json!({ "claimsToAddOrOverride": id, "claimsToSuppress": no_id }),
        Version::Two | Version::Three => json!({
            "idTokenGeneration": { "claimsToAddOrOverride": id, "claimsToSuppress": no_id },
            "accessTokenGeneration": {
                "claimsToAddOrOverride": access,
                "claimsToSuppress": no_access,
                "scopesToAdd": scopes,
                "scopesToSuppress": no_scopes,
            },
        }),
    };
    if let (Some(groups), Some(details)) = (groups, details.as_object_mut()) {
        details.insert("groupOverrideDetails".into(), json!({ "groupsToOverride": groups }));
    }
    let member = match version {
        Version::One => "claimsOverrideDetails",
        Version::Two | Version::Three => "claimsAndScopeOverrideDetails",
    };
    json!({ "response": { member: details } })
}

// === impl Rule ===

impl Rule {
    fn value(&self, event: &Value) -> Option<Value> {
        if let Some(name) = &self.attribute {
            return attribute(event, name).map(|value| json!(value));
        }
        if let Some(start) = &self.groups_with {
            return Some(groups(event).filter(|group| group.starts_with(start)).collect());
        }
        self.value.clone()
    }
}

// === impl When ===

impl When {
    fn holds(&self, event: &Value) -> bool {
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        };
        let attribute_holds = self.attribute.as_ref().is_none_or(|name| {
            attribute(event, name).is_some_and(|value| {
                self.equals.as_ref().is_none_or(|wanted| value == wanted)
                    && self.ends_with.as_ref().is_none_or(|end| value.ends_with(end))
            })
        });
        is(&self.user, text("/userName"))
            && self.client.as_deref().is_none_or(|id| text("/callerContext/clientId") == Some(id))
            && self.group.as_ref().is_none_or(|wanted| groups(event).any(|group| group == wanted))
            && attribute_holds
    }

    /// A condition on the value of no attribute.
    pub(in crate::devpool) fn lacks_attribute(&self) -> bool {
        self.attribute.is_none() && (self.equals.is_some() || self.ends_with.is_some())
    }
}

fn attribute<'e>(event: &'e Value, name: &str) -> Option<&'e str> {
    event.pointer("/request/userAttributes")?.get(name)?.as_str()
}

fn groups(event: &Value) -> impl Iterator<Item = &str> {
    let groups = event.pointer("/request/groupConfiguration/groupsToOverride").and_then(Value::as_array);
    groups.into_iter().flatten().filter_map(Value::as_str)
}
