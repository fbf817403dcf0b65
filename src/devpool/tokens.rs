//! Claims of ID and access tokens, as Cognito puts them together.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html>
//! and, beside it, `…-using-the-access-token.html`.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::keys::{KeyError, SigningKey};
use super::random;
use super::state::{Client, Grant, State, User};

/// Claims ready to be signed; signing takes its time and is done outside the lock.
pub(super) struct Draft {
    id: Option<Map<String, Value>>,
    access: Map<String, Value>,
    id_key: Arc<SigningKey>,
    access_key: Arc<SigningKey>,
    /// Not in the tokens of the JSON API.
    with_at_hash: bool,
    lifetime: u64,
}

/// Signed tokens. No ID token without the scope `openid`, but by the JSON API.
pub(super) struct Tokens {
    pub(super) id: Option<String>,
    pub(super) access: String,
    pub(super) lifetime: u64,
}

/// Puts the claims together. The user's groups and attributes are as they are now, also at a refresh.
pub(super) fn draft(
    state: &State,
    issuer: &str,
    client: &Client,
    user: &User,
    grant: &Grant,
    nonce: Option<&str>,
) -> Draft {
    let now = state.now();
    let mut common = Map::new();
    common.insert("sub".into(), json!(user.sub));
    if !user.groups.is_empty() {
        // Absent, not `[]`, where there is none.
        common.insert("cognito:groups".into(), json!(user.groups));
    }
    common.insert("iss".into(), json!(issuer));
    common.insert("origin_jti".into(), json!(grant.origin_jti));
    common.insert("event_id".into(), json!(grant.event_id));
    common.insert("auth_time".into(), json!(grant.auth_time));
    common.insert("iat".into(), json!(now));

    let mut access = common.clone();
    access.insert("version".into(), json!(2));
    access.insert("client_id".into(), json!(client.id));
    access.insert("token_use".into(), json!("access"));
    access.insert("scope".into(), json!(grant.scopes.join(" ")));
    access.insert("exp".into(), json!(now.saturating_add(client.access_lifetime)));
    access.insert("jti".into(), json!(random::uuid()));
    access.insert("username".into(), json!(user.name));

    let wants_id = grant.by_api || grant.scopes.iter().any(|scope| scope == "openid");
    let id = wants_id.then(|| {
        let mut id = common;
        id.insert("cognito:username".into(), json!(user.name));
        id.insert("aud".into(), json!(client.id));
        id.insert("token_use".into(), json!("id"));
        id.insert("exp".into(), json!(now.saturating_add(client.id_lifetime)));
        id.insert("jti".into(), json!(random::uuid()));
        if let Some(nonce) = nonce {
            id.insert("nonce".into(), json!(nonce));
        }
        roles(state, user, &mut id);
        for name in attributes(client, &grant.scopes, user) {
            if let Some(value) = user.attributes.get(name) {
                id.insert(name.to_owned(), typed(name, value));
            }
        }
        id
    });
    Draft {
        id,
        access,
        id_key: state.keys.id.clone(),
        access_key: state.keys.access.clone(),
        with_at_hash: !grant.by_api,
        lifetime: client.access_lifetime,
    }
}

/// The user's attributes that these scopes and the client's read permissions let through.
pub(super) fn attributes<'u>(client: &Client, scopes: &[String], user: &'u User) -> Vec<&'u str> {
    let has = |scope: &str| scopes.iter().any(|s| s == scope);
    // `openid` alone, like `profile`, opens everything that the client may read.
    let all = has("profile") || !(has("email") || has("phone"));
    user.attributes
        .keys()
        .map(String::as_str)
        .filter(|name| all || has("email") && EMAIL.contains(name) || has("phone") && PHONE.contains(name))
        .filter(|name| client.may_read(name))
        .collect()
}

/// A scope was asked for whose attributes the client may not all read: Cognito then gives no tokens.
pub(super) fn lacks_read_access(client: &Client, scopes: &[String]) -> bool {
    let lacks = |scope: &str, names: [&str; 2]| {
        scopes.iter().any(|s| s == scope) && !names.into_iter().all(|name| client.may_read(name))
    };
    lacks("email", EMAIL) || lacks("phone", PHONE)
}

/// `cognito:roles` and `cognito:preferred_role`: the role of the group that comes first, if that is one role.
fn roles(state: &State, user: &User, id: &mut Map<String, Value>) {
    let groups = state.groups.iter().filter(|group| user.groups.contains(&group.name));
    let with_role: Vec<_> =
        groups.filter_map(|group| Some((group.precedence, group.role_arn.as_ref()?))).collect();
    if with_role.is_empty() {
        return;
    }
    let all: BTreeSet<_> = with_role.iter().map(|(_, role)| *role).collect();
    id.insert("cognito:roles".into(), json!(all));
    let first = with_role.iter().filter_map(|(precedence, _)| *precedence).min();
    let preferred: BTreeSet<_> =
        with_role.iter().filter(|(precedence, _)| *precedence == first).map(|(_, role)| *role).collect();
    if let (1, Some(role)) = (preferred.len(), preferred.first()) {
        id.insert("cognito:preferred_role".into(), json!(role));
    }
}

/// In the ID token the two verified attributes are booleans and `updated_at` a number; all others are strings.
fn typed(name: &str, value: &str) -> Value {
    match name {
        "email_verified" | "phone_number_verified" => json!(value == "true"),
        "updated_at" => value.parse::<u64>().map_or_else(|_| json!(value), |number| json!(number)),
        _ => json!(value),
    }
}

// === impl Draft ===

impl Draft {
    /// Signs; with `at_hash` (OpenID Connect Core §3.1.3.6), as in Cognito's code flow.
    pub(super) fn sign(mut self) -> Result<Tokens, KeyError> {
        let access = self.access_key.sign(&self.access)?;
        let id = match &mut self.id {
            Some(claims) => {
                if self.with_at_hash {
                    let hash = digest::digest(&digest::SHA256, access.as_bytes());
                    let half = hash.as_ref().get(..16).unwrap_or_default();
                    claims.insert("at_hash".into(), json!(URL_SAFE_NO_PAD.encode(half)));
                }
                Some(self.id_key.sign(claims)?)
            }
            None => None,
        };
        Ok(Tokens { id, access, lifetime: self.lifetime })
    }
}

const EMAIL: [&str; 2] = ["email", "email_verified"];
const PHONE: [&str; 2] = ["phone_number", "phone_number_verified"];
