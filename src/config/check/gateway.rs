//! `[gateway]`: who may ask for a decision alone. ★

use super::{Context, network};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Gateway, GatewayKind, Network, Rule};

/// The table; `None` where nobody may ask.
pub(super) fn gateway(raw: Option<&raw::Gateway>, cx: &mut Context<'_>) -> Option<Gateway> {
    let raw = raw?;
    let (key, written) = (Key::of("gateway"), raw.peers.as_deref().unwrap_or_default());
    if written.is_empty() {
        cx.warning(&key, "nobody may ask: peers is empty", "name the networks of your gateways in peers");
        return None;
    }
    let peers = key.name("peers");
    let found = network::networks(written, &peers, cx);
    for (at, network) in &found {
        if network.prefix == 0 {
            cx.warning(
                &peers.index(*at),
                "every peer is taken for a gateway, so anybody can ask about any request in anybody's name",
                "name the addresses of your gateways",
            );
        }
    }
    let Some(kind) = raw.kind else {
        cx.missing(&key.name("kind"), "say what asks: kind = \"nginx\", \"forward_auth\" or \"envoy\"");
        return None;
    };
    let kind = match kind {
        raw::GatewayKind::Nginx => GatewayKind::Nginx,
        raw::GatewayKind::ForwardAuth => GatewayKind::ForwardAuth,
        raw::GatewayKind::Envoy => GatewayKind::Envoy,
    };
    Some(Gateway { peers: found.into_iter().map(|(_, network)| network).collect(), kind })
}

/// Rules that ask where a client is can hear that from a gateway alone, whose own address must not stand for it.
pub(super) fn against_rules<'r>(
    gateway: Option<&Gateway>,
    mut rules: impl Iterator<Item = &'r Rule>,
    trusted: &[Network],
    cx: &mut Context<'_>,
) {
    let Some(gateway) = gateway.filter(|_| rules.any(|rule| !rule.from.is_empty())) else { return };
    let lies_in = |inner: &Network, outer: &Network| {
        outer.prefix <= inner.prefix
            && outer.address.is_ipv4() == inner.address.is_ipv4()
            && outer.contains(inner.address)
    };
    for (at, peer) in gateway.peers.iter().enumerate() {
        if !trusted.iter().any(|network| lies_in(peer, network)) {
            cx.error(
                &Key::of("gateway").name("peers").index(at),
                "there are rules with from, and what this gateway says of its clients' addresses is not believed",
                "list it in trusted_proxies as well",
            );
        }
    }
}
