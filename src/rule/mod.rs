//! Which rule covers a request: most specific wins, by `Ord`, never by order in the file. ★

use std::sync::{Arc, LazyLock};

use crate::config::settings::{Access, Requirement, Rule};

mod index;
pub mod path;

use index::Index;
use path::{CanonicalPath, PathMatch, PathRefusal};

/// The rules, and what everything else needs.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<Rule>,
    index: Option<Index>,
    default: Requirement,
}

/// What covers a request.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// A rule that owns the host and path, and names the method or none.
    Rule(&'a Rule),
    /// No rule owns the path: what `required_roles` says.
    Default(&'a Requirement),
    /// Rules own the path, but none of them names the method: refused, never decided by a shorter path.
    MethodNotNamed(&'a Rule),
}

/// How well a rule fits: an exact host over any, then an exact path over the longest prefix; of two that
/// fit alike the one that asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    host: bool,
    path: PathMatch,
}

// === impl Rules ===

impl Rules {
    /// The rules as configured.
    pub fn new(rules: Vec<Rule>, default: Requirement) -> Self {
        Self { index: Index::of(&rules), rules, default }
    }

    /// The rule for a request whose path may hold an escaped slash. Some servers take it for a slash: so both
    /// readings must be the affair of one rule, and that rule must say that it keeps them.
    pub fn cover(
        &self,
        host: &str,
        path: &CanonicalPath<'_>,
        method: &str,
    ) -> Result<Found<'_>, PathRefusal> {
        let found = self.find(host, path, method);
        if !path.holds_slash() {
            return Ok(found);
        }
        let keeps = found.rule().filter(|rule| rule.keeps_slashes).ok_or(PathRefusal::AmbiguousEscape)?;
        let read_otherwise = path.with_slashes_decoded()?;
        match self.find(host, &read_otherwise, method).rule() {
            Some(rule) if std::ptr::eq(rule, keeps) => Ok(found),
            _ => Err(PathRefusal::AmbiguousEscape),
        }
    }

    /// The rule for a request. `host` is lower-case and without port.
    pub fn find(&self, host: &str, path: &CanonicalPath<'_>, method: &str) -> Found<'_> {
        match &self.index {
            None => self.best(&self.rules, host, path, method),
            Some(index) => {
                let numbers = index.candidates(host, path);
                self.best(numbers.iter().filter_map(|number| self.rules.get(*number)), host, path, method)
            }
        }
    }

    fn best<'a>(
        &'a self,
        rules: impl IntoIterator<Item = &'a Rule>,
        host: &str,
        path: &CanonicalPath<'_>,
        method: &str,
    ) -> Found<'a> {
        let mut best: Option<Fit> = None;
        let mut owner: Option<&Rule> = None;
        let mut chosen: Option<&Rule> = None;
        for rule in rules {
            let Some(fit) = fit(rule, host, path) else { continue };
            if best.is_some_and(|best| fit < best) {
                continue;
            }
            if best.is_none_or(|best| fit > best) {
                (best, owner, chosen) = (Some(fit), Some(rule), None);
            }
            let stricter = chosen.is_none_or(|chosen| chosen.access == Access::Public);
            if names(rule, method) && stricter && opens(rule, path) {
                chosen = Some(rule);
            }
        }
        match (chosen, owner) {
            (Some(rule), _) => Found::Rule(rule),
            (None, Some(owner)) => Found::MethodNotNamed(owner),
            (None, None) => Found::Default(&self.default),
        }
    }
}

// === impl Found ===

impl<'a> Found<'a> {
    /// The rule, where one decides.
    pub fn rule(&self) -> Option<&'a Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Default(_) | Self::MethodNotNamed(_) => None,
        }
    }
}

impl Found<'_> {
    /// Whether nothing is asked of anyone.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Rule(rule) if rule.access == Access::Public)
    }

    /// How records and pages name it.
    pub fn name(&self) -> &Arc<str> {
        static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());
        match self {
            Self::Rule(rule) | Self::MethodNotNamed(rule) => &rule.name,
            Self::Default(_) => &DEFAULT,
        }
    }
}

fn fit(rule: &Rule, host: &str, path: &CanonicalPath<'_>) -> Option<Fit> {
    if rule.host.as_deref().is_some_and(|wanted| wanted != host) {
        return None;
    }
    // What narrows must own whatever an upstream might fold, or a wider public rule would open it.
    let path = match rule.access {
        Access::Public if !rule.narrows() => rule.path.matches_exactly(path),
        Access::Public | Access::Needs(_) => rule.path.matches_leniently(path),
    }?;
    Some(Fit { host: rule.host.is_some(), path })
}

/// Public is public for one spelling alone.
fn opens(rule: &Rule, path: &CanonicalPath<'_>) -> bool {
    rule.access != Access::Public || rule.path.matches_exactly(path).is_some()
}

/// Methods are case-sensitive (RFC 9110 §9.1). GET covers HEAD.
fn names(rule: &Rule, method: &str) -> bool {
    rule.methods.as_ref().is_none_or(|methods| {
        methods.iter().any(|named| named == method || (named == "GET" && method == "HEAD"))
    })
}

#[cfg(test)]
mod tests;
