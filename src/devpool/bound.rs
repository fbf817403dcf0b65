//! What a client wants of a sign-in beyond who it is, and what the tokens of it are bound to: `resource`,
//! `acr_values`, `max_age`.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-step-up-authentication.html>

use super::http::Form;
use super::seed::Plan;
use super::state::PoolSession;

/// What was asked for. The plan lite has none of it, and says nothing of that.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    resource: Option<String>,
    /// Levels, in the order of preference; without those that nobody knows.
    levels: Option<Vec<u8>>,
    max_age: Option<u64>,
}

/// What all tokens of a sign-in keep, also over refreshes.
#[derive(Debug, Clone, Default)]
pub(super) struct Bound {
    /// `aud` of the access token (RFC 8707).
    pub(super) resource: Option<String>,
    /// How it was proved who signs in: `acr` and `amr` of the ID token, where they were asked for.
    pub(super) proof: Option<(String, &'static [&'static str])>,
}

// === impl Wishes ===

impl Wishes {
    /// Reads the parameters; `None`: they cannot be understood.
    pub(super) fn read(plan: Plan, parameters: &Form) -> Option<Self> {
        if plan == Plan::Lite {
            return Some(Self::default());
        }
        let resource = match parameters.all("resource").as_slice() {
            [] => None,
            [one] if is_resource(one) => Some((*one).to_owned()),
            _ => return None,
        };
        let level =
            |name: &str| name.strip_prefix(LEVEL)?.parse().ok().filter(|level| (1..=4).contains(level));
        let levels = parameters
            .find("acr_values")
            .map(|names| names.split_ascii_whitespace().filter_map(level).collect());
        let max_age = match parameters.find("max_age") {
            Some(seconds) => Some(seconds.parse().ok()?),
            None => None,
        };
        Some(Self { resource, levels, max_age })
    }

    /// Whether a browser that is signed in already need not prove again who uses it.
    pub(super) fn are_met_by(&self, session: &PoolSession, now: u64) -> bool {
        let fresh = self.is_met_in_time_by(session, now);
        let wanted = self.levels.as_ref().and_then(|levels| levels.iter().min());
        fresh && wanted.is_none_or(|wanted| level(session.amr) >= *wanted)
    }

    /// As above, for who may not be asked (`prompt=none`): they get the level that they have.
    pub(super) fn is_met_in_time_by(&self, session: &PoolSession, now: u64) -> bool {
        self.max_age.is_none_or(|age| now.saturating_sub(session.auth_time) <= age)
    }

    /// What becomes of the wishes for who proved themselves so.
    pub(super) fn bound(self, amr: &'static [&'static str]) -> Bound {
        let asked = self.levels.is_some() || self.max_age.is_some();
        Bound { resource: self.resource, proof: asked.then(|| (format!("{LEVEL}{}", level(amr)), amr)) }
    }
}

/// A password is the lowest level, a second factor the one that AWS's sample has for it.
fn level(amr: &[&str]) -> u8 {
    if amr.contains(&"mfa") { 4 } else { 1 }
}

/// `https`, `http` on localhost, or an app's own scheme; without a fragment (RFC 8707 §2).
fn is_resource(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| {
        url.fragment().is_none() && (url.scheme() != "http" || url.host_str() == Some("localhost"))
    })
}

/// Who signed in with a password.
pub(super) const BY_PASSWORD: &[&str] = &["pwd"];
/// By the code of an authenticator app too.
pub(super) const BY_CODE: &[&str] = &["pwd", "otp", "mfa"];
/// Who signed in elsewhere; how, only the provider knows.
pub(super) const ELSEWHERE: &[&str] = &["fed"];
const LEVEL: &str = "urn:cognito:loa:";
