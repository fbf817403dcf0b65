//! Where sessions are shared between replicas: the addresses of a Redis or Valkey, and how to come in. ★

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret::Secret;
use crate::tls::certificate::Certificate;

/// `[session] store…`.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// Never empty. One for a single server; for the others where to begin to ask.
    pub addresses: Vec<StoreAddress>,
    /// What stands there.
    pub kind: StoreKind,
    /// The database number from the address's path. Default 0, and always 0 in a cluster.
    pub database: u16,
    /// How to sign in. Default: not at all.
    pub login: Option<StoreLogin>,
    /// `None`: cleartext (`redis://`).
    pub tls: Option<StoreTls>,
    /// What every key begins with. Default `rolegate:`.
    pub prefix: String,
    /// How long one call may take. Default 1 s.
    pub timeout: Duration,
    /// What becomes of requests while it is away. Default `refuse`.
    pub outage: StoreOutage,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreAddress {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// 6379 by default, 26379 for a sentinel.
    pub port: u16,
}

/// What stands at the addresses.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreKind {
    /// One server, or one address that always leads to the one that takes writes.
    Single,
    /// Sentinels, which know where the master is.
    Sentinel {
        /// The master's name, as the sentinels call it.
        service: String,
        /// The sentinels' own password, where they ask for one.
        password: Option<Secret>,
    },
    /// Nodes of a cluster; the others are found by asking.
    Cluster,
}

/// How to sign in at the servers that hold the data.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreLogin {
    /// The ACL user; `None`: the default user, by password alone.
    pub user: Option<String>,
    /// Its password.
    pub password: Secret,
}

/// TLS toward the store: always verified, chain and name.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreTls {
    /// PEM bundle that replaces the system's roots.
    pub ca_file: Option<PathBuf>,
    /// What the gate shows where the server asks for a certificate.
    pub certificate: Option<Certificate>,
}

/// What becomes of requests while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreOutage {
    /// What needs the store is refused with 503.
    #[default]
    Refuse,
    /// A pass that is still fresh counts, although nobody can say whether it was revoked.
    ServeFresh,
}

// === impl Store ===

impl Store {
    /// Without what is rotated in files: what is left says which store this is, and how it is used.
    pub fn without_secrets(mut self) -> Self {
        let nothing = || Secret::new(Vec::new());
        if let Some(login) = &mut self.login {
            login.password = nothing();
        }
        if let Some(tls) = &mut self.tls {
            tls.certificate = None;
        }
        if let StoreKind::Sentinel { password, .. } = &mut self.kind {
            *password = None;
        }
        self
    }
}

// === impl StoreAddress ===

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
