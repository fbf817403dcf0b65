//! The pages on which nothing went wrong. ★

use super::sentences::Sentences;
use super::ways::Ways;
use super::{Context, Link, Page};
use crate::config::template::PageName;

/// Such a page: what it is about, in no language.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Where a sign-out ends.
    SignedOut {
        /// Where signing in again leads.
        target: String,
    },
    /// The same address while somebody is signed in; asks, and signs nobody out.
    SignOut {
        /// Who is.
        user: String,
        /// Their roles, for templates.
        roles: Vec<String>,
        /// The start page's address.
        home: String,
    },
    /// Who is signed in.
    UserInfo {
        /// Who is.
        user: String,
        /// Their roles.
        roles: Vec<String>,
        /// Whether all their sessions can be ended at once.
        everywhere: bool,
    },
}

// === impl Notice ===

impl Notice {
    pub(super) fn page(self, context: &Context, say: &'static Sentences) -> Page {
        let ways = Ways { context, say };
        let own = &say.own;
        let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match self {
            Self::SignedOut { target } => Page {
                paragraphs: vec![own.signed_out.detail.into()],
                links: vec![Link::new("sign_in", say.links.sign_in_again, target)],
                ..Page::new(PageName::SignedOut, say, own.signed_out.title)
            },
            Self::SignOut { user, roles, home } => Page {
                rows: vec![row(own.user, &user)],
                user,
                roles,
                links: vec![ways.sign_out(), Link::new("start_page", say.links.start_page, home)],
                ..Page::new(PageName::SignOut, say, own.signed_in)
            },
            Self::UserInfo { user, roles, everywhere } => {
                let mut rows = vec![row(own.user, &user)];
                match roles.as_slice() {
                    [] => rows.push(row(own.roles, own.no_roles)),
                    // One a line: a role may hold whatever would separate them.
                    roles => rows.extend(roles.iter().map(|role| row(own.roles, role))),
                }
                let mut links = vec![ways.start_page(), ways.sign_out()];
                links.extend(everywhere.then(|| ways.sign_out_everywhere()));
                Page { rows, user, roles, links, ..Page::new(PageName::UserInfo, say, own.signed_in) }
            }
        }
    }
}
