//! `[session]`: its life, its keys, and what replicas share. ★

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;

/// `[session]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Session {
    /// Sealing keys, 32 random bytes each as base64 or hex; the first seals, all open. Better: `keys_file`.
    pub(in crate::config) keys: Option<Vec<String>>,
    /// A file with a key a line; the first seals, all open. `rolegate secret` makes one.
    /// Mandatory, unless `keys` is written.
    pub(in crate::config) keys_file: Option<String>,
    /// A session ends this long after the login. Default `12h`.
    pub(in crate::config) max_age: Option<String>,
    /// A session ends this long after its last use, such as `30m`, or `off`. Default `off`.
    pub(in crate::config) idle: Option<String>,
    /// Roles older than this are asked for anew. Default `15m`.
    pub(in crate::config) max_role_age: Option<String>,
    /// How long roles are still served while the provider is down. Default `1h`.
    pub(in crate::config) outage_grace: Option<String>,
    /// Base of the cookie names. Default `rolegate`.
    pub(in crate::config) cookie_name: Option<String>,
    /// A Redis or Valkey that all replicas share: `redis://host:6379/0`, or `rediss://…` for TLS; a list for Sentinel
    /// and Cluster. Default: none, cookies alone.
    pub(in crate::config) store: Option<OneOrMany>,
    /// What stands at these addresses: `single`, `sentinel` or `cluster`. Default `single`.
    pub(in crate::config) store_mode: Option<StoreMode>,
    /// The name of the master that the sentinels watch.
    pub(in crate::config) store_service: Option<String>,
    /// The user that signs in at the store (an ACL user). Default: none, a password alone.
    pub(in crate::config) store_user: Option<String>,
    /// The password for the store. Better: `store_password_file`.
    pub(in crate::config) store_password: Option<String>,
    /// A file with the password for the store.
    pub(in crate::config) store_password_file: Option<String>,
    /// A file with the password for the sentinels, where they ask for one.
    pub(in crate::config) store_sentinel_password_file: Option<String>,
    /// PEM bundle that replaces the system's roots for the store.
    pub(in crate::config) store_ca_file: Option<String>,
    /// PEM file with the certificate that the gate shows to the store.
    pub(in crate::config) store_certificate_file: Option<String>,
    /// PEM file with that certificate's private key.
    pub(in crate::config) store_key_file: Option<String>,
    /// What every key in the store begins with. Default `rolegate:`.
    pub(in crate::config) store_prefix: Option<String>,
    /// How long one call to the store may take. Default `1s`.
    pub(in crate::config) store_timeout: Option<String>,
    /// While the store is away: `refuse` what needs it, or `serve-fresh`: passes that are still fresh count.
    /// Default `refuse`.
    pub(in crate::config) store_outage: Option<StoreOutage>,
}

/// What stands at the store's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum StoreMode {
    Single,
    Sentinel,
    Cluster,
}

/// What becomes of requests while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum StoreOutage {
    Refuse,
    ServeFresh,
}
