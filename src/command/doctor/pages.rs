//! What the authorize and sign-out endpoints do with the gate's addresses, judged by where they send a browser. ★
//!
//! Cognito sends a browser with an address that is not registered to its own `/error` page, and one with a
//! registered address to `/login`, to another provider, or back with an error. Nothing documents each form of an
//! answer, so what is not known is said to be unseen, not wrong.

use url::Url;

use super::answers::{Answer, Silence};
use super::report::quoted;
use crate::config::settings::ProviderKind;

/// What became of a request to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begun {
    /// On to a page to sign in at: client, callback and scopes are right.
    Login,
    /// Back to the callback with an error: client and callback are right.
    Told {
        /// `invalid_scope` …
        error: String,
        /// The provider's own words.
        description: Option<String>,
    },
    /// To the provider's own error page: the callback is not registered, or the client not known.
    ErrorPage(String),
    /// An answer of no known form.
    Unknown(String),
    /// None.
    Silent(Silence),
}

/// What became of a request to sign out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// On to the landing page: it is registered.
    Back,
    /// Refused.
    Refused(String),
    /// An answer of no known form.
    Unknown(String),
    /// None.
    Silent(Silence),
}

/// Judges the answer of the authorize endpoint at `asked` for a callback.
pub(super) fn begun(kind: &ProviderKind, asked: &Url, callback: &str, answer: &Answer) -> Begun {
    let heard = match answer {
        Ok(heard) => heard,
        Err(silence) => return Begun::Silent(silence.clone()),
    };
    let status = heard.status;
    let Some(location) = &heard.location else {
        return match (kind, status) {
            // Most providers show their login and error pages without a redirect.
            (ProviderKind::Oidc, 200) => Begun::Login,
            (ProviderKind::Oidc, 400..=403) => Begun::ErrorPage(format!("status {status}")),
            _ => Begun::Unknown(format!("status {status} and no redirect")),
        };
    };
    if let Some(back) = Parameters::behind(location, callback) {
        return match back.find("error") {
            Some(error) => {
                let description = back.find("error_description").map(|text| quoted(&text));
                Begun::Told { error: quoted(&error), description }
            }
            None => Begun::Login,
        };
    }
    if let Some(error) = error_page(asked, location) {
        return Begun::ErrorPage(error);
    }
    Begun::Login
}

/// Judges the answer of the sign-out endpoint at `asked` for a landing page.
pub(super) fn ended(kind: &ProviderKind, asked: &Url, landing: &str, answer: &Answer) -> Ended {
    let heard = match answer {
        Ok(heard) => heard,
        Err(silence) => return Ended::Silent(silence.clone()),
    };
    let status = heard.status;
    let Some(location) = &heard.location else {
        return match status {
            400..=403 => Ended::Refused(format!("status {status}")),
            _ => Ended::Unknown(format!("status {status} and no redirect")),
        };
    };
    if Parameters::behind(location, landing).is_some() {
        return Ended::Back;
    }
    if let Some(error) = error_page(asked, location) {
        return Ended::Refused(error);
    }
    match kind {
        ProviderKind::Cognito { .. } if location.path().starts_with("/login") => {
            Ended::Refused("sent to the login page".to_owned())
        }
        _ => Ended::Unknown(format!("sent to {}", quoted(location.as_str()))),
    }
}

/// What an error page of the same host is called with.
fn error_page(asked: &Url, location: &Url) -> Option<String> {
    let error = Parameters(location).find("error");
    let there = location.origin() == asked.origin();
    if !there || !(location.path().trim_end_matches('/').ends_with("/error") || error.is_some()) {
        return None;
    }
    Some(quoted(&error.unwrap_or_else(|| "no reason given".to_owned())))
}

/// The query of an address.
struct Parameters<'a>(&'a Url);

// === impl Parameters ===

impl<'a> Parameters<'a> {
    /// Of an address that is `base` and a query.
    fn behind(location: &'a Url, base: &str) -> Option<Self> {
        let base = Url::parse(base).ok()?;
        let same = location.origin() == base.origin() && location.path() == base.path();
        same.then_some(Self(location))
    }

    fn find(&self, name: &str) -> Option<String> {
        self.0.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::answers::{Heard, Why};

    const CALLBACK: &str = "https://app.test/oauth2/callback";

    fn cognito() -> ProviderKind {
        ProviderKind::Cognito { pool_id: "eu-central-1_Ab1".into(), domain: None }
    }

    fn answer(status: u16, location: &str) -> Answer {
        Ok(Heard { status, location: Url::parse(location).ok(), body: Vec::new() })
    }

    fn authorize(kind: &ProviderKind, status: u16, location: &str) -> Begun {
        let asked = Url::parse("https://login.test/oauth2/authorize?x=1").unwrap();
        begun(kind, &asked, CALLBACK, &answer(status, location))
    }

    #[test]
    fn where_a_browser_is_sent_says_what_is_registered() {
        let told = |error: &str, description: Option<&str>| Begun::Told {
            error: error.into(),
            description: description.map(str::to_owned),
        };
        for (location, wanted) in [
            ("https://login.test/login?client_id=x", Begun::Login),
            ("https://accounts.google.com/o/oauth2/v2/auth?x", Begun::Login),
            (
                "https://login.test/error?error=redirect_mismatch&client_id=x",
                Begun::ErrorPage("redirect_mismatch".into()),
            ),
            (
                "https://login.test/error?error=Required+parameters+missing",
                Begun::ErrorPage("Required parameters missing".into()),
            ),
            ("https://login.test/error", Begun::ErrorPage("no reason given".into())),
            ("https://app.test/oauth2/callback?error=invalid_scope&state=s", told("invalid_scope", None)),
            (
                "https://app.test/oauth2/callback?error=invalid_request&error_description=no%20such",
                told("invalid_request", Some("no such")),
            ),
        ] {
            assert_eq!(authorize(&cognito(), 302, location), wanted, "{location}");
        }
    }

    #[test]
    fn an_answer_of_no_known_form_is_unknown() {
        assert!(matches!(authorize(&cognito(), 200, ""), Begun::Unknown(_)));
        assert!(matches!(authorize(&cognito(), 503, ""), Begun::Unknown(_)));
        assert_eq!(authorize(&ProviderKind::Oidc, 200, ""), Begun::Login);
        assert!(matches!(authorize(&ProviderKind::Oidc, 400, ""), Begun::ErrorPage(_)));
        let silence = Silence { host: "login.test".into(), kind: Why::Timeout, text: String::new() };
        let asked = Url::parse("https://login.test/").unwrap();
        assert_eq!(begun(&cognito(), &asked, CALLBACK, &Err(silence.clone())), Begun::Silent(silence));
    }

    #[test]
    fn a_sign_out_leads_to_its_landing_or_is_not_registered() {
        let asked = Url::parse("https://login.test/logout?x=1").unwrap();
        let landing = "https://app.test/oauth2/signout";
        let ended = |status, location: &str| ended(&cognito(), &asked, landing, &answer(status, location));
        assert_eq!(ended(302, landing), Ended::Back);
        for (status, location) in [
            (302, "https://login.test/error?error=redirect_mismatch"),
            (302, "https://login.test/login?client_id=x"),
            (400, ""),
        ] {
            assert!(matches!(ended(status, location), Ended::Refused(_)), "{location}");
        }
        for (status, location) in [(200, ""), (302, "https://app.test/"), (503, "")] {
            assert!(matches!(ended(status, location), Ended::Unknown(_)), "{location}");
        }
    }
}
