//! What of a trigger's answer reaches the tokens: suppression wins, what is reserved is left as it is.

use std::fmt;

use serde_json::{Map, Value, json};

/// What a trigger wants to be otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::devpool) struct Overrides {
    pub(super) id: Changes,
    pub(super) access: Changes,
    pub(super) scopes_to_add: Vec<String>,
    pub(super) scopes_to_suppress: Vec<String>,
    /// None: as they are.
    pub(super) groups: Option<Groups>,
}

/// Of one token.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Changes {
    pub(super) add: Map<String, Value>,
    pub(super) suppress: Vec<String>,
}

/// What takes the place of the groups, in both tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Groups {
    pub(super) names: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) preferred: Option<String>,
}

/// The tokens to change.
pub(in crate::devpool) struct Target<'a> {
    pub(in crate::devpool) id: Option<&'a mut Map<String, Value>>,
    pub(in crate::devpool) access: &'a mut Map<String, Value>,
    pub(in crate::devpool) client_id: &'a str,
}

/// Something that Cognito drops without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::devpool) struct Dropped {
    token: Token,
    claim: String,
    why: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Id,
    Access,
}

// === impl Overrides ===

impl Overrides {
    /// How many claims and scopes it names.
    pub(super) fn size(&self) -> usize {
        let claims = |changes: &Changes| changes.add.len() + changes.suppress.len();
        claims(&self.id) + claims(&self.access) + self.scopes_to_add.len() + self.scopes_to_suppress.len()
    }

    /// Changes the tokens, and says what it left as it was.
    pub(in crate::devpool) fn apply(&self, target: Target<'_>) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        if let Some(id) = target.id {
            if let Some(groups) = &self.groups {
                groups.apply(id);
                set(id, "cognito:roles", &groups.roles);
                id.remove("cognito:preferred_role");
                if let Some(role) = &groups.preferred {
                    id.insert("cognito:preferred_role".into(), json!(role));
                }
            }
            self.id.apply(Token::Id, id, target.client_id, &mut dropped);
        }
        if let Some(groups) = &self.groups {
            groups.apply(target.access);
        }
        self.access.apply(Token::Access, target.access, target.client_id, &mut dropped);
        self.scopes(target.access, &mut dropped);
        dropped
    }

    fn scopes(&self, access: &mut Map<String, Value>, dropped: &mut Vec<Dropped>) {
        if self.scopes_to_add.is_empty() && self.scopes_to_suppress.is_empty() {
            return;
        }
        let now = access.get("scope").and_then(Value::as_str).unwrap_or_default();
        let mut scopes: Vec<&str> = now.split_ascii_whitespace().collect();
        for scope in &self.scopes_to_add {
            if scope.is_empty() || scope.contains(char::is_whitespace) {
                let claim = format!("scope {scope:?}");
                dropped.push(Dropped { token: Token::Access, claim, why: "a scope has no blanks" });
            } else if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes.retain(|scope| !self.scopes_to_suppress.iter().any(|suppressed| suppressed == scope));
        let scopes = scopes.join(" ");
        if scopes.is_empty() {
            access.remove("scope");
        } else {
            access.insert("scope".into(), json!(scopes));
        }
    }
}

// === impl Changes ===

impl Changes {
    fn apply(
        &self,
        token: Token,
        claims: &mut Map<String, Value>,
        client_id: &str,
        dropped: &mut Vec<Dropped>,
    ) {
        for (claim, value) in &self.add {
            match refusal(token, claim, value, client_id) {
                Some(why) => dropped.push(Dropped { token, claim: claim.clone(), why }),
                None => {
                    claims.insert(claim.clone(), value.clone());
                }
            }
        }
        for claim in &self.suppress {
            match claim.as_str() {
                GROUPS => {
                    for name in [GROUPS, "cognito:roles", "cognito:preferred_role"] {
                        claims.remove(name);
                    }
                }
                name if is_reserved(token, name) => {
                    dropped.push(Dropped { token, claim: claim.clone(), why: "it is reserved, and stays" });
                }
                name => {
                    claims.remove(name);
                }
            }
        }
    }
}

/// Why a claim may not have this value.
fn refusal(token: Token, claim: &str, value: &Value, client_id: &str) -> Option<&'static str> {
    let complex = value.is_array() || value.is_object();
    match (token, claim) {
        (Token::Access, "aud") => {
            (value != client_id).then_some("an access token's aud can only be its own client id")
        }
        (Token::Access, "scope") => Some("scopes are changed by scopesToAdd and scopesToSuppress"),
        (_, GROUPS | "cognito:roles" | "cognito:preferred_role") => {
            Some("groups and roles are changed by groupOverrideDetails")
        }
        (_, name) if is_reserved(token, name) => Some("it is reserved"),
        (_, name) if name.starts_with("dev:") => Some("dev: claims can only be suppressed"),
        (Token::Id, name) if complex && PLAIN.contains(&name) => {
            Some("in an ID token it is no list and no object")
        }
        _ if value.is_null() => Some("null is no value of a claim"),
        _ => None,
    }
}

fn is_reserved(token: Token, claim: &str) -> bool {
    RESERVED.contains(&claim)
        || claim.starts_with("cognito:")
        || matches!((token, claim), (_, "aud") | (Token::Access, "scope"))
}

// === impl Groups ===

impl Groups {
    fn apply(&self, claims: &mut Map<String, Value>) {
        set(claims, GROUPS, &self.names);
    }
}

/// A list, or no claim at all where there is nothing in it.
fn set(claims: &mut Map<String, Value>, name: &str, list: &[String]) {
    if list.is_empty() {
        claims.remove(name);
    } else {
        claims.insert(name.to_owned(), json!(list));
    }
}

// === impl Dropped ===

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = match self.token {
            Token::Id => "ID",
            Token::Access => "access",
        };
        write!(
            f,
            "the trigger's change to {} of the {token} token is dropped, as at Cognito: {}",
            self.claim, self.why
        )
    }
}

const GROUPS: &str = "cognito:groups";
/// What no trigger changes in either token; `cognito:*` and `aud` are judged apart.
const RESERVED: [&str; 21] = [
    "acr",
    "amr",
    "at_hash",
    "auth_time",
    "azp",
    "client_id",
    "device_key",
    "event_id",
    "exp",
    "iat",
    "identities",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "origin_jti",
    "sub",
    "token_use",
    "username",
    "version",
    "cognito:username",
];
/// In an ID token these are no lists and no objects.
const PLAIN: [&str; 4] = ["email_verified", "phone_number_verified", "updated_at", "address"];
