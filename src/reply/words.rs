//! What each refusal says: what happened, why, and the way out. ★

use http::StatusCode;

use super::needs::missing;
use super::sentences::{Sentences, Text};
use super::ways::Ways;
use super::{Context, Language, Link, Page};
use crate::config::template::PageName;
use crate::refusal::{LoginRefusal, Refusal};

pub(super) struct Words {
    say: &'static Sentences,
    pub(super) title: &'static str,
    details: Vec<String>,
    links: Vec<Link>,
}

pub(super) fn of(refusal: &Refusal, context: &Context, say: &'static Sentences) -> Words {
    let ways = Ways { context, say };
    let no = &say.refused;
    let said = |text: &Text, links| Words::new(say, text.title, vec![text.detail.into()], links);
    let plain = |text| said(text, vec![]);
    let again = |text| said(text, vec![ways.retry()]);
    match refusal {
        Refusal::LoginRequired => said(&no.login_required, vec![ways.sign_in()]),
        Refusal::Bearer(_) => plain(&no.bearer),
        Refusal::Nameless(_) => plain(&no.nameless),
        Refusal::Stronger { requirement, .. } => {
            Words::new(say, no.stronger, missing(requirement, say), vec![ways.sign_in()])
        }
        Refusal::RoleMissing { user, requirement, .. } => {
            let mut details = vec![(say.needs.signed_in_as)(user)];
            details.extend(missing(requirement, say));
            let links = vec![ways.another_account(), ways.start_page()];
            Words::new(say, no.role_missing, details, links)
        }
        Refusal::MethodNotNamed => plain(&no.method_not_named),
        Refusal::Address => plain(&no.address),
        Refusal::ClientCertificate => plain(&no.client_certificate),
        Refusal::Origin => plain(&no.origin),
        Refusal::Unwritable => plain(&no.unwritable),
        Refusal::Outage => again(&no.outage),
        Refusal::StoreOutage => again(&no.store_outage),
        Refusal::TokensNotKept => again(&no.tokens_not_kept),
        Refusal::SessionTooLarge => said(&no.session_too_large, vec![ways.sign_out()]),
        Refusal::NoEntropy => plain(&no.no_entropy),
        Refusal::NotFound | Refusal::OwnPath => plain(&no.not_found),
        Refusal::Outside => plain(&no.outside),
        Refusal::MethodNotAllowed { .. } | Refusal::Method => plain(&no.method),
        Refusal::Misdirected => plain(&no.misdirected),
        Refusal::Cleartext => plain(&no.cleartext),
        Refusal::TargetTooLong => plain(&no.target_too_long),
        Refusal::HeadTooLarge => again(&no.head_too_large),
        Refusal::Expectation => plain(&no.expectation),
        Refusal::Framing(_) | Refusal::Host | Refusal::Target | Refusal::Path(_) | Refusal::Gateway(_) => {
            plain(&no.ambiguous)
        }
        Refusal::BodyTooLarge => plain(&no.body_too_large),
        Refusal::Body { slow: true, .. } => plain(&no.body_slow),
        Refusal::Body { .. } => plain(&no.body_broke_off),
        Refusal::Upstream { slow: true, .. } => again(&no.upstream_slow),
        Refusal::Upstream { .. } => again(&no.upstream),
        Refusal::Crowded => again(&no.crowded),
        Refusal::UpstreamBusy => again(&no.upstream_busy),
        Refusal::Login(refusal) => of_login(refusal, ways),
    }
}

fn of_login(refusal: &LoginRefusal, ways: Ways<'_>) -> Words {
    let say = ways.say;
    let no = &say.login;
    let said = |text: &Text, link| Words::new(say, text.title, vec![text.detail.into()], vec![link]);
    // What the pool said is quoted below the sentence, in whatever language it comes.
    let quoted = |text: &Text, error: &str, description: Option<&str>| {
        let details = vec![text.detail.into(), quotation(error, description)];
        Words::new(say, text.title, details, vec![ways.sign_in()])
    };
    // The link is "sign in", not "again": most who see these pages never were signed in.
    match refusal {
        LoginRefusal::Parameters(what) if what.starts_with("start_") => said(&no.bad_link, ways.sign_in()),
        LoginRefusal::Parameters(_) => said(&no.bad_return, ways.sign_in()),
        LoginRefusal::CookiesOff => said(&no.cookies_off, ways.sign_in()),
        LoginRefusal::Denied { description } => quoted(&no.denied, "access_denied", description.as_deref()),
        LoginRefusal::PoolSaid { error, description } => quoted(&no.pool_said, error, description.as_deref()),
        LoginRefusal::PoolAnswer(_) => said(&no.pool_answer, ways.sign_in()),
        LoginRefusal::PoolUnreachable(_) => said(&no.pool_unreachable, ways.sign_in()),
        LoginRefusal::NoIdentity(code) => {
            let text = match *code {
                "email_not_verified" => &no.email_not_verified,
                "claim_unwritable" => &no.claim_unwritable,
                "called_as_client" => &no.called_as_client,
                _ => &no.no_identity,
            };
            said(text, ways.another_account())
        }
        LoginRefusal::NotStrongEnough { user, requirement } => {
            let mut details = vec![(say.needs.signed_in_as)(user)];
            details.extend(missing(requirement, say));
            details.push(no.not_strong_enough.detail.into());
            let links = vec![ways.another_account(), ways.start_page()];
            Words::new(say, no.not_strong_enough.title, details, links)
        }
        LoginRefusal::TooLarge => said(&no.too_large, ways.another_account()),
        LoginRefusal::TooMany { seconds } => {
            Words::new(say, no.too_many, vec![(no.too_many_for)(*seconds)], vec![ways.sign_in()])
        }
    }
}

// === impl Words ===

impl Words {
    fn new(say: &'static Sentences, title: &'static str, details: Vec<String>, links: Vec<Link>) -> Self {
        Self { say, title, details, links }
    }

    /// All of it in one line, as programs are told.
    pub(super) fn detail(&self) -> String {
        self.details.join(" ")
    }

    pub(super) fn page(self, refusal: &Refusal, status: StatusCode, context: &Context) -> Page {
        let say = self.say;
        let links = if self.links.is_empty() { vec![Ways { context, say }.start_page()] } else { self.links };
        // A status has its words in English alone (RFC 9110 §15.1).
        let reason = status.canonical_reason().filter(|_| say.language == Language::English);
        Page {
            eyebrow: format!("{} {}", status.as_u16(), reason.unwrap_or_default()).trim_end().to_owned(),
            paragraphs: self.details,
            links,
            user: match refusal {
                Refusal::RoleMissing { user, .. }
                | Refusal::Login(LoginRefusal::NotStrongEnough { user, .. }) => user.clone(),
                _ => String::new(),
            },
            ..Page::new(page_name(refusal, status), say, self.title)
        }
    }
}

/// Which template may say it.
fn page_name(refusal: &Refusal, status: StatusCode) -> PageName {
    match refusal {
        Refusal::LoginRequired => PageName::SignIn,
        Refusal::Login(LoginRefusal::CookiesOff) => PageName::CookiesOff,
        _ if status == StatusCode::FORBIDDEN => PageName::Forbidden,
        _ => PageName::Error,
    }
}

fn quotation(error: &str, description: Option<&str>) -> String {
    let short = |text: &str| text.chars().take(300).collect::<String>();
    match description {
        Some(description) => format!("{} ({})", short(description), short(error)),
        None => format!("({})", short(error)),
    }
}
