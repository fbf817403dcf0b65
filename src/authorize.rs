//! The decision: from what covers a request, who asks and what was asked, to one answer. Total. ★

use std::time::Duration;

use crate::ask::{Ask, From, Kind};
use crate::config::settings::{
    Access, BearerUse, MinAcr, Network, Requirement, Rule, TokenChoice, Unauthenticated,
};
use crate::identity::Facts;
use crate::identity::token::LEEWAY;
use crate::refusal::Refusal;
use crate::rule::path::PathRefusal;
use crate::rule::{Found, Rules};

/// Who asks, however they came.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The `sub` claim.
    pub sub: &'a str,
    /// X-User before encoding.
    pub user: &'a str,
    /// The roles.
    pub roles: &'a [String],
    /// Mapped claims: header name and encoded value.
    pub headers: &'a [(String, String)],
    /// What else rules ask.
    pub facts: &'a Facts,
    /// How they came.
    pub by: By,
}

/// How someone came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// With a session: a browser sends its cookies whoever made it ask.
    Session,
    /// With a bearer token: nobody sends it unasked, and nobody can be sent to sign in.
    Bearer {
        /// Which of the two tokens.
        token: TokenChoice,
        /// Whether that one counts where no rule says otherwise.
        usual: bool,
    },
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It goes to the upstream, with the identity where there is one.
    Forward,
    /// It goes to the upstream without any identity.
    ForwardAnonymous,
    /// The browser is sent to the pool.
    Login,
    /// 401: whoever asked has to see to a session first.
    Challenge,
    /// The browser is sent to the pool to sign in more strongly, or again.
    StepUp(&'a Requirement),
    /// 401: whoever asked has to sign in more strongly, or again.
    Stronger(&'a Requirement),
    /// The browser is sent to the same target at the first public origin.
    Elsewhere,
    /// 421: nothing can be decided on this host.
    Misdirected,
    /// 401: the bearer token is good, but of the kind that does not count here.
    WrongToken,
    /// 403.
    Forbid(Why<'a>),
}

/// Why it is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why<'a> {
    /// This is missing.
    Missing(&'a Requirement),
    /// No rule that owns the path names the method.
    Method,
    /// The rule is not for this client address.
    Address,
    /// The rule is for clients with a certificate.
    Certificate,
    /// A WebSocket from a page of another origin.
    Origin,
}

/// What covers a request, or why nothing can. A preflight is the affair of the rule for the method that it asks
/// about.
pub fn cover<'a>(rules: &'a Rules, ask: &Ask) -> Result<Found<'a>, PathRefusal> {
    if let Some(method) = &ask.preflight {
        let found = rules.cover(&ask.host, &ask.path, method.as_str())?;
        if matches!(found, Found::Rule(rule) if rule.preflight) {
            return Ok(found);
        }
    }
    rules.cover(&ask.host, &ask.path, ask.method.as_str())
}

/// Decides at `now` (seconds since 1970). What is missing (a rule, a role, a session, a header) never opens
/// anything.
pub fn decide<'a>(found: &Found<'a>, person: Option<&Person<'_>>, ask: &Ask, now: u64) -> Decision<'a> {
    if person.is_some_and(|person| !counts(person.by, found.rule())) {
        return Decision::WrongToken;
    }
    let (requirement, unauthenticated) = match found {
        Found::Rule(rule) => {
            if !comes_from(&rule.from, ask) {
                return Decision::Forbid(Why::Address);
            }
            if rule.preflight && ask.preflight.is_some() {
                return Decision::ForwardAnonymous;
            }
            // A browser shows none with a preflight (Fetch §4.8): those are the affair of `preflight`.
            if rule.client_certificate && !ask.certificate {
                return Decision::Forbid(Why::Certificate);
            }
            match &rule.access {
                Access::Public => return forward(person, ask),
                Access::Needs(requirement) => (requirement, rule.unauthenticated),
            }
        }
        Found::Default(requirement) => (*requirement, Unauthenticated::Login),
        Found::MethodNotNamed(rule) => {
            return match person {
                Some(_) => Decision::Forbid(Why::Method),
                None => without_session(rule.unauthenticated, ask),
            };
        }
    };
    match person {
        None => without_session(unauthenticated, ask),
        Some(person) if !fulfils(person, requirement) => Decision::Forbid(Why::Missing(requirement)),
        Some(person) if !is_strong_enough(person.facts, requirement, now) => {
            let can_go = person.by == By::Session && unauthenticated == Unauthenticated::Login;
            match ask.kind {
                Kind::Navigation if can_go && !ask.websocket => Decision::StepUp(requirement),
                _ => Decision::Stronger(requirement),
            }
        }
        Some(person) => forward(Some(person), ask),
    }
}

/// Whether someone signed in strongly and recently enough for `requirement`. What is not known is not enough, nor
/// is a time that has not come.
pub fn is_strong_enough(facts: &Facts, requirement: &Requirement, now: u64) -> bool {
    let class = |wanted: &MinAcr| facts.acr.as_ref().is_some_and(|acr| wanted.enough.contains(acr));
    let recent = |age: Duration| {
        facts.auth_time.is_some_and(|at| at <= now + LEEWAY && now.saturating_sub(at) <= age.as_secs())
    };
    requirement.min_acr.as_ref().is_none_or(class) && requirement.max_auth_age.is_none_or(recent)
}

/// A WebSocket is not bound by CORS: a foreign page could speak with the visitor's cookies.
fn forward<'a>(person: Option<&Person<'_>>, ask: &Ask) -> Decision<'a> {
    let by_cookie = person.is_some_and(|person| person.by == By::Session);
    if ask.websocket && by_cookie && ask.from == From::Elsewhere {
        return Decision::Forbid(Why::Origin);
    }
    Decision::Forward
}

fn without_session<'a>(unauthenticated: Unauthenticated, ask: &Ask) -> Decision<'a> {
    let going_somewhere = ask.kind == Kind::Navigation && !ask.websocket;
    match (ask.origin, going_somewhere) {
        (Some(_), true) if unauthenticated == Unauthenticated::Login => Decision::Login,
        (Some(_), _) => Decision::Challenge,
        (None, true) if ask.method == http::Method::GET => Decision::Elsewhere,
        (None, _) => Decision::Misdirected,
    }
}

/// Which parts of a requirement hold for someone; a part that asks nothing does. How strongly they signed in is no
/// part of it: that is asked last, so that nobody signs in again for what they may not see.
struct Held {
    any_role: bool,
    all_roles: bool,
    any_scope: bool,
    any_user: bool,
    any_email_domain: bool,
}

fn held(person: &Person<'_>, requirement: &Requirement) -> Held {
    let Requirement { any_role, all_roles, any_scope, any_user, any_email_domain, .. } = requirement;
    let has = |role: &String| person.roles.contains(role);
    let domain = person.facts.email_domain.as_ref();
    Held {
        any_role: any_role.is_empty() || any_role.iter().any(has),
        all_roles: all_roles.iter().all(has),
        any_scope: any_scope.is_empty() || any_scope.iter().any(|scope| person.facts.scopes.contains(scope)),
        any_user: any_user.is_empty() || any_user.iter().any(|user| user == person.user),
        any_email_domain: any_email_domain.is_empty()
            || domain.is_some_and(|domain| any_email_domain.contains(domain)),
    }
}

/// Whether all of a requirement holds for someone, but for how strongly they signed in.
pub fn fulfils(person: &Person<'_>, requirement: &Requirement) -> bool {
    let Held { any_role, all_roles, any_scope, any_user, any_email_domain } = held(person, requirement);
    any_role && all_roles && any_scope && any_user && any_email_domain
}

/// What of a requirement does not hold for someone, for whoever is told.
fn lacking(person: &Person<'_>, requirement: &Requirement) -> Requirement {
    let held = held(person, requirement);
    let unless = |held: bool, part: &Vec<String>| if held { vec![] } else { part.clone() };
    let lacks = |role: &&String| !person.roles.contains(role);
    Requirement {
        any_role: unless(held.any_role, &requirement.any_role),
        all_roles: requirement.all_roles.iter().filter(lacks).cloned().collect(),
        any_scope: unless(held.any_scope, &requirement.any_scope),
        any_user: unless(held.any_user, &requirement.any_user),
        any_email_domain: unless(held.any_email_domain, &requirement.any_email_domain),
        ..Requirement::default()
    }
}

/// Whether who came this way counts on a rule at all.
fn counts(by: By, rule: Option<&Rule>) -> bool {
    let By::Bearer { token, usual } = by else { return true };
    match rule.and_then(|rule| rule.bearer) {
        None => usual,
        Some(BearerUse::Off) => false,
        Some(BearerUse::Of(choice)) => choice == TokenChoice::Either || choice == token,
    }
}

fn comes_from(networks: &[Network], ask: &Ask) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.contains(ask.client))
}

// === impl Decision ===

impl Decision<'_> {
    /// What a decision that refuses says to the one who is refused.
    pub fn refusal(&self, person: Option<&Person<'_>>) -> Refusal {
        let bearer = person.is_some_and(|person| person.by != By::Session);
        match self {
            Self::Forbid(Why::Missing(requirement)) => Refusal::RoleMissing {
                user: person.map(|person| person.user.to_owned()).unwrap_or_default(),
                requirement: Box::new(match person {
                    Some(person) => lacking(person, requirement),
                    None => (*requirement).clone(),
                }),
                bearer,
            },
            Self::Stronger(requirement) => {
                Refusal::Stronger { requirement: Box::new(requirement.of_the_sign_in()), bearer }
            }
            Self::WrongToken => Refusal::Bearer("token_use"),
            Self::Forbid(Why::Method) => Refusal::MethodNotNamed,
            Self::Forbid(Why::Address) => Refusal::Address,
            Self::Forbid(Why::Certificate) => Refusal::ClientCertificate,
            Self::Forbid(Why::Origin) => Refusal::Origin,
            Self::Misdirected => Refusal::Misdirected,
            _ => Refusal::LoginRequired,
        }
    }

    /// How records and `explain` name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forward | Self::ForwardAnonymous => "forward",
            Self::Login | Self::StepUp(_) => "login",
            Self::Challenge | Self::Stronger(_) | Self::WrongToken => "challenge",
            Self::Elsewhere => "redirect",
            Self::Misdirected => "refuse",
            Self::Forbid(_) => "forbid",
        }
    }
}

#[cfg(test)]
mod tests;
