//! `[[upstreams]]`: where requests go. ★

use schemars::JsonSchema;
use serde::Deserialize;

/// `[[upstreams]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Upstream {
    /// What `upstream` calls it: lower-case letters, digits, `-` and `_`. Mandatory.
    pub(in crate::config) name: Option<String>,
    /// Where it is, each a URL as `upstream` takes it, never a name; any of them answers for the whole.
    /// Mandatory.
    pub(in crate::config) addresses: Option<Vec<String>>,
    /// Which address gets a request: `least_connections` or `round_robin`. Default `least_connections`.
    pub(in crate::config) balance: Option<Balance>,
    /// So many failures in a row and an address is left out for a while; 0: never. Default 3.
    pub(in crate::config) max_fails: Option<u64>,
    /// For how long the first time; each time in a row longer, up to ten times this. Default `10s`.
    pub(in crate::config) eject_time: Option<String>,
    /// How often names are resolved, each address that one has counting by itself; or `off`: at each new connection,
    /// as one address. Default `30s`.
    pub(in crate::config) resolve: Option<String>,
    /// Requests of the gate's own by which it knows whether an address answers. Default: none.
    pub(in crate::config) check: Option<UpstreamCheck>,
    /// PEM file that replaces the system's roots for its https:// and h2:// addresses. Default: `upstream_ca_file`.
    pub(in crate::config) ca_file: Option<String>,
    /// PEM file with the certificate that the gate shows there.
    pub(in crate::config) client_certificate_file: Option<String>,
    /// PEM file with that certificate's private key.
    pub(in crate::config) client_key_file: Option<String>,
    /// The name that its certificates must cover. Default: each address' host.
    pub(in crate::config) server_name: Option<String>,
    /// As at the top level. Default: as there.
    pub(in crate::config) pass_host: Option<bool>,
    /// A prefix that is taken off the path; a path that does not lie below it is 404.
    pub(in crate::config) strip_prefix: Option<String>,
    /// A prefix that is put in front of the path, after `strip_prefix`.
    pub(in crate::config) add_prefix: Option<String>,
}

/// Which address gets a request.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Balance {
    LeastConnections,
    RoundRobin,
}

/// `[upstreams.check]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct UpstreamCheck {
    /// The target that is asked for with GET. Mandatory.
    pub(in crate::config) path: Option<String>,
    /// From one check of an address to the next. Default `10s`.
    pub(in crate::config) interval: Option<String>,
    /// How long one may take. Default `2s`.
    pub(in crate::config) timeout: Option<String>,
    /// The statuses that are well: one, such as `200`, or from one to another. Default `200-399`.
    pub(in crate::config) status: Option<String>,
    /// So many that fail in a row and an address is left out; one that passes brings it back. Default 2.
    pub(in crate::config) fails: Option<u64>,
}
