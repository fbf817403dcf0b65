//! The tokens of a session that an upstream is handed, where the configuration passes any on. ★
//!
//! They are in a cookie of their own, sealed under a key of its own and opened only on rules that hand one on:
//! everywhere else a session holds no token. They count only with the pass that they were given with.

use serde::{Deserialize, Serialize};

use super::Session;
use crate::config::settings::PassedOn;
use crate::identity::Issued;
use crate::identity::json::Claims;

/// What the token cookie holds. It repeats what ties it to its pass.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBox {
    /// [`Session::id`].
    #[serde(rename = "i")]
    session: String,
    /// [`Session::refreshed`]: of which generation of the session it is.
    #[serde(rename = "f")]
    refreshed: u64,
    /// When the first of the tokens in it ends, seconds since 1970.
    #[serde(rename = "e")]
    ends: u64,
    /// The access token.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// The ID token.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What an ALB would tell of the person.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Claims>,
}

// === impl TokenBox ===

impl TokenBox {
    /// What `passed_on` names of the tokens that came with this generation of `session`; `None` if it names
    /// nothing.
    pub fn new(session: &Session, issued: Issued, passed_on: PassedOn) -> Option<Self> {
        let Issued { access, id, id_ends, profile } = issued;
        let ends = if passed_on.id { session.access_ends.min(id_ends) } else { session.access_ends };
        passed_on.any().then(|| Self {
            session: session.id.clone(),
            refreshed: session.refreshed,
            ends,
            access: passed_on.access.then_some(access),
            id: passed_on.id.then_some(id),
            profile: passed_on.profile.then_some(profile),
        })
    }

    /// Whether it is of this generation of `session`, holds all that is needed, and has not ended at `now`.
    pub fn counts(&self, session: &Session, needs: PassedOn, now: u64) -> bool {
        self.session == session.id
            && self.refreshed == session.refreshed
            && now < self.ends
            && (self.access.is_some() || !needs.access)
            && (self.id.is_some() || !needs.id)
            && (self.profile.is_some() || !needs.profile)
    }
}

impl std::fmt::Debug for TokenBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenBox").field("session", &self.session).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: PassedOn = PassedOn { access: true, id: true, profile: true };
    const ACCESS: PassedOn = PassedOn { access: true, id: false, profile: false };

    #[test]
    fn a_box_counts_with_its_own_generation_alone() {
        let kept = TokenBox::new(&session(), issued(), ALL).unwrap();
        assert!(kept.counts(&session(), ALL, 100));
        assert!(!kept.counts(&Session { id: "other".into(), ..session() }, ALL, 100));
        assert!(!kept.counts(&Session { refreshed: 101, ..session() }, ALL, 100));
        assert!(kept.counts(&Session { seen: 150, ..session() }, ALL, 100), "sealed anew for the idle limit");
    }

    #[test]
    fn no_token_is_handed_on_past_its_end() {
        let of_both = TokenBox::new(&session(), issued(), ALL).unwrap();
        assert!(
            of_both.counts(&session(), ALL, 299) && !of_both.counts(&session(), ALL, 300),
            "the ID token's"
        );
        let of_access = TokenBox::new(&session(), issued(), ACCESS).unwrap();
        assert!(of_access.counts(&session(), ACCESS, 399) && !of_access.counts(&session(), ACCESS, 400));
    }

    #[test]
    fn it_holds_what_is_passed_on_and_nothing_else() {
        assert_eq!(TokenBox::new(&session(), issued(), PassedOn::default()), None);
        let kept = TokenBox::new(&session(), issued(), ACCESS).unwrap();
        assert_eq!((kept.access.as_deref(), &kept.id, &kept.profile), (Some("access"), &None, &None));
        for needs in [ALL, PassedOn { id: true, ..ACCESS }, PassedOn { profile: true, ..ACCESS }] {
            assert!(!kept.counts(&session(), needs, 100), "{needs:?}");
        }
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains("the-id-token"), "{text}");
        assert_eq!(serde_json::from_str::<TokenBox>(&text).unwrap(), kept);
        assert!(!format!("{kept:?}").contains("access"), "no log shows a token");
    }

    fn session() -> Session {
        Session::sample()
    }

    fn issued() -> Issued {
        let profile = Claims::from_iter([("sub".to_owned(), "s".into())]);
        Issued { access: "access".into(), id: "the-id-token".into(), id_ends: 300, profile }
    }
}
