//! `[session]`: how long one lives, and what it is sealed with. ★

use std::path::PathBuf;
use std::time::Duration;

use super::Store;
use crate::config::secret::Secret;

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
