//! The links of a page: the ways out of whatever it says. ★

use url::form_urlencoded::byte_serialize;

use super::sentences::Sentences;
use super::{Context, Link};

/// Whose links, and in which language.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    pub(super) context: &'a Context,
    pub(super) say: &'static Sentences,
}

/// Where a program, or a person on a page, is told to begin a login for what was asked.
pub(super) fn login_url(context: &Context) -> String {
    let start = format!("{}/start", context.auth_prefix);
    match keepable(context) {
        Some(target) => format!("{start}?rd={}", encoded(target)),
        None => start,
    }
}

// === impl Ways ===

impl Ways<'_> {
    pub(super) fn sign_in(self) -> Link {
        Link::new("sign_in", self.say.links.sign_in, login_url(self.context))
    }

    pub(super) fn another_account(self) -> Link {
        let target = keepable(self.context).unwrap_or("/");
        let href = format!("{}/signout?switch=1&rd={}", self.context.auth_prefix, encoded(target));
        Link::new("another_account", self.say.links.another_account, href)
    }

    pub(super) fn sign_out(self) -> Link {
        Link::new("sign_out", self.say.links.sign_out, format!("{}/signout", self.context.auth_prefix))
    }

    pub(super) fn sign_out_everywhere(self) -> Link {
        let href = format!("{}/signout?everywhere=1", self.context.auth_prefix);
        Link::new("sign_out_everywhere", self.say.links.sign_out_everywhere, href)
    }

    pub(super) fn start_page(self) -> Link {
        Link::new("start_page", self.say.links.start_page, "/")
    }

    pub(super) fn retry(self) -> Link {
        Link::new("retry", self.say.links.retry, self.context.target.clone().unwrap_or_else(|| "/".into()))
    }
}

/// What was asked for, unless it is longer than what a login keeps.
fn keepable(context: &Context) -> Option<&str> {
    context.target.as_deref().filter(|target| target.len() <= MAX_TARGET)
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// As `login::return_to::MAX_LEN`, less the origin that is put before it.
const MAX_TARGET: usize = 1900;
