//! Who is believed, and where people may be sent back to. ★

use std::net::IpAddr;

/// A network in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The network's address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in this network. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// The headers in which trusted proxies say where a request comes from. Never both: what one kind of proxy does not
/// write it passes on as its client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrustedHeaders {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// One entry of `allowed_return_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnHost {
    /// Lower-case host. With `subdomains`: this domain and all below it.
    pub host: String,
    /// Written with a leading dot.
    pub subdomains: bool,
    /// Which port.
    pub port: ReturnPort,
}

/// Which port a return address may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnPort {
    /// `host`: the scheme's default port alone.
    Default,
    /// `host:8080`.
    Exactly(u16),
    /// `host:*`.
    Any,
}
