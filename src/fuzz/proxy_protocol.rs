//! Whatever a balancer's connection begins with: one header that says one thing, or none.

use std::net::{IpAddr, SocketAddr};

use crate::listen::proxy_protocol::{Found, LOOKED_AT, read};

/// Whatever the bytes: what is found ends where the header says, comes out the same in any pieces, and is what stands
/// there.
pub fn proxy_protocol(data: &[u8]) {
    let found = read(data);
    // What is looked at is bounded, and what has come is enough or all of it belongs to the header.
    assert_eq!(read(&data[..data.len().min(LOOKED_AT)]), found);
    for cut in 0..data.len().min(LOOKED_AT) {
        let early = read(&data[..cut]);
        assert!(early == Ok(Found::More) || early == found, "{cut}: {early:?}, and then {found:?}");
    }
    let Ok(Found::Whole { length, client }) = found else { return };
    let (length_told, client_told) = if data[0] == b'P' { line(data) } else { binary(data) };
    assert_eq!(length, length_told);
    if let Some(client) = client {
        assert_eq!(Some(client), client_told);
    }
    assert!(length <= 4096 && (data[0] != b'P' || length <= 107), "{length}");
}

/// The line as a reader of words has it.
fn line(data: &[u8]) -> (usize, Option<SocketAddr>) {
    let text = String::from_utf8_lossy(data);
    let line = text.split_inclusive("\r\n").next().unwrap();
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let client = match words[..] {
        ["PROXY", family, source, destination, port, to] if family != "UNKNOWN" => {
            let (source, destination): (IpAddr, IpAddr) =
                (source.parse().unwrap(), destination.parse().unwrap());
            assert_eq!(source.is_ipv4(), family == "TCP4");
            assert_eq!(source.is_ipv4(), destination.is_ipv4());
            let (port, to): (u16, u16) = (port.parse().unwrap(), to.parse().unwrap());
            let written = format!(" {port} {to}\r\n");
            assert!(line.ends_with(&written), "{line:?}");
            Some(SocketAddr::new(source, port))
        }
        _ => None,
    };
    (line.len(), client)
}

/// The fields of version 2 where the specification has them.
fn binary(data: &[u8]) -> (usize, Option<SocketAddr>) {
    let number = |at: usize| u16::from(data[at]) << 8 | u16::from(data[at + 1]);
    let length = 16 + usize::from(number(14));
    let client = match (data[12], data[13]) {
        (0x21, 0x11) => {
            Some(SocketAddr::new(IpAddr::from([data[16], data[17], data[18], data[19]]), number(24)))
        }
        (0x21, 0x21) => {
            let octets: [u8; 16] = std::array::from_fn(|at| data[16 + at]);
            Some(SocketAddr::new(octets.into(), number(48)))
        }
        _ => None,
    };
    (length, client)
}
