//! What proxies in front of the gate say about the client: believed from listed peers alone. ★
//!
//! Threat: `X-Forwarded-For: 10.0.0.1` from anyone. The list is empty by default; addresses are read from
//! the right, where trusted proxies append, never from the left, where clients write.

use std::net::IpAddr;

use http::HeaderMap;

use crate::ask::authority::host_and_port;
use crate::config::settings::{Config, Scheme};

/// What may be believed about a request's way here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The client: the rightmost address that is no trusted proxy.
    pub client: IpAddr,
    /// What the client spoke.
    pub scheme: Option<Scheme>,
    /// The Host that the client sent: lower-case.
    pub host: Option<String>,
}

/// Reads the headers of a trusted `peer`.
pub fn read(headers: &HeaderMap, peer: IpAddr, config: &Config) -> Trusted {
    Trusted { client: client(headers, peer, config), scheme: scheme(headers), host: host(headers) }
}

// === impl Trusted ===

impl Trusted {
    /// Nothing but the peer's own address.
    pub fn nothing(peer: IpAddr) -> Self {
        Self { client: peer, scheme: None, host: None }
    }
}

fn client(headers: &HeaderMap, peer: IpAddr, config: &Config) -> IpAddr {
    let mut client = peer;
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    // Byte by byte: one odd byte on the left must not hide what a proxy wrote on the right.
    let entries = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for entry in entries.take(MAX_HOPS) {
        if !config.trusted_proxies.iter().any(|network| network.contains(client)) {
            break;
        }
        // Garbage ends the chain: what stands left of it was not written by anyone we trust.
        let Some(address) = std::str::from_utf8(entry).ok().and_then(|entry| address(entry.trim())) else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// An address, maybe with a port or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split(']').next()?.parse().ok();
    }
    text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip())
}

fn scheme(headers: &HeaderMap) -> Option<Scheme> {
    match one(headers, "x-forwarded-proto")?.as_str() {
        "https" => Some(Scheme::Https),
        "http" => Some(Scheme::Http),
        _ => None,
    }
}

fn host(headers: &HeaderMap) -> Option<String> {
    one(headers, "x-forwarded-host").filter(|host| host_and_port(host).is_some())
}

/// The value of a header that stands there once.
fn one(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok().map(|text| text.trim().to_ascii_lowercase()),
        _ => None,
    }
}

/// More entries than this are not looked at.
const MAX_HOPS: usize = 32;
