//! `upstream` and `[[upstreams]]`: where allowed requests go, and how one of several addresses is chosen. ★

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::rule::path::Rewrite;
use crate::tls::certificate::Certificate;

/// Where allowed requests go, as a rule or the top level names it: one URL, or an `[[upstreams]]` table.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// The table's name; the URL where there is no table.
    pub name: String,
    /// Each of them answers for the whole. Never empty.
    pub addresses: Vec<Upstream>,
    /// Forward the client's `Host`, or each address' own. Default: as the top level's `pass_host`.
    pub pass_host: bool,
    /// What becomes of paths on the way there. Default: nothing.
    pub rewrite: Rewrite,
    /// What is shown where an address asks for a certificate. Default: nothing.
    pub certificate: Option<Certificate>,
    /// The name that certificates of https addresses must cover. Default: each address' host.
    pub server_name: Option<String>,
    /// How an address is chosen; `None`: one URL, always that one.
    pub spread: Option<Spread>,
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

/// How one of several addresses is chosen, and when one is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// Default: least connections.
    pub balance: Balance,
    /// So many failures in a row and an address is left out; 0: never. Default 3.
    pub max_fails: u32,
    /// For how long the first time. Default 10 s.
    pub eject_time: Duration,
    /// How often names are resolved; `None`: at each new connection, as one address. Default 30 s.
    pub resolve: Option<Duration>,
    /// Requests of the gate's own by which it knows whether an address answers. Default: none.
    pub check: Option<HealthCheck>,
}

/// Which address gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// The one with the fewest requests of this worker under way, in turn among equals.
    #[default]
    LeastConnections,
    /// One after the other.
    RoundRobin,
}

/// `[upstreams.check]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The target that is asked for, as it is.
    pub path: String,
    /// From one to the next. Default 10 s.
    pub interval: Duration,
    /// For all of one. Default 2 s.
    pub timeout: Duration,
    /// The statuses that are well. Default 200 to 399.
    pub status: RangeInclusive<u16>,
    /// So many that fail in a row and an address is left out; one that passes brings it back. Default 2.
    pub fails: u32,
}

// === impl Destination ===

impl From<Upstream> for Destination {
    /// One address, and everything else as by default.
    fn from(address: Upstream) -> Self {
        Self {
            name: address.to_string(),
            addresses: vec![address],
            pass_host: true,
            rewrite: Rewrite::default(),
            certificate: None,
            server_name: None,
            spread: None,
        }
    }
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            max_fails: 3,
            eject_time: Duration::from_secs(10),
            resolve: Some(Duration::from_secs(30)),
            check: None,
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// Its host and port, where the host is a name that must be looked up.
    pub fn host_to_resolve(&self) -> Option<(&str, u16)> {
        let (host, port) = match self {
            Self::Http { host, port, .. } | Self::Https { host, port, .. } => (host.as_str(), *port),
            Self::Unix(_) => return None,
        };
        let address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
        (!address).then_some((host, port))
    }
}

impl std::fmt::Display for Upstream {
    /// As it is written in a configuration, with its port.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http { host, port, http2: false } => write!(f, "http://{host}:{port}"),
            Self::Http { host, port, http2: true } => write!(f, "h2c://{host}:{port}"),
            Self::Https { host, port, http2: false, .. } => write!(f, "https://{host}:{port}"),
            Self::Https { host, port, http2: true, .. } => write!(f, "h2://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
