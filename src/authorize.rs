//! The decision: from what covers a request, who asks and what was asked, to one answer. Total. ★

use crate::ask::{Ask, From, Kind};
use crate::config::settings::{Access, Network, Requirement, Unauthenticated};
use crate::rule::{Found, Rules};

/// Who asks, as far as deciding goes.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// X-User before encoding.
    pub user: &'a str,
    /// The roles.
    pub roles: &'a [String],
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
    /// The browser is sent to the same target at the first public origin.
    Elsewhere,
    /// 421: nothing can be decided on this host.
    Misdirected,
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
    /// A WebSocket from a page of another origin.
    Origin,
}

/// What covers a request. A preflight is the affair of the rule for the method that it asks about.
pub fn cover<'a>(rules: &'a Rules, ask: &Ask) -> Found<'a> {
    if let Some(method) = &ask.preflight {
        let found = rules.find(&ask.host, &ask.path, method.as_str());
        if matches!(found, Found::Rule(rule) if rule.preflight) {
            return found;
        }
    }
    rules.find(&ask.host, &ask.path, ask.method.as_str())
}

/// Decides. What is missing (a rule, a role, a session, a header) never opens anything.
pub fn decide<'a>(found: &Found<'a>, person: Option<&Person<'_>>, ask: &Ask) -> Decision<'a> {
    let (requirement, unauthenticated) = match found {
        Found::Rule(rule) => {
            if !comes_from(&rule.from, ask) {
                return Decision::Forbid(Why::Address);
            }
            if rule.preflight && ask.preflight.is_some() {
                return Decision::ForwardAnonymous;
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
        Some(person) if fulfils(person, requirement) => forward(Some(person), ask),
        Some(_) => Decision::Forbid(Why::Missing(requirement)),
    }
}

/// A WebSocket is not bound by CORS: a foreign page could speak with the visitor's cookies.
fn forward<'a>(person: Option<&Person<'_>>, ask: &Ask) -> Decision<'a> {
    if ask.websocket && person.is_some() && ask.from == From::Elsewhere {
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

fn fulfils(person: &Person<'_>, requirement: &Requirement) -> bool {
    let Requirement { any_role, all_roles, any_user } = requirement;
    let has = |role: &String| person.roles.contains(role);
    (any_role.is_empty() || any_role.iter().any(has))
        && all_roles.iter().all(has)
        && (any_user.is_empty() || any_user.iter().any(|user| user == person.user))
}

fn comes_from(networks: &[Network], ask: &Ask) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.contains(ask.client))
}

// === impl Decision ===

impl Decision<'_> {
    /// How records and `explain` name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forward | Self::ForwardAnonymous => "forward",
            Self::Login => "login",
            Self::Challenge => "challenge",
            Self::Elsewhere => "redirect",
            Self::Misdirected => "refuse",
            Self::Forbid(_) => "forbid",
        }
    }
}

#[cfg(test)]
mod tests;
