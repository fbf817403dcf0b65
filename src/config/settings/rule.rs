//! `[[rules]]` and `[bearer]`: what is asked, where, and by what it may be answered. ★

use std::sync::Arc;
use std::time::Duration;

use super::{Network, PassToken, TokenChoice};
use crate::rule::path::Pattern;

/// One `[[rules]]` table.
#[derive(Debug, Clone)]
pub struct Rule {
    /// How log lines, `explain` and pages name it, e.g. `rules[2] /admin/**`.
    pub name: Arc<str>,
    /// Lower-case host without port; `None`: any host.
    pub host: Option<String>,
    /// Exact or prefix pattern.
    pub path: Pattern,
    /// Upper-case methods; `None`: all. `GET` covers `HEAD`.
    pub methods: Option<Vec<String>>,
    /// Public, or what it needs.
    pub access: Access,
    /// What a navigation without a session gets. Default `Login`.
    pub unauthenticated: Unauthenticated,
    /// Let true CORS preflights through without identity.
    pub preflight: bool,
    /// Only these client addresses (in addition to everything else); empty: any.
    pub from: Vec<Network>,
    /// Only with a verified client certificate (in addition to everything else).
    pub client_certificate: bool,
    /// Leave the answer's cacheability alone.
    pub cacheable: bool,
    /// The token that the upstream is handed as `Authorization: Bearer`. Default: none.
    pub pass_token: Option<PassToken>,
    /// Which bearer tokens count here; `None`: those of `[bearer] tokens`.
    pub bearer: Option<BearerUse>,
    /// An escaped slash is part of a path here, as a byte of a segment.
    pub keeps_slashes: bool,
    /// Which of [`Config::upstreams`].
    pub upstream: usize,
}

/// `[bearer]`.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Which tokens count where no rule says otherwise. Default: access tokens.
    pub tokens: TokenChoice,
    /// The app clients whose tokens count.
    pub clients: Vec<String>,
    /// The resources that an access token may be bound to.
    pub audiences: Vec<String>,
    /// Whether the upstream is handed the token too.
    pub pass: bool,
}

/// Which bearer tokens count on a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerUse {
    /// None.
    Off,
    /// These.
    Of(TokenChoice),
}

/// Whether a rule asks for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// `public = true`, written out.
    Public,
    /// A session that fulfils this.
    Needs(Requirement),
}

/// What a session must have. Every part that is not empty must hold; all empty: being signed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    /// At least one of these roles.
    pub any_role: Vec<String>,
    /// All of these roles.
    pub all_roles: Vec<String>,
    /// At least one of these scopes of the access token.
    pub any_scope: Vec<String>,
    /// One of these users (the value of X-User before encoding).
    pub any_user: Vec<String>,
    /// A verified e-mail address at one of these domains, lower-case.
    pub any_email_domain: Vec<String>,
    /// How strongly the person signed in (`acr`).
    pub min_acr: Option<MinAcr>,
    /// How long ago at most (`auth_time`).
    pub max_auth_age: Option<Duration>,
}

/// The weakest authentication context class that is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinAcr {
    /// What a step-up login asks for.
    pub wanted: String,
    /// It, and all that are stronger.
    pub enough: Vec<String>,
}

/// What a navigation without a session gets on a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unauthenticated {
    /// A redirect to the pool.
    #[default]
    Login,
    /// A 401 page.
    Refuse,
}

// === impl Rule ===

impl Rule {
    /// Whether it lets in fewer than its access says: by where they come from, or by what they show.
    pub fn narrows(&self) -> bool {
        self.client_certificate || !self.from.is_empty()
    }
}

// === impl Requirement ===

impl Requirement {
    /// The part that is about how strongly and how recently someone signed in.
    pub fn of_the_sign_in(&self) -> Self {
        let (min_acr, max_auth_age) = (self.min_acr.clone(), self.max_auth_age);
        Self { min_acr, max_auth_age, ..Self::default() }
    }
}
