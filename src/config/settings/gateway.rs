//! `[gateway]`: who may ask for a decision alone, and how it says about what. ★

use std::net::IpAddr;

use super::Network;

/// Gateways that ask, and send requests on by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The peers that are answered; never empty. To everybody else there is no such page.
    pub peers: Vec<Network>,
    /// What they are.
    pub kind: GatewayKind,
}

/// What a gateway is: it has one way to say which request it asks about, and no other is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayKind {
    /// `X-Original-Method` and `X-Original-URL`.
    Nginx,
    /// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`.
    ForwardAuth,
    /// The request itself, its path after that of the page.
    Envoy,
}

// === impl Gateway ===

impl Gateway {
    /// Whether `peer` is one.
    pub fn is(&self, peer: IpAddr) -> bool {
        self.peers.iter().any(|network| network.contains(peer))
    }
}

// === impl GatewayKind ===

impl GatewayKind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::ForwardAuth => "forward_auth",
            Self::Envoy => "envoy",
        }
    }
}
