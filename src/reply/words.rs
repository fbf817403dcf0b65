//! What each refusal says: what happened, why, and the way out.

use http::StatusCode;
use url::form_urlencoded::byte_serialize;

use super::{Context, Link, Page};
use crate::config::settings::Requirement;
use crate::config::template::PageName;
use crate::refusal::{LoginRefusal, Refusal};

pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) detail: String,
    links: Vec<Link>,
}

pub(super) fn of(refusal: &Refusal, context: &Context) -> Words {
    match refusal {
        Refusal::LoginRequired => Words {
            title: "Please sign in",
            detail: "This needs a signed-in session.".into(),
            links: vec![Link::new("Sign in", login_url(context))],
        },
        Refusal::Bearer(_) => say("The token does not count", "The bearer token of this request is not valid here."),
        Refusal::Nameless(_) => say(
            "The token names nobody",
            "The bearer token of this request is valid, but does not say who it speaks for in the way that this service needs.",
        ),
        Refusal::Stronger { requirement, .. } => Words {
            title: "Please sign in again",
            detail: missing(requirement),
            links: vec![Link::new("Sign in", login_url(context))],
        },
        Refusal::RoleMissing { user, requirement, .. } => Words {
            title: "You may not see this",
            detail: format!("You are signed in as {user}. {}", missing(requirement)),
            links: vec![another_account(context), Link::new("Start page", "/")],
        },
        Refusal::MethodNotNamed => say("This method is not allowed here", "No rule for this path names the method of your request."),
        Refusal::Address => say("You may not see this from here", "This path is not open to your network address."),
        Refusal::ClientCertificate => say("A client certificate is needed", "This is open only to those who show a certificate when they connect, and your browser or program showed none that counts."),
        Refusal::Origin => say("Connection refused", "A page of another site tried to open a connection with your session."),
        Refusal::Unwritable => say("Your account cannot be passed on", "Something in your account cannot be written as a header; the administrator can see what in the log."),
        Refusal::Outage => Words {
            title: "Please try again in a moment",
            detail: "What your request carries has to be checked with the sign-in service, and that cannot be reached.".into(),
            links: retry(context),
        },
        Refusal::StoreOutage => Words {
            title: "Please try again in a moment",
            detail: "Who is signed in here is kept at a place that cannot be reached. Nobody has been signed out.".into(),
            links: retry(context),
        },
        Refusal::TokensNotKept => Words {
            title: "Your browser did not send all of the sign-in",
            detail: "You are signed in, but the cookie that this page needs besides was not kept. It may be blocked, or too large for a proxy on the way.".into(),
            links: retry(context),
        },
        Refusal::SessionTooLarge => Words {
            title: "There is too much about your account",
            detail: "You are signed in, but what the sign-in service now says about your account does not fit into your browser's cookies any more. Once there is less, sign out and in again.".into(),
            links: vec![Link::new("Sign out", format!("{}/signout", context.auth_prefix))],
        },
        Refusal::NoEntropy => say("Something is wrong here", "The system has no randomness to give, so nothing can be signed in."),
        Refusal::NotFound | Refusal::OwnPath => say("There is no such page", "The address lies under the gate's own prefix, and nothing is there."),
        Refusal::Outside => say("There is nothing here", "The address is not one that the application serves."),
        Refusal::MethodNotAllowed { .. } | Refusal::Method => say("This method is not allowed here", "The address does not answer this kind of request."),
        Refusal::Misdirected => say("Wrong address", "This service is reached under another host name."),
        Refusal::Cleartext => say("This address is not encrypted", "What was sent here could be read on the way, and has not been passed on. The address begins with https://."),
        Refusal::TargetTooLong => say("The address is too long", "The address of this request is longer than this service accepts."),
        Refusal::HeadTooLarge => Words {
            title: "Your browser sent too much",
            detail: "The headers of the request, cookies included, are larger than this service accepts. The gate's own cookies have been cleared.".into(),
            links: retry(context),
        },
        Refusal::Expectation => say("Expectation failed", "The request expects something that this service does not do."),
        Refusal::Framing(_) | Refusal::Host | Refusal::Target | Refusal::Path(_) | Refusal::Gateway(_) => {
            say("This request has no single meaning", "Servers could read this address or request in different ways, so it was refused.")
        }
        Refusal::BodyTooLarge => say("What you sent is too large", "The body of the request is larger than this service accepts."),
        Refusal::Body { slow: true, .. } => say("Your request came too slowly", "Its body stopped before its end."),
        Refusal::Body { .. } => say("Your request broke off", "Its body ended before it should have."),
        Refusal::Upstream { slow: true, .. } => Words {
            title: "The application is too slow",
            detail: "It did not answer in time.".into(),
            links: retry(context),
        },
        Refusal::Crowded => Words {
            title: "Too many requests at once",
            detail: "From where you are, as many are being answered as may be. Try again in a few seconds.".into(),
            links: retry(context),
        },
        Refusal::UpstreamBusy => Words {
            title: "The application is busy",
            detail: "It has as many requests to answer as it can take. Try again in a few seconds.".into(),
            links: retry(context),
        },
        Refusal::Upstream { .. } => Words {
            title: "The application cannot be reached",
            detail: "You are through the gate, but what lies behind it gave no usable answer.".into(),
            links: retry(context),
        },
        Refusal::Login(refusal) => of_login(refusal, context),
    }
}

/// Where a program, or a person on a page, is told to begin a login for what was asked.
pub(super) fn login_url(context: &Context) -> String {
    let start = format!("{}/start", context.auth_prefix);
    match keepable(context) {
        Some(target) => format!("{start}?rd={}", encoded(target)),
        None => start,
    }
}

// === impl Words ===

impl Words {
    pub(super) fn page(self, refusal: &Refusal, status: StatusCode) -> Page {
        let links = if self.links.is_empty() { vec![Link::new("Start page", "/")] } else { self.links };
        Page {
            title: self.title.into(),
            eyebrow: format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()),
            name: page_name(refusal, status),
            paragraphs: vec![self.detail],
            links,
            user: match refusal {
                Refusal::RoleMissing { user, .. }
                | Refusal::Login(LoginRefusal::NotStrongEnough { user, .. }) => user.clone(),
                _ => String::new(),
            },
            ..Page::default()
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

fn of_login(refusal: &LoginRefusal, context: &Context) -> Words {
    // Not "again": most who see these pages never were signed in.
    let sign_in = || vec![Link::new("Sign in", login_url(context))];
    let words = |title, detail: &str, links| Words { title, detail: detail.to_owned(), links };
    match refusal {
        LoginRefusal::Parameters(what) if what.starts_with("start_") => words(
            "This link to sign in does not work",
            "It is cut short, or asks for something that is not offered here.",
            sign_in(),
        ),
        LoginRefusal::Parameters(_) => words(
            "The sign-in could not be finished",
            "The sign-in service sent your browser back with an address that is not as it should be.",
            sign_in(),
        ),
        LoginRefusal::CookiesOff => words(
            "Your browser did not send the sign-in cookie",
            "Signing in needs cookies for this site. Allow them, then sign in.",
            sign_in(),
        ),
        LoginRefusal::Denied { description } => Words {
            title: "The sign-in was refused",
            detail: said("The sign-in service did not let you in.", "access_denied", description.as_deref()),
            links: sign_in(),
        },
        LoginRefusal::PoolSaid { error, description } => Words {
            title: "The sign-in did not work",
            detail: said("The sign-in service reported an error.", error, description.as_deref()),
            links: sign_in(),
        },
        LoginRefusal::PoolAnswer(_) => words(
            "The sign-in did not work",
            "The sign-in service gave an answer that cannot be trusted. The administrator can see why in the log.",
            sign_in(),
        ),
        LoginRefusal::PoolUnreachable(_) => words(
            "Signing in is not possible right now",
            "The sign-in service cannot be reached. Whoever is signed in already stays so.",
            sign_in(),
        ),
        LoginRefusal::NoIdentity(code) => words(
            "Your account cannot be used here",
            match *code {
                "email_not_verified" => {
                    "Your e-mail address is not verified at the sign-in service. Verify it there, then sign in."
                }
                "claim_unwritable" => {
                    "The sign-in service says something about your account that this service cannot pass on. Its operator finds it in the log under the number below."
                }
                "called_as_client" => {
                    "Your user name is that of a program, so nobody could tell the two of you apart."
                }
                _ => {
                    "The sign-in service did not say who you are in the way that this service needs. Its operator finds the reason in the log under the number below."
                }
            },
            vec![another_account(context)],
        ),
        LoginRefusal::NotStrongEnough { user, requirement } => words(
            "This needs a stronger sign-in",
            &format!(
                "You are signed in as {user}. {} The sign-in service did not say that you have done so.",
                missing(requirement)
            ),
            vec![another_account(context), Link::new("Start page", "/")],
        ),
        LoginRefusal::TooLarge => words(
            "There is too much about your account",
            "What the sign-in service says about your account does not fit into your browser's cookies.",
            vec![another_account(context)],
        ),
        LoginRefusal::TooMany { seconds } => Words {
            title: "Too many sign-ins",
            detail: format!(
                "So many sign-ins came from your network address within a minute that this one has to wait; try again in {seconds} s."
            ),
            links: sign_in(),
        },
    }
}

fn say(title: &'static str, detail: &str) -> Words {
    Words { title, detail: detail.into(), links: vec![] }
}

fn said(what: &str, error: &str, description: Option<&str>) -> String {
    let short = |text: &str| text.chars().take(300).collect::<String>();
    match description {
        Some(description) => format!("{what} {} ({})", short(description), short(error)),
        None => format!("{what} ({})", short(error)),
    }
}

fn missing(requirement: &Requirement) -> String {
    let Requirement { any_role, all_roles, any_scope, any_user, any_email_domain, min_acr, max_auth_age } =
        requirement;
    let mut parts = Vec::new();
    match any_role.as_slice() {
        [] => {}
        [role] => parts.push(format!("This page needs the role {role}.")),
        roles => parts.push(format!("This page needs one of the roles {}.", roles.join(", "))),
    }
    if !all_roles.is_empty() {
        parts.push(format!("This page needs the roles {}.", all_roles.join(" and ")));
    }
    if !any_scope.is_empty() {
        parts.push(format!("This page needs the scope {}.", any_scope.join(" or ")));
    }
    if !any_user.is_empty() {
        parts.push("This page is for certain people.".into());
    }
    if !any_email_domain.is_empty() {
        parts
            .push(format!("This page needs a verified e-mail address at {}.", any_email_domain.join(" or ")));
    }
    if let Some(acr) = min_acr {
        parts.push(format!("This page needs a sign-in of the class {} or stronger.", acr.wanted));
    }
    if let Some(age) = max_auth_age {
        parts.push(format!(
            "This page needs a sign-in within the last {} minutes.",
            age.as_secs().div_ceil(60)
        ));
    }
    parts.join(" ")
}

fn another_account(context: &Context) -> Link {
    let target = keepable(context).unwrap_or("/");
    let href = format!("{}/signout?switch=1&rd={}", context.auth_prefix, encoded(target));
    Link::new("Use another account", href)
}

/// What was asked for, unless it is longer than what a login keeps.
fn keepable(context: &Context) -> Option<&str> {
    context.target.as_deref().filter(|target| target.len() <= MAX_TARGET)
}

fn retry(context: &Context) -> Vec<Link> {
    let target = context.target.clone().unwrap_or_else(|| "/".into());
    vec![Link::new("Try again", target)]
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// As `login::return_to::MAX_LEN`, less the origin that is put before it.
const MAX_TARGET: usize = 1900;
