//! The configuration as the gate uses it: types that cannot be wrong, made once by `check`. ★
//!
//! Nothing here reads a file or the environment. Durations are real durations, patterns are parsed,
//! addresses are resolved as far as text allows, and every default has been applied.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::secret::Secret;
use super::template::Templates;
use crate::rule::path::Pattern;
use crate::tls::certificate::Certificate;

mod handed;

pub use handed::{Assertion, AssertionKind, PassToken, PassedOn};

/// Everything `run` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public origins, in the order written; never empty. Each has its own callback, cookies and seal.
    pub origins: Vec<Origin>,
    /// The public listener. Default `127.0.0.1:4180`.
    pub listen: SocketAddr,
    /// The admin listener (`/livez`, `/readyz`, `/metrics`). Default `127.0.0.1:4181`.
    pub admin_listen: SocketAddr,
    /// TLS on the public listener; `None`: cleartext, behind a balancer or on a loopback host.
    pub tls: Option<Tls>,
    /// Where the gate's own pages live, without a trailing slash. Default `/oauth2`.
    pub auth_prefix: String,
    /// Where allowed requests go: first the top level's `upstream`, then those that rules name.
    pub upstreams: Vec<Upstream>,
    /// Forward the client's `Host` (true, the default) or the upstream's own.
    pub pass_host: bool,
    /// The rules as written, in order.
    pub rules: Vec<Rule>,
    /// What a path needs where no rule says otherwise (`required_roles`).
    pub default: Requirement,
    /// The identity provider.
    pub provider: Provider,
    /// How long a session lives, and what it is sealed with.
    pub session: Session,
    /// How claims become a user, roles and headers.
    pub identity: Identity,
    /// A signed statement of who asks, for the upstream. Default: none.
    pub assertion: Option<Assertion>,
    /// Bearer tokens; `None`: `Authorization` is no affair of the gate's.
    pub bearer: Option<Bearer>,
    /// Peers whose `X-Forwarded-*` are believed. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// Hosts beside the origins that a return address may name. Default: none.
    pub allowed_return_hosts: Vec<ReturnHost>,
    /// Bounds on what a client or an upstream may do.
    pub limits: Limits,
    /// The gate's own pages.
    pub pages: Pages,
    /// What is written about each request, and how.
    pub log: Log,
    /// Worker threads. Default: the cores this process may use.
    pub workers: usize,
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext: a public origin only on a loopback host.
    Http,
    /// TLS.
    Https,
}

/// One public origin: scheme, lower-case host, port (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The scheme a browser uses; what listens here may still be cleartext behind a balancer.
    pub scheme: Scheme,
    /// Lower-case, no trailing dot; an IPv6 address in brackets.
    pub host: String,
    /// The effective port, the scheme's default included.
    pub port: u16,
}

/// `[tls]`.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Never empty. The first that covers the name a client asks for is shown, else the first.
    pub certificates: Vec<Certificate>,
    /// The oldest version spoken. Default 1.2.
    pub min_version: TlsVersion,
    /// The cleartext listener that sends browsers to a public origin. Default: none.
    pub redirect_listen: Option<SocketAddr>,
}

/// A version of TLS; what is older than these is not spoken (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// Where allowed requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// `http://host:port`.
    Http {
        /// Host name or address as written (IPv6 in brackets).
        host: String,
        /// Port, 80 by default.
        port: u16,
    },
    /// `https://host:port`, verified against the system's roots or `upstream_ca_file`.
    Https {
        /// Host name or address as written.
        host: String,
        /// Port, 443 by default.
        port: u16,
        /// PEM bundle that replaces the system's roots for this upstream.
        ca_file: Option<PathBuf>,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

/// One `[[rules]]` table.
#[derive(Debug, Clone)]
pub struct Rule {
    /// How log lines, `explain` and pages name it, e.g. `rules[2] /admin/**`.
    pub name: String,
    /// Lower-case host without port; `None`: any host.
    pub host: Option<String>,
    /// Exact or prefix pattern.
    pub path: Pattern,
    /// Upper-case methods; `None`: all. `GET` covers `HEAD`.
    pub methods: Option<Vec<String>>,
    /// Public, or what it needs.
    pub access: Access,
    /// What a navigation without a session gets. Default `Login`.
    pub unauthenticated: Unauthenticated,
    /// Let true CORS preflights through without identity.
    pub preflight: bool,
    /// Only these client addresses (in addition to everything else); empty: any.
    pub from: Vec<Network>,
    /// Leave the answer's cacheability alone.
    pub cacheable: bool,
    /// The token that the upstream is handed as `Authorization: Bearer`. Default: none.
    pub pass_token: Option<PassToken>,
    /// Which bearer tokens count here; `None`: those of `[bearer] tokens`.
    pub bearer: Option<BearerUse>,
    /// An escaped slash is part of a path here, as a byte of a segment.
    pub keeps_slashes: bool,
    /// Which of [`Config::upstreams`].
    pub upstream: usize,
}

/// `[bearer]`.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Which tokens count where no rule says otherwise. Default: access tokens.
    pub tokens: TokenChoice,
    /// The app clients whose tokens count.
    pub clients: Vec<String>,
    /// The resources that an access token may be bound to.
    pub audiences: Vec<String>,
    /// Whether the upstream is handed the token too.
    pub pass: bool,
}

/// Which bearer tokens count on a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerUse {
    /// None.
    Off,
    /// These.
    Of(TokenChoice),
}

/// Whether a rule asks for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// `public = true`, written out.
    Public,
    /// A session that fulfils this.
    Needs(Requirement),
}

/// What a session must have. Every part that is not empty must hold; all empty: being signed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    /// At least one of these roles.
    pub any_role: Vec<String>,
    /// All of these roles.
    pub all_roles: Vec<String>,
    /// At least one of these scopes of the access token.
    pub any_scope: Vec<String>,
    /// One of these users (the value of X-User before encoding).
    pub any_user: Vec<String>,
    /// A verified e-mail address at one of these domains, lower-case.
    pub any_email_domain: Vec<String>,
    /// How strongly the person signed in (`acr`).
    pub min_acr: Option<MinAcr>,
    /// How long ago at most (`auth_time`).
    pub max_auth_age: Option<Duration>,
}

/// The weakest authentication context class that is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinAcr {
    /// What a step-up login asks for.
    pub wanted: String,
    /// It, and all that are stronger.
    pub enough: Vec<String>,
}

/// What a navigation without a session gets on a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unauthenticated {
    /// A redirect to the pool.
    #[default]
    Login,
    /// A 401 page.
    Refuse,
}

/// The identity provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Cognito's peculiarities, or plain OpenID Connect.
    pub kind: ProviderKind,
    /// The issuer whose discovery document is read, byte-exact.
    pub issuer: String,
    /// Further issuers that tokens may name.
    pub additional_issuers: Vec<String>,
    /// The app client.
    pub client_id: String,
    /// Its secrets, the preferred one first: several while they are rotated, none for a public client.
    pub client_secrets: Vec<Secret>,
    /// Default `openid email profile`.
    pub scopes: Vec<String>,
    /// What access tokens are to be bound to (RFC 8707 `resource`); a token that names another is not for us.
    pub resources: Vec<String>,
    /// What a login asks of the provider beyond what the protocol needs.
    pub parameters: LoginParameters,
    /// PEM bundle that replaces the system's roots for calls to the provider.
    pub ca_file: Option<PathBuf>,
    /// Calls to the first origin go to the second: `rolegate dev` behind a mapped port, where the browser's
    /// address of the pool is not the gate's. No key sets it.
    pub shortcut: Option<(String, String)>,
}

/// What a login asks of the provider beyond what the protocol needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginParameters {
    /// Cognito: the identity provider to go straight to.
    pub identity_provider: Parameter,
    /// Cognito: the same by an identifier, such as an e-mail domain. Never together with the former.
    pub idp_identifier: Parameter,
    /// The language of the provider's pages.
    pub lang: Parameter,
    /// Who is about to sign in.
    pub login_hint: Parameter,
    /// `none`, or any of `login`, `select_account`, `consent`.
    pub prompt: Parameter,
}

/// When a parameter goes to the provider. Never with a value that is not configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Parameter {
    /// Not at all.
    #[default]
    Never,
    /// With every login.
    Always(String),
    /// When a link to `start` chooses one of these; never empty.
    OneOf(Vec<String>),
}

/// What kind of provider it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// A Cognito user pool.
    Cognito {
        /// The pool id; the automatic group `<pool id>_<provider>` is recognised by it.
        pool_id: String,
        /// The pool's domain as an origin (`https://login.example.com`) if written; then discovery must agree.
        domain: Option<String>,
    },
    /// Any other OpenID provider: no `token_use`, RP-initiated logout.
    Oidc,
}

/// `[session]`.
#[derive(Debug, Clone)]
pub struct Session {
    /// The sealing keys, each 32 bytes; the first seals, all open. Never empty.
    pub keys: Vec<Secret>,
    /// Absolute life. Default 12 h.
    pub max_age: Duration,
    /// Idle life. Default: none.
    pub idle: Option<Duration>,
    /// How old roles may be before a refresh. Default 15 min.
    pub max_role_age: Duration,
    /// How long after the access token's end roles are still served while the provider is down. Default 1 h.
    pub outage_grace: Duration,
    /// Base of the cookie names, without `__Host-`. Default `rolegate`.
    pub cookie_name: String,
}

/// `[identity]`.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The claim that becomes X-User: `cognito:username` (Cognito) or `sub` (OpenID) by default.
    pub user: String,
    /// Where roles come from; sources add up.
    pub roles: Vec<RoleSource>,
    /// Further claims handed to the upstream as headers.
    pub headers: Vec<ClaimHeader>,
    /// The headers with the user: `X-User`, then those that were asked for.
    pub user_headers: Vec<http::HeaderName>,
    /// The headers with the roles: `X-Roles`, then those that were asked for.
    pub roles_headers: Vec<http::HeaderName>,
    /// How roles are written. Default `List`.
    pub roles_format: RolesFormat,
    /// What rules ask beside user and roles: nothing else is read out of tokens, or kept.
    pub asked: Asked,
    /// The app clients whose own tokens count: no person may be called as one of them.
    pub machines: Vec<String>,
}

/// How `X-Roles` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RolesFormat {
    /// Comma-separated, percent-encoded.
    #[default]
    List,
    /// A JSON array of strings, in ASCII.
    Json,
}

/// What some rule asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// These scopes.
    pub scopes: Vec<String>,
    /// The e-mail address's domain.
    pub email_domain: bool,
    /// `acr` and `auth_time`.
    pub strength: bool,
}

/// Which token a claim is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenChoice {
    /// Every verified token that carries the claim.
    #[default]
    Either,
    /// The ID token.
    Id,
    /// The access token.
    Access,
}

/// One `[[identity.roles]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSource {
    /// The claim's literal name; never a path.
    pub claim: String,
    /// Which token.
    pub token: TokenChoice,
    /// Cut a string at this separator.
    pub split: Option<String>,
    /// One role for one value, instead of a role for each.
    pub grant: Option<Grant>,
    /// Keep only these values; empty: all.
    pub only: Vec<String>,
    /// What a value is called as a role, where it is called otherwise.
    pub rename: BTreeMap<String, String>,
}

/// A role that a claim of some value grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The value.
    pub test: Test,
    /// The role.
    pub role: String,
}

/// What is asked of a claim's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is exactly this. A text also fits a number or a truth value that is written so.
    Equals(serde_json::Value),
    /// It is a list with this element, or a table with these members and maybe others.
    Contains(serde_json::Value),
}

/// One `[[identity.headers]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimHeader {
    /// The claim's literal name.
    pub claim: String,
    /// The header's name as sent.
    pub header: http::HeaderName,
    /// Which token.
    pub token: TokenChoice,
}

/// A network in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The network's address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

/// One entry of `allowed_return_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnHost {
    /// Lower-case host. With `subdomains`: this domain and all below it.
    pub host: String,
    /// Written with a leading dot.
    pub subdomains: bool,
    /// Which port.
    pub port: ReturnPort,
}

/// Which port a return address may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnPort {
    /// `host`: the scheme's default port alone.
    Default,
    /// `host:8080`.
    Exactly(u16),
    /// `host:*`.
    Any,
}

/// `[limits]`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request target before 414. Default 8 KiB.
    pub target: usize,
    /// Bytes of a request's header lines before 431. Default 32 KiB.
    pub header_bytes: usize,
    /// Header lines before 431. Default 100.
    pub header_count: usize,
    /// For a whole request head to arrive, from its first byte. Default 10 s.
    pub header_timeout: Duration,
    /// For a TLS handshake to be finished. Default 5 s.
    pub handshake_timeout: Duration,
    /// Idle keep-alive connections are closed after this. Default 60 s.
    pub idle_timeout: Duration,
    /// To connect to the upstream. Default 5 s.
    pub connect_timeout: Duration,
    /// For the upstream's head to arrive. Default 60 s.
    pub response_timeout: Duration,
    /// Between two pieces of a body, either way. Default 60 s.
    pub body_idle_timeout: Duration,
    /// Idle upstream connections are dropped after this. Default 4 s.
    pub upstream_idle: Duration,
    /// How long a stop waits for open requests. Default 20 s.
    pub drain: Duration,
    /// A WebSocket on which nothing moves either way is ended after this. Default: none.
    pub stream_idle: Option<Duration>,
    /// Logins that one client address may begin, and finish, a minute. Default: any number.
    pub login_rate: Option<u32>,
}

/// `[pages]`.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// The operator's own pages, where there is a folder of them. Default: the built-in pages alone.
    pub templates: Option<Arc<Templates>>,
    /// Whether a `#fragment` survives the login. Default false.
    pub keep_fragment: bool,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// `json` (default) or `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info` (default), `debug`.
    pub level: String,
    /// One access record a request on standard output. Default true.
    pub access: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

// === impl Config ===

impl Config {
    /// Whether some rule keeps escaped slashes.
    pub fn keeps_slashes(&self) -> bool {
        self.rules.iter().any(|rule| rule.keeps_slashes)
    }
}

// === impl Identity ===

impl Identity {
    /// Every header that says who someone is. The gate alone fills them: a client's copy of any must not pass.
    pub fn header_names(&self) -> impl Iterator<Item = &http::HeaderName> {
        let Self { user_headers, roles_headers, headers, .. } = self;
        let mapped = headers.iter().map(|mapped| &mapped.header);
        user_headers.iter().chain(roles_headers).chain(mapped)
    }
}

// === impl Origin ===

impl Origin {
    /// `host`, or `host:port` where the port is not the scheme's default: what a browser sends as Host.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether cookies of this origin can carry `Secure` and `__Host-`.
    pub fn secure(&self) -> bool {
        self.scheme == Scheme::Https
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

// === impl Scheme ===

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

// === impl Network ===

impl Network {
    /// Whether `address` lies in this network. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            _ => false,
        }
    }
}

// === impl Identity ===

impl Default for Identity {
    /// By `sub`, without any source of roles.
    fn default() -> Self {
        Self {
            user: "sub".into(),
            roles: Vec::new(),
            headers: Vec::new(),
            user_headers: vec![http::HeaderName::from_static("x-user")],
            roles_headers: vec![http::HeaderName::from_static("x-roles")],
            roles_format: RolesFormat::List,
            asked: Asked::default(),
            machines: Vec::new(),
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            target: 8 * 1024,
            header_bytes: 32 * 1024,
            header_count: 100,
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            body_idle_timeout: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(4),
            drain: Duration::from_secs(20),
            stream_idle: None,
            login_rate: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into(), access: true }
    }
}
