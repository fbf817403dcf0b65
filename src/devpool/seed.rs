//! What a pool holds at its start: users, groups and clients, built in or from a TOML file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml_edit::{Document, Item};

use super::random;

/// Users, groups and clients of a pool.
#[derive(Debug, Clone)]
pub struct Seed {
    pub(super) pool_id: String,
    pub(super) users: Vec<UserSeed>,
    pub(super) groups: Vec<GroupSeed>,
    /// Empty: the built-in client, with a secret of its own at each start.
    pub(super) clients: Vec<ClientSeed>,
}

/// `[[users]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserSeed {
    pub(super) name: String,
    pub(super) password: String,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, Scalar>,
    #[serde(default)]
    pub(super) disabled: bool,
    /// Fixed, or made from the pool id and the name.
    pub(super) sub: Option<String>,
    /// Offered on the login page, with the password filled in.
    #[serde(default = "yes")]
    pub(super) pick: bool,
}

/// `[[groups]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupSeed {
    pub(super) name: String,
    pub(super) precedence: Option<u32>,
    pub(super) role_arn: Option<String>,
}

/// `[[clients]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientSeed {
    pub(super) id: String,
    /// None: a public client. Several: any of them is good, as while one is being replaced.
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    #[serde(default)]
    pub(super) callback_urls: Vec<String>,
    #[serde(default)]
    pub(super) logout_urls: Vec<String>,
    #[serde(default = "all_scopes")]
    pub(super) scopes: Vec<String>,
    #[serde(default = "an_hour")]
    pub(super) id_token_lifetime: Lifetime,
    #[serde(default = "an_hour")]
    pub(super) access_token_lifetime: Lifetime,
    #[serde(default = "a_month")]
    pub(super) refresh_token_lifetime: Lifetime,
    #[serde(default)]
    pub(super) refresh_rotation: bool,
    /// How long a replaced refresh token still works: at most 60 s.
    #[serde(default = "none")]
    pub(super) rotation_grace: Lifetime,
    /// None: every attribute.
    pub(super) read_attributes: Option<Vec<String>>,
}

/// Seconds, written as `"90s"`, `"60m"`, `"12h"` or `"30d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime(pub(super) u64);

/// An attribute's value. In Cognito every one is a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar(pub(super) String);

/// A pool file is wrong: every problem with its place.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file could not be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says what cannot be.
    #[error("{}", lines(.0))]
    Wrong(Vec<SeedProblem>),
}

/// One thing that is wrong in a pool file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedProblem {
    /// Which file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, and how to mend it.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    pool: PoolTable,
    users: Option<Vec<UserSeed>>,
    groups: Option<Vec<GroupSeed>>,
    clients: Option<Vec<ClientSeed>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PoolTable {
    id: Option<String>,
}

/// Collects problems against the text they are in.
struct Check<'a> {
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

// === impl Seed ===

impl Seed {
    /// `admin`, `editor`, `viewer` and `guest`, each with its name as password.
    pub fn builtin() -> Self {
        let user = |name: &str, groups: &[&str]| UserSeed {
            name: name.to_owned(),
            password: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            attributes: [("email", format!("{name}@example.com")), ("email_verified", "true".to_owned())]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Scalar(value)))
                .collect(),
            disabled: false,
            sub: None,
            pick: true,
        };
        let group = |name: &str| GroupSeed { name: name.to_owned(), precedence: None, role_arn: None };
        Self {
            pool_id: POOL_ID.to_owned(),
            users: vec![
                user("admin", &["admin", "editor", "viewer"]),
                user("editor", &["editor", "viewer"]),
                user("viewer", &["viewer"]),
                user("guest", &[]),
            ],
            groups: ["admin", "editor", "viewer"].map(group).into(),
            clients: Vec::new(),
        }
    }

    /// From a pool file; a table that it leaves out keeps its built-in content.
    pub fn from_file(file: &Path) -> Result<Self, SeedError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| SeedError::Read { file: file.to_owned(), source })?;
        Self::from_text(file, &text)
    }

    /// From the text of a pool file.
    pub(super) fn from_text(file: &Path, text: &str) -> Result<Self, SeedError> {
        let wrong = |message: &str, at: Option<std::ops::Range<usize>>| {
            let (line, column) = place(text, at.map_or(0, |span| span.start));
            let message = message.trim().replace('\n', ": ");
            SeedError::Wrong(vec![SeedProblem { file: file.to_owned(), line, column, message }])
        };
        let document = Document::parse(text).map_err(|error| wrong(error.message(), error.span()))?;
        let raw: File =
            toml_edit::de::from_str(text).map_err(|error| wrong(error.message(), error.span()))?;

        let mut check = Check { file, text, document, problems: Vec::new() };
        check.pool(&raw.pool);
        check.groups(raw.groups.as_deref().unwrap_or_default());
        let (has_users, has_groups) = (raw.users.is_some(), raw.groups.is_some());
        let builtin = Self::builtin();
        let seed = Self {
            pool_id: raw.pool.id.unwrap_or(builtin.pool_id),
            users: raw.users.unwrap_or(builtin.users),
            groups: raw.groups.unwrap_or(builtin.groups),
            clients: raw.clients.unwrap_or_default(),
        };
        if has_users {
            check.users(&seed);
        } else if has_groups {
            check.builtin_users(&seed);
        }
        check.clients(&seed.clients);
        if check.problems.is_empty() { Ok(seed) } else { Err(SeedError::Wrong(check.problems)) }
    }

    /// Gives every user a random password and takes the pick list off the login page, for a pool that other
    /// machines can reach. Returns names and passwords, to be shown once.
    pub fn randomize_passwords(&mut self) -> Vec<(String, String)> {
        self.users
            .iter_mut()
            .map(|user| {
                user.password = random::token::<12>();
                user.pick = false;
                (user.name.clone(), user.password.clone())
            })
            .collect()
    }
}

// === impl Check ===

impl Check<'_> {
    fn pool(&mut self, pool: &PoolTable) {
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

    fn groups(&mut self, groups: &[GroupSeed]) {
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

    fn users(&mut self, seed: &Seed) {
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

    fn builtin_users(&mut self, seed: &Seed) {
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

    fn clients(&mut self, clients: &[ClientSeed]) {
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
pub(super) fn is_absolute(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| url.fragment().is_none())
}

fn names(groups: &[GroupSeed]) -> String {
    groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn lines(problems: &[SeedProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

// === impl SeedProblem ===

impl fmt::Display for SeedProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)
    }
}

// === impl Lifetime ===

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => 0,
        };
        let count = text.get(..text.len().saturating_sub(1)).and_then(|digits| digits.parse::<u32>().ok());
        match count {
            Some(count) if unit > 0 => Ok(Self(u64::from(count) * unit)),
            _ => Err(serde::de::Error::custom(format!(
                "expected a time like \"90s\", \"60m\", \"12h\" or \"30d\", found {text:?}"
            ))),
        }
    }
}

// === impl Scalar ===

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a string, a number or a boolean")]
        enum Any {
            Text(String),
            Truth(bool),
            Number(i64),
        }
        Ok(Self(match Any::deserialize(input)? {
            Any::Text(text) => text,
            Any::Truth(truth) => truth.to_string(),
            Any::Number(number) => number.to_string(),
        }))
    }
}

fn yes() -> bool {
    true
}

fn none() -> Lifetime {
    Lifetime(0)
}

fn an_hour() -> Lifetime {
    Lifetime(3_600)
}

fn a_month() -> Lifetime {
    Lifetime(30 * 86_400)
}

/// The reserved scopes, which a client of the console's making has.
pub(super) fn all_scopes() -> Vec<String> {
    ["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"].map(str::to_owned).into()
}

const POOL_ID: &str = "local_devpool1";

/// OpenID Connect Core §5.1, as Cognito has them.
const STANDARD_ATTRIBUTES: [&str; 19] = [
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
