//! The header of the PROXY protocol, versions 1 and 2: where it ends, and whose connection it says this is. ★
//!
//! Threats: an address of the client's choosing, so a header is read only where a balancer must have written it, and
//! what has two readings is none; and lengths that a peer chooses, so nothing is kept but what is used.
//!
//! Ours, because the crates that there are want the whole header in one piece, up to 64 KiB of it, and take `+80` for a
//! port and `PROXY?` for a beginning. Held to by a fuzz target, and by what HAProxy and nginx send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// All of them belong to the header, and it goes on.
    More,
    /// It ends after `length` bytes, which may be more than are there yet: the rest says nothing that counts.
    Whole {
        /// All of it, bytes.
        length: usize,
        /// Whose connection it is; `None`: the balancer's own, or somebody's whom it cannot name.
        client: Option<SocketAddr>,
    },
}

/// Why these bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Something else begins here.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// More than any balancer has to say.
    #[error("the PROXY header is too long")]
    Overlong,
    /// A version, a command or a kind of address that the specification does not know.
    #[error("the PROXY header says what the protocol does not know")]
    Unknown,
    /// Its addresses are none, or do not fit into its length.
    #[error("the PROXY header's addresses are none")]
    Addresses,
}

/// Looks at what a connection begins with.
pub fn read(bytes: &[u8]) -> Result<Found, Malformed> {
    if begins(bytes, SIGNATURE) {
        return second(bytes);
    }
    if begins(bytes, PREFIX) { first(bytes) } else { Err(Malformed::Missing) }
}

/// Version 1: a line of text.
fn first(bytes: &[u8]) -> Result<Found, Malformed> {
    let Some(end) = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if bytes.len() < LONGEST_LINE { Ok(Found::More) } else { Err(Malformed::Overlong) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Malformed::Addresses)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Addresses)?;
    let mut fields = line.split(' ').skip(1);
    let client = match fields.next() {
        // Whatever follows is to be ignored (§2.1).
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(addresses::<Ipv4Addr>(fields).ok_or(Malformed::Addresses)?),
        Some("TCP6") => Some(addresses::<Ipv6Addr>(fields).ok_or(Malformed::Addresses)?),
        _ => return Err(Malformed::Unknown),
    };
    Ok(Found::Whole { length: end + 1, client })
}

/// Source and destination, then their ports, and nothing more; the source.
fn addresses<'a, A>(mut fields: impl Iterator<Item = &'a str>) -> Option<SocketAddr>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let source: A = fields.next()?.parse().ok()?;
    let _destination: A = fields.next()?.parse().ok()?;
    let source_port = port(fields.next()?)?;
    port(fields.next()?)?;
    fields.next().is_none().then(|| SocketAddr::new(source.into(), source_port))
}

fn port(text: &str) -> Option<u16> {
    // `parse` alone takes a sign.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// Version 2: binary, and its length told.
fn second(bytes: &[u8]) -> Result<Found, Malformed> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(Found::More) };
    let [command, family, high, low] = fixed[SIGNATURE.len()..] else { return Ok(Found::More) };
    let told = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED + told;
    if length > LONGEST {
        return Err(Malformed::Overlong);
    }
    let needed = match (command, family) {
        // LOCAL: the balancer speaks for itself, and the rest is to be ignored (§2.2).
        (0x20, _) => return Ok(Found::Whole { length, client: None }),
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        // Unspecified, a datagram, a socket's file: nobody's address over TCP.
        (0x21, 0x00) => 0,
        (0x21, 0x12) => 12,
        (0x21, 0x22) => 36,
        (0x21, 0x31 | 0x32) => 216,
        _ => return Err(Malformed::Unknown),
    };
    if told < needed {
        return Err(Malformed::Addresses);
    }
    if !matches!(family, 0x11 | 0x21) {
        return Ok(Found::Whole { length, client: None });
    }
    let Some(block) = rest.get(..needed) else { return Ok(Found::More) };
    let client = if family == 0x11 { in_block::<4>(block) } else { in_block::<16>(block) };
    Ok(Found::Whole { length, client: Some(client.ok_or(Malformed::Addresses)?) })
}

/// Both addresses of `SIZE` bytes, then both ports; the source.
fn in_block<const SIZE: usize>(block: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; SIZE]>,
{
    let source = block.first_chunk::<SIZE>()?;
    let port = block.get(2 * SIZE..)?.first_chunk::<2>()?;
    Some(SocketAddr::new((*source).into(), u16::from_be_bytes(*port)))
}

/// Whether `bytes` are the beginning of `whole`, or begin with all of it.
fn begins(bytes: &[u8], whole: &[u8]) -> bool {
    let common = bytes.len().min(whole.len());
    bytes[..common] == whole[..common]
}

const PREFIX: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The line with its end (§2.1).
const LONGEST_LINE: usize = 107;
/// Signature, command, family, length.
const FIXED: usize = 16;
/// The largest block of addresses is 216; behind it stand names, certificates' subjects, identifiers of balancers.
const LONGEST: usize = 4096;
/// What has to be looked at at once, at the most.
pub const LOOKED_AT: usize = LONGEST_LINE;

#[cfg(test)]
mod tests;
