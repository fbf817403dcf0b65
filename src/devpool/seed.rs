//! What a pool holds at its start: users, groups and clients, built in or from a TOML file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml_edit::Document;

use self::check::{Check, place};
use super::account::Status;
use super::trigger::{TriggerSeed, TriggerTable};
use super::{random, totp};

mod access;
pub(super) mod check;

pub(super) use self::access::{FederatedSeed, Flow, Plan, ProviderKind, ProviderSeed, ResourceServerSeed};

/// Users, groups and clients of a pool.
#[derive(Debug, Clone)]
pub struct Seed {
    pub(super) pool_id: String,
    pub(super) users: Vec<UserSeed>,
    pub(super) groups: Vec<GroupSeed>,
    /// Empty: the built-in client, with a secret of its own at each start.
    pub(super) clients: Vec<ClientSeed>,
    /// Whether the users are the built-in ones, whose passwords everyone knows.
    pub(super) builtin_users: bool,
    pub(super) plan: Plan,
    /// Where the keys are kept; None: new ones at each start.
    pub(super) state_dir: Option<PathBuf>,
    /// The issuer has the form of AWS's.
    pub(super) aws_issuer: bool,
    pub(super) resource_servers: Vec<ResourceServerSeed>,
    pub(super) providers: Vec<ProviderSeed>,
    pub(super) federated_users: Vec<FederatedSeed>,
    pub(super) trigger: Option<TriggerSeed>,
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

    /// What has to happen before a sign-in: `FORCE_CHANGE_PASSWORD` asks for a new password first.
    #[serde(default)]
    pub(super) status: Status,
    /// The key of an authenticator app, in base32. With it, every sign-in asks for a code.
    pub(super) totp_secret: Option<totp::Key>,
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
    /// None: all reserved ones; a machine's: all of the resource servers.
    pub(super) scopes: Option<Vec<String>>,
    #[serde(default = "only_code")]
    pub(super) flows: Vec<Flow>,
    /// None: all, and the pool's own users.
    pub(super) identity_providers: Option<Vec<String>>,
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
    /// None: every attribute.
    pub(super) write_attributes: Option<Vec<String>>,

    /// The ways to sign in through the JSON API.
    #[serde(default = "all_flows")]
    pub(super) auth_flows: Vec<AuthFlow>,
}

/// A way to sign in through the JSON API, by the name it has in `ExplicitAuthFlows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum AuthFlow {
    #[serde(rename = "ALLOW_USER_PASSWORD_AUTH")]
    UserPassword,
    #[serde(rename = "ALLOW_ADMIN_USER_PASSWORD_AUTH")]
    AdminUserPassword,
    #[serde(rename = "ALLOW_USER_SRP_AUTH")]
    UserSrp,
    #[serde(rename = "ALLOW_REFRESH_TOKEN_AUTH")]
    RefreshToken,
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
    #[serde(default)]
    resource_servers: Vec<ResourceServerSeed>,
    #[serde(default)]
    identity_providers: Vec<ProviderSeed>,
    #[serde(default)]
    federated_users: Vec<FederatedSeed>,
    trigger: Option<TriggerTable>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PoolTable {
    id: Option<String>,
    #[serde(default)]
    plan: Plan,
    state_dir: Option<PathBuf>,
    #[serde(default)]
    aws_issuer: bool,
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
            status: Status::Confirmed,
            totp_secret: None,
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
            builtin_users: true,
            plan: Plan::default(),
            state_dir: None,
            aws_issuer: false,
            resource_servers: Vec::new(),
            providers: Vec::new(),
            federated_users: Vec::new(),
            trigger: None,
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

        let mut check = Check::new(file, text, document);
        check.pool(&raw.pool);
        check.issuer(&raw.pool);
        check.groups(raw.groups.as_deref().unwrap_or_default());
        let (has_users, has_groups) = (raw.users.is_some(), raw.groups.is_some());
        let builtin = Self::builtin();
        let folder = file.parent().unwrap_or(Path::new(""));
        let trigger = raw.trigger.and_then(|table| check.trigger(table, folder, raw.pool.plan));
        let seed = Self {
            pool_id: raw.pool.id.unwrap_or(builtin.pool_id),
            users: raw.users.unwrap_or(builtin.users),
            groups: raw.groups.unwrap_or(builtin.groups),
            clients: raw.clients.unwrap_or_default(),
            builtin_users: !has_users,
            plan: raw.pool.plan,
            state_dir: raw.pool.state_dir.map(|path| folder.join(path)),
            aws_issuer: raw.pool.aws_issuer,
            resource_servers: raw.resource_servers,
            providers: raw.identity_providers,
            federated_users: raw.federated_users,
            trigger,
        };
        if has_users {
            check.users(&seed);
        } else if has_groups {
            check.builtin_users(&seed);
        }
        check.clients(&seed.clients);
        check.resource_servers(&seed.resource_servers);
        check.access(&seed);
        check.federation(&seed);
        let problems = check.problems();
        if problems.is_empty() { Ok(seed) } else { Err(SeedError::Wrong(problems)) }
    }

    /// The names of those who may sign in with a password, in their order.
    pub fn people(&self) -> Vec<&str> {
        self.users.iter().filter(|user| !user.disabled).map(|user| user.name.as_str()).collect()
    }

    /// Whether they are the built-in users.
    pub fn has_builtin_users(&self) -> bool {
        self.builtin_users
    }

    /// Gives every built-in user a random password and takes the pick list off the login page, for a pool that other
    /// machines can reach. Returns names and passwords, to be shown once.
    pub fn randomize_passwords(&mut self) -> Vec<(String, String)> {
        if !self.builtin_users {
            return Vec::new();
        }
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

fn only_code() -> Vec<Flow> {
    vec![Flow::Code]
}

/// The reserved scopes, which a client of the console's making has.
pub(super) fn all_scopes() -> Vec<String> {
    ["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"].map(str::to_owned).into()
}

/// All flows that there are here.
pub(super) fn all_flows() -> Vec<AuthFlow> {
    vec![AuthFlow::UserPassword, AuthFlow::AdminUserPassword, AuthFlow::UserSrp, AuthFlow::RefreshToken]
}

const POOL_ID: &str = "local_devpool1";
