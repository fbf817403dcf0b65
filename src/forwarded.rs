//! What proxies in front of the gate say about the client: believed from listed peers alone. ★
//!
//! Threat: `X-Forwarded-For: 10.0.0.1` from anyone. The list is empty by default; addresses are read from
//! the right, where trusted proxies append, never from the left, where clients write.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::FORWARDED;

use crate::ask::authority::host_and_port;
use crate::config::settings::{Config, Scheme, TrustedHeaders};

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
    match config.trusted_headers {
        TrustedHeaders::XForwarded => {
            Trusted { client: client(headers, peer, config), scheme: scheme(headers), host: host(headers) }
        }
        TrustedHeaders::Forwarded => standard(headers, peer, config),
    }
}

// === impl Trusted ===

impl Trusted {
    /// Nothing but the peer's own address.
    pub fn nothing(peer: IpAddr) -> Self {
        Self { client: peer, scheme: None, host: None }
    }
}

/// `Forwarded` (RFC 7239): each trusted hop's own element says whom it got the request from, and how. Cut at every
/// comma and semicolon, quoted or not: no honest element holds one, and a quotation mark that a client left open must not
/// swallow what stands behind it.
fn standard(headers: &HeaderMap, peer: IpAddr, config: &Config) -> Trusted {
    let mut found = Trusted::nothing(peer);
    let lines: Vec<_> = headers.get_all(FORWARDED).iter().collect();
    let elements = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for element in elements.take(MAX_HOPS) {
        if !config.trusted_proxies.iter().any(|network| network.contains(found.client)) {
            break;
        }
        let element = std::str::from_utf8(element).unwrap_or_default();
        found.scheme = parameter(element, "proto").and_then(|proto| scheme_named(&proto));
        found.host = parameter(element, "host").filter(|host| host_and_port(host).is_some());
        let Some(address) = parameter(element, "for").and_then(|node| address(&node)) else { break };
        found.client = address.to_canonical();
    }
    found
}

/// The value of a parameter that an element has once, without its quotation marks: lower-case.
fn parameter(element: &str, wanted: &str) -> Option<String> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut values =
        pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim());
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let bare = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value);
    (!bare.contains(['"', '\\'])).then(|| bare.to_ascii_lowercase())
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
    scheme_named(&one(headers, "x-forwarded-proto")?)
}

fn scheme_named(name: &str) -> Option<Scheme> {
    match name {
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
