//! Signing in more strongly: what a login asks of the pool so that its target opens, and whether it was given.
//!
//! Pools may ignore what they are asked (Cognito's smaller plans do so without a word), so what counts is what the
//! returned token says; and it is asked once, or a browser would go around forever.

use super::attempt::Attempt;
use super::return_to::ReturnTo;
use super::{Login, Visitor};
use crate::authorize::{By, Person, fulfils, is_strong_enough};
use crate::clock;
use crate::config::settings::{Access, Requirement};
use crate::provider::Wishes;
use crate::refusal::LoginRefusal;
use crate::rule::path::canonical_with_slashes;
use crate::session::Session;
use crate::site::Site;

impl Login {
    /// What the pool must be asked for beside `wishes` so that `target` opens afterwards.
    pub(super) fn demanding<'a>(&'a self, wishes: Wishes<'a>, target: &ReturnTo, site: &Site) -> Wishes<'a> {
        let target = target.relative_to(&site.origin);
        // Whoever was refused a POST signs in at this address too, and comes back to it with a GET.
        let Some(needs) = METHODS.iter().find_map(|method| self.demanded(target, method, site)) else {
            return wishes;
        };
        Wishes {
            acr_values: needs.min_acr.as_ref().map(|acr| acr.wanted.as_str()),
            max_age: needs.max_auth_age.map(|age| age.as_secs()),
            // Without asking the person nothing gets stronger.
            prompt: wishes.prompt.filter(|prompt| *prompt != "none"),
            ..wishes
        }
    }

    /// Why the target of a login stays shut although its person may see it; `None` if it does not, or for another
    /// reason, which the target itself will say.
    pub(super) fn still_too_weak(
        &self,
        attempt: &Attempt,
        session: &Session,
        visitor: &Visitor<'_>,
    ) -> Option<LoginRefusal> {
        let requirement = self.demanded(&attempt.target, "GET", visitor.site)?;
        let Session { sub, user, roles, headers, facts, .. } = session;
        let person = Person { sub, user, roles, headers, facts, by: By::Session };
        if !fulfils(&person, requirement) || is_strong_enough(facts, requirement, clock::now()) {
            return None;
        }
        let requirement = Box::new(requirement.of_the_sign_in());
        Some(LoginRefusal::NotStrongEnough { user: user.clone(), requirement })
    }

    /// What the rule for a path of this origin asks, if it asks for a strong or recent sign-in.
    fn demanded(&self, target: &str, method: &str, site: &Site) -> Option<&Requirement> {
        let path = target.split(['?', '#']).next()?;
        let path = canonical_with_slashes(path).ok()?;
        let found = self.rules.cover(&site.origin.host, &path, method).ok()?;
        match &found.rule()?.access {
            Access::Needs(needs) if needs.min_acr.is_some() || needs.max_auth_age.is_some() => Some(needs),
            _ => None,
        }
    }
}

/// Those that a page asks with, the navigation's own first.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
