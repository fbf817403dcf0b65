//! The event that a trigger receives, member by member as Cognito sends it.

use serde_json::{Map, Value, json};

use super::{Source, Version};
use crate::devpool::state::{Client, State, User};
use crate::devpool::tokens;

/// Tokens are about to be generated.
pub(in crate::devpool) struct Occasion<'a> {
    pub(in crate::devpool) source: Source,
    pub(in crate::devpool) state: &'a State,
    pub(in crate::devpool) pool_id: &'a str,
    pub(in crate::devpool) client: &'a Client,
    /// Nobody, where a machine asks.
    pub(in crate::devpool) user: Option<&'a User>,
    pub(in crate::devpool) scopes: &'a [String],
    /// Never from managed login.
    pub(in crate::devpool) metadata: Option<&'a Map<String, Value>>,
}

/// The event of an occasion.
pub(super) fn event(version: Version, occasion: &Occasion<'_>) -> Value {
    let region = occasion.pool_id.split('_').next().unwrap_or_default();
    let response = match version {
        Version::One => "claimsOverrideDetails",
        Version::Two | Version::Three => "claimsAndScopeOverrideDetails",
    };
    json!({
        "version": version.number(),
        "triggerSource": occasion.source.name(),
        "region": region,
        "userPoolId": occasion.pool_id,
        "userName": occasion.user.map_or("ClientCredentials", |user| user.name.as_str()),
        "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": occasion.client.id,
        },
        "request": request(version, occasion),
        "response": { response: null },
    })
}

fn request(version: Version, occasion: &Occasion<'_>) -> Map<String, Value> {
    let mut request = Map::new();
    let attributes = occasion.user.map(attributes).unwrap_or_default();
    request.insert("userAttributes".into(), attributes.into());
    let groups = occasion.user.map(|user| groups(occasion.state, user));
    request.insert("groupConfiguration".into(), groups.into());
    if version > Version::One {
        request.insert("scopes".into(), json!(occasion.scopes));
    }
    if let Some(metadata) = occasion.metadata {
        request.insert("clientMetadata".into(), json!(metadata));
    }
    request
}

/// All of the user's attributes, as strings; no client's read permissions stand before the trigger.
fn attributes(user: &User) -> Map<String, Value> {
    let mut told = Map::new();
    told.insert("sub".into(), json!(user.sub));
    told.insert("cognito:user_status".into(), json!(user.status_name()));
    if let Some(identity) = &user.identity {
        told.insert("identities".into(), json!(identity.claim().to_string()));
    }
    told.extend(user.attributes.iter().map(|(name, value)| (name.clone(), json!(value))));
    told
}

fn groups(state: &State, user: &User) -> Value {
    let roles = tokens::roles(state, user);
    json!({
        "groupsToOverride": user.groups,
        "iamRolesToOverride": roles.all,
        "preferredRole": roles.preferred,
    })
}
