//! `[gateway]`: who asks for the decision alone. ★

use schemars::JsonSchema;
use serde::Deserialize;

/// `[gateway]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Gateway {
    /// Networks of the gateways: the peers of their connections, whatever headers say. To everybody else `/oauth2/auth` is
    /// 404. Default: none.
    pub(in crate::config) peers: Option<Vec<String>>,
    /// How they say what they ask about: `nginx` (`X-Original-Method` and `-URL`), `forward_auth` (`X-Forwarded-Method`,
    /// `-Proto`, `-Host` and `-Uri`: Traefik, Caddy) or `envoy` (the path after `/oauth2/auth`). Nothing else is read.
    /// Mandatory with `peers`.
    pub(in crate::config) kind: Option<GatewayKind>,
}

/// What a gateway is.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum GatewayKind {
    Nginx,
    ForwardAuth,
    Envoy,
}
