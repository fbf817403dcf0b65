//! `[identity]`: how claims become a user, roles and headers. ★

use std::collections::BTreeMap;

/// `[identity]`.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The claim that becomes X-User: `cognito:username` (Cognito) or `sub` (OpenID) by default.
    pub user: String,
    /// Where roles come from; sources add up.
    pub roles: Vec<RoleSource>,
    /// Further claims handed to the upstream as headers.
    pub headers: Vec<ClaimHeader>,
    /// The headers with the user: `X-User`, then those that were asked for.
    pub user_headers: Vec<http::HeaderName>,
    /// The headers with the roles: `X-Roles`, then those that were asked for.
    pub roles_headers: Vec<http::HeaderName>,
    /// How roles are written. Default `List`.
    pub roles_format: RolesFormat,
    /// What rules ask beside user and roles: nothing else is read out of tokens, or kept.
    pub asked: Asked,
    /// The app clients whose own tokens count: no person may be called as one of them.
    pub machines: Vec<String>,
}

/// How `X-Roles` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RolesFormat {
    /// Comma-separated, percent-encoded.
    #[default]
    List,
    /// A JSON array of strings, in ASCII.
    Json,
}

/// What some rule asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// These scopes.
    pub scopes: Vec<String>,
    /// The e-mail address's domain.
    pub email_domain: bool,
    /// `acr` and `auth_time`.
    pub strength: bool,
}

/// Which token a claim is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenChoice {
    /// Every verified token that carries the claim.
    #[default]
    Either,
    /// The ID token.
    Id,
    /// The access token.
    Access,
}

/// One `[[identity.roles]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSource {
    /// The claim's literal name; never a path.
    pub claim: String,
    /// Which token.
    pub token: TokenChoice,
    /// Cut a string at this separator.
    pub split: Option<String>,
    /// One role for one value, instead of a role for each.
    pub grant: Option<Grant>,
    /// Keep only these values; empty: all.
    pub only: Vec<String>,
    /// What a value is called as a role, where it is called otherwise.
    pub rename: BTreeMap<String, String>,
}

/// A role that a claim of some value grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The value.
    pub test: Test,
    /// The role.
    pub role: String,
}

/// What is asked of a claim's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is exactly this. A text also fits a number or a truth value that is written so.
    Equals(serde_json::Value),
    /// It is a list with this element, or a table with these members and maybe others.
    Contains(serde_json::Value),
}

/// One `[[identity.headers]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimHeader {
    /// The claim's literal name.
    pub claim: String,
    /// The header's name as sent.
    pub header: http::HeaderName,
    /// Which token.
    pub token: TokenChoice,
}

// === impl Identity ===

impl Identity {
    /// Every header that says who someone is. The gate alone fills them: a client's copy of any must not pass.
    pub fn header_names(&self) -> impl Iterator<Item = &http::HeaderName> {
        let Self { user_headers, roles_headers, headers, .. } = self;
        let mapped = headers.iter().map(|mapped| &mapped.header);
        user_headers.iter().chain(roles_headers).chain(mapped)
    }
}

impl Default for Identity {
    /// By `sub`, without any source of roles.
    fn default() -> Self {
        Self {
            user: "sub".into(),
            roles: Vec::new(),
            headers: Vec::new(),
            user_headers: vec![http::HeaderName::from_static("x-user")],
            roles_headers: vec![http::HeaderName::from_static("x-roles")],
            roles_format: RolesFormat::List,
            asked: Asked::default(),
            machines: Vec::new(),
        }
    }
}
