//! What a pool file may say beyond its shape; every problem at its place, all at once.

use std::collections::BTreeSet;
use std::path::Path;

use toml_edit::{Document, Item};

use super::{ClientSeed, GroupSeed, PoolTable, Seed, SeedProblem};

/// Collects problems against the text they are in.
pub(super) struct Check<'a> {
    file: &'a Path,
    text: &'a str,
    document: Document<&'a str>,
    problems: Vec<SeedProblem>,
}

/// A step from a table or a list to what is in it.
#[derive(Clone, Copy)]
enum At<'a> {
    Key(&'a str),
    Index(usize),
}

// === impl Check ===

impl<'a> Check<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str, document: Document<&'a str>) -> Self {
        Self { file, text, document, problems: Vec::new() }
    }

    /// What was found.
    pub(super) fn problems(self) -> Vec<SeedProblem> {
        self.problems
    }

    pub(super) fn pool(&mut self, pool: &PoolTable) {
        let Some(id) = &pool.id else { return };
        let shaped = id.split_once('_').is_some_and(|(region, rest)| {
            !region.is_empty()
                && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if !shaped || id.len() > 55 {
            let message = format!("pool id {id:?} is not region_letters, like \"local_devpool1\"");
            self.problem(&[At::Key("pool"), At::Key("id")], message);
        }
    }

    pub(super) fn groups(&mut self, groups: &[GroupSeed]) {
        let mut seen = BTreeSet::new();
        for (index, group) in groups.iter().enumerate() {
            let at = [At::Key("groups"), At::Index(index), At::Key("name")];
            let length = group.name.chars().count();
            if !(1..=128).contains(&length) || group.name.chars().any(|c| c.is_whitespace() || c.is_control())
            {
                let message = "a group's name has 1 to 128 characters, none of them a space";
                self.problem(&at, message.to_owned());
            }
            if !seen.insert(&group.name) {
                self.problem(&at, format!("there are two groups of the name {:?}; remove one", group.name));
            }
        }
    }

    pub(super) fn users(&mut self, seed: &Seed) {
        let mut seen = BTreeSet::new();
        for (index, user) in seed.users.iter().enumerate() {
            let user_at = |rest: &[At<'static>]| {
                let mut at = vec![At::Key("users"), At::Index(index)];
                at.extend_from_slice(rest);
                at
            };
            if user.name.is_empty() || user.name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let message = "a user's name is not empty and has no spaces";
                self.problem(&user_at(&[At::Key("name")]), message.to_owned());
            }
            // User names do not know case in a pool as the console makes it.
            if !seen.insert(user.name.to_lowercase()) {
                let message = format!("there are two users of the name {:?}; rename one", user.name);
                self.problem(&user_at(&[At::Key("name")]), message);
            }
            for (at, name) in user.groups.iter().enumerate() {
                if !seed.groups.iter().any(|group| group.name == *name) {
                    let known = names(&seed.groups);
                    let message =
                        format!("there is no group {name:?}; add it under [[groups]] (there: {known})");
                    self.problem(&user_at(&[At::Key("groups"), At::Index(at)]), message);
                }
            }
            for name in user.attributes.keys() {
                let custom = name.strip_prefix("custom:").is_some_and(|rest| (1..=20).contains(&rest.len()));
                if !custom && !STANDARD_ATTRIBUTES.contains(&name.as_str()) {
                    let message = format!(
                        "{name:?} is no attribute; your own begin with \"custom:\", the standard ones are {}",
                        STANDARD_ATTRIBUTES.join(", ")
                    );
                    self.problem(&user_at(&[At::Key("attributes")]), message);
                }
            }
        }
    }

    pub(super) fn builtin_users(&mut self, seed: &Seed) {
        for user in &seed.users {
            for name in &user.groups {
                if !seed.groups.iter().any(|group| group.name == *name) {
                    let message = format!(
                        "the built-in user {:?} is in the group {name:?}, which is not here; add the group, or write [[users]] too",
                        user.name
                    );
                    self.problem(&[At::Key("groups"), At::Index(0)], message);
                }
            }
        }
    }

    pub(super) fn clients(&mut self, clients: &[ClientSeed]) {
        let mut seen = BTreeSet::new();
        for (index, client) in clients.iter().enumerate() {
            let at = |key| [At::Key("clients"), At::Index(index), At::Key(key)];
            if client.id.is_empty()
                || !client.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+".contains(&b))
            {
                self.problem(&at("id"), "a client's id is of letters, digits, _ and +".to_owned());
            }
            if !seen.insert(&client.id) {
                self.problem(&at("id"), format!("there are two clients {:?}; rename one", client.id));
            }
            if client.secrets.iter().any(String::is_empty) {
                self.problem(
                    &at("secrets"),
                    "a secret is empty; leave the list out for a public client".to_owned(),
                );
            }
            if client.rotation_grace.0 > 60 {
                self.problem(&at("rotation_grace"), "the grace is at most \"60s\", as at Cognito".to_owned());
            }
            for key in ["callback_urls", "logout_urls"] {
                let urls = if key == "logout_urls" { &client.logout_urls } else { &client.callback_urls };
                for url in urls.iter().filter(|url| !is_absolute(url)) {
                    self.problem(&at(key), format!("{url:?} is not an absolute address without a fragment"));
                }
            }
        }
    }

    /// Notes a problem at the deepest part of `at` that the text has.
    fn problem(&mut self, at: &[At<'_>], message: String) {
        let mut item: &Item = self.document.as_item();
        let mut span = item.span();
        for step in at {
            let next = match step {
                At::Key(key) => item.get(key),
                At::Index(index) => item.get(index),
            };
            if let Some(value) = item.as_array().zip(index_of(step)).and_then(|(list, at)| list.get(at)) {
                span = value.span().or(span);
                break;
            }
            let Some(next) = next else { break };
            span = next.span().or(span);
            item = next;
        }
        let (line, column) = place(self.text, span.map_or(0, |span| span.start));
        self.problems.push(SeedProblem { file: self.file.to_owned(), line, column, message });
    }
}

fn index_of(step: &At<'_>) -> Option<usize> {
    match step {
        At::Index(index) => Some(*index),
        At::Key(_) => None,
    }
}

/// An address that a client may register (RFC 6749 §3.1.2).
fn is_absolute(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| url.fragment().is_none())
}

fn names(groups: &[GroupSeed]) -> String {
    groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ")
}

pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// OpenID Connect Core §5.1, as Cognito has them.
pub(in crate::devpool) const STANDARD_ATTRIBUTES: [&str; 19] = [
    "address",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "updated_at",
    "website",
    "zoneinfo",
];
