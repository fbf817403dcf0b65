//! The configuration as the gate uses it: types that cannot be wrong, made once by `check`. ★
//!
//! Nothing here reads a file or the environment. Durations are real durations, patterns are parsed,
//! addresses are resolved as far as text allows, and every default has been applied.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::secret::Secret;
use super::template::Templates;
use crate::tls::certificate::Certificate;
use crate::tls::clients::Clients;

mod gateway;
mod handed;
mod identity;
mod provider;
mod rule;
mod store;
mod telemetry;
mod upstream;

pub use gateway::{Gateway, GatewayKind};
pub use handed::{Assertion, AssertionKind, METHOD_OVERRIDES, PassToken, PassedOn};
pub use identity::{Asked, ClaimHeader, Grant, Identity, RoleSource, RolesFormat, Test, TokenChoice};
pub use provider::{LoginParameters, Parameter, Provider, ProviderKind};
pub use rule::{Access, Bearer, BearerUse, MinAcr, Requirement, Rule, Unauthenticated};
pub use store::{Store, StoreAddress, StoreKind, StoreLogin, StoreOutage, StoreTls};
pub use telemetry::{TraceParent, Traces};
pub use upstream::{Balance, Destination, HealthCheck, Spread};

/// Everything `run` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public origins, in the order written; never empty. Each has its own callback, cookies and seal.
    pub origins: Vec<Origin>,
    /// The public listener. Default `127.0.0.1:4180`.
    pub listen: SocketAddr,
    /// The admin listener (`/livez`, `/readyz`, `/metrics`). Default `127.0.0.1:4181`.
    pub admin_listen: SocketAddr,
    /// Names of the admin listener that anybody could own: lower-case, without port. Default: none.
    pub admin_hosts: Vec<String>,
    /// The unix socket where sessions are listed and ended: an absolute name that fits. Default: none.
    pub control_socket: Option<PathBuf>,
    /// Whether HTTP/2 is spoken there in cleartext, by clients that know so beforehand. Default false.
    pub http2_cleartext: bool,
    /// TLS on the public listener; `None`: cleartext, behind a balancer or on a loopback host.
    pub tls: Option<Tls>,
    /// Where the gate's own pages live, without a trailing slash. Default `/oauth2`.
    pub auth_prefix: String,
    /// Where allowed requests go: first the top level's `upstream`, then those that rules name.
    pub upstreams: Vec<Destination>,
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
    /// Gateways that ask for the decision alone; `None`: there is no such page.
    pub gateway: Option<Gateway>,
    /// Peers whose `X-Forwarded-*` are believed. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// Whether connections from those peers begin with a PROXY header. Default false.
    pub proxy_protocol: bool,
    /// Which headers of those peers are read. Default `X-Forwarded-*`.
    pub trusted_headers: TrustedHeaders,
    /// Hosts beside the origins that a return address may name. Default: none.
    pub allowed_return_hosts: Vec<ReturnHost>,
    /// Bounds on what a client or an upstream may do.
    pub limits: Limits,
    /// The gate's own pages.
    pub pages: Pages,
    /// What is written about each request, and how.
    pub log: Log,
    /// Where traces go. Default: nowhere, and nothing is traced.
    pub traces: Option<Traces>,
    /// Worker threads. Default: the cores this process may use.
    pub workers: usize,
}

/// The headers in which trusted proxies say where a request comes from. Never both: what one kind of proxy does not
/// write it passes on as its client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrustedHeaders {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
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
    /// Whether HTTP/2 is offered beside HTTP/1.1. Default true.
    pub http2: bool,
    /// The cleartext listener that sends browsers to a public origin. Default: none.
    pub redirect_listen: Option<SocketAddr>,
    /// Clients' certificates; `None`: no client is asked for one.
    pub clients: Option<ClientCertificates>,
}

/// What is asked of clients' certificates, and what the upstream is told of them.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Which count.
    pub clients: Arc<Clients>,
    /// The header with the subject. Default `X-Client-Subject`.
    pub subject_header: HeaderName,
    /// Whether the whole certificate goes along as `Client-Cert` (RFC 9440). Default false.
    pub whole: bool,
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

/// One address where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// `http://host:port`, or `h2c://host:port`.
    Http {
        /// Host name or address as written (IPv6 in brackets).
        host: String,
        /// Port, 80 by default.
        port: u16,
        /// HTTP/2 by prior knowledge, and nothing else.
        http2: bool,
    },
    /// `https://host:port` or `h2://host:port`, verified against the system's roots or `upstream_ca_file`.
    Https {
        /// Host name or address as written.
        host: String,
        /// Port, 443 by default.
        port: u16,
        /// HTTP/2, agreed on in the handshake, and nothing else.
        http2: bool,
        /// PEM bundle that replaces the system's roots for this upstream.
        ca_file: Option<PathBuf>,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

/// `[session]`.
#[derive(Debug, Clone)]
pub struct Session {
    /// The sealing keys, each 32 bytes; the first seals, all open. Never empty.
    pub keys: Vec<Secret>,
    /// Where they were read, and are read again when it changes; `None`: they stand in the configuration.
    pub keys_file: Option<PathBuf>,
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
    /// What the replicas share; `None`: cookies alone.
    pub store: Option<Store>,
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
    /// Bytes of a request's body before 413. Default: any number.
    pub body: Option<u64>,
    /// Connections at once. Default 16,384.
    pub connections: usize,
    /// Of these, from one address, or one /64 of IPv6; from `trusted_proxies` any number. Default 8,192.
    pub connections_per_address: usize,
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
    /// Between two pieces of a body, either way; not of an event stream. For a client that takes nothing of any answer.
    /// Default 60 s.
    pub body_idle_timeout: Duration,
    /// Idle upstream connections are dropped after this. Default 4 s.
    pub upstream_idle: Duration,
    /// Connections to one upstream's address, of all workers; over HTTP/2 requests at once. Default 10,000.
    pub upstream_connections: usize,
    /// Requests that may wait for one of them. Default 1,000.
    pub upstream_queue: usize,
    /// And for how long, before 503. Default 1 s.
    pub upstream_queue_time: Duration,
    /// How long everything is served after SIGTERM while `/readyz` says no. Default: not at all.
    pub drain_delay: Duration,
    /// How long a stop waits for open requests, after that. Default 20 s.
    pub drain: Duration,
    /// A WebSocket or event stream on which nothing moves is ended after this. Default: none.
    pub stream_idle: Option<Duration>,
    /// Logins that one client address may begin, and finish, a minute. Default: any number.
    pub login_rate: Option<u32>,
    /// Of HTTP/2 alone.
    pub http2: Http2Limits,
}

/// The `http2_…` keys of `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests at once on a connection. Default 128.
    pub streams: u32,
    /// Bytes of a request's body that may come before the upstream takes them; of all of a connection's four times that.
    /// Default 256 KiB.
    pub window: u32,
    /// Bytes of an answer that may wait for its client. Default 256 KiB.
    pub send_buffer: usize,
    /// A client that was silent for so long is asked whether it is there. Default 60 s; `None`: never.
    pub ping: Option<Duration>,
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
    /// Sign-ins, refusals, sign-outs, refreshes and changes on standard output as well. Default true.
    pub audit: bool,
    /// Each audit line is authenticated together with the one before it. Default false.
    pub audit_chain: bool,
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
    /// Whether what `peer` says of whom it asks for is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// Whether a connection from there begins with a PROXY header. No other address may say whose it is.
    pub fn is_balancer(&self, address: IpAddr) -> bool {
        self.proxy_protocol && self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Where requests go that `rule` allows, or that no rule decides.
    pub fn destination(&self, rule: Option<&Rule>) -> Option<&Destination> {
        self.upstreams.get(rule.map_or(0, |rule| rule.upstream))
    }

    /// Whether some rule keeps escaped slashes.
    pub fn keeps_slashes(&self) -> bool {
        self.rules.iter().any(|rule| rule.keeps_slashes)
    }

    /// What is asked of clients' certificates, where they are asked for one.
    pub fn client_certificates(&self) -> Option<&ClientCertificates> {
        self.tls.as_ref()?.clients.as_ref()
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

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            target: 8 * 1024,
            header_bytes: 32 * 1024,
            header_count: 100,
            body: None,
            connections: 16 * 1024,
            connections_per_address: 8 * 1024,
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            body_idle_timeout: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(4),
            upstream_connections: 10_000,
            upstream_queue: 1_000,
            upstream_queue_time: Duration::from_secs(1),
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(20),
            stream_idle: None,
            login_rate: None,
            http2: Http2Limits::default(),
        }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams: 128,
            window: 256 * 1024,
            send_buffer: 256 * 1024,
            ping: Some(Duration::from_secs(60)),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into(), access: true, audit: true, audit_chain: false }
    }
}
