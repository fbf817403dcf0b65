//! The configuration as the gate uses it: types that cannot be wrong, made once by `check`. ★
//!
//! Nothing here reads a file or the environment. Durations are real durations, patterns are parsed,
//! addresses are resolved as far as text allows, and every default has been applied.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

mod gateway;
mod handed;
mod identity;
mod limits;
mod network;
mod origin;
mod pages;
mod provider;
mod rule;
mod session;
mod store;
mod telemetry;
mod tls;
mod upstream;

pub use gateway::{Gateway, GatewayKind};
pub use handed::{Assertion, AssertionKind, METHOD_OVERRIDES, PassToken, PassedOn};
pub use identity::{Asked, ClaimHeader, Grant, Identity, RoleSource, RolesFormat, Test, TokenChoice};
pub use limits::{Http2Limits, Limits};
pub use network::{Network, ReturnHost, ReturnPort, TrustedHeaders};
pub use origin::{Origin, Scheme};
pub use pages::Pages;
pub use provider::{LoginParameters, Parameter, Provider, ProviderKind};
pub use rule::{Access, Bearer, BearerUse, MinAcr, Requirement, Rule, Unauthenticated};
pub use session::Session;
pub use store::{Store, StoreAddress, StoreKind, StoreLogin, StoreOutage, StoreTls};
pub use telemetry::{Log, LogFormat, TraceParent, Traces};
pub use tls::{ClientCertificates, Tls, TlsVersion};
pub use upstream::{Balance, Destination, HealthCheck, Spread, Upstream};

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
