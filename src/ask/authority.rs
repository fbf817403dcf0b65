//! An authority: a host and maybe a port, checked byte by byte. ★

/// Splits and checks an authority: a registered name, an IPv4 or a bracketed IPv6 address, and maybe a port.
pub fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => {
            let port = &authority[colon + 1..];
            let digits =
                !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = if digits { port.parse().ok().filter(|port| *port != 0)? } else { return None };
            (&authority[..colon], Some(port))
        }
        _ => (authority, None),
    };
    let bare = host.strip_suffix('.').unwrap_or(host);
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let bracketed = bare.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let valid = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !bare.is_empty() && bare.len() <= 253 && bare.bytes().all(named) && !bare.contains(".."),
    };
    valid.then(|| (bare.to_ascii_lowercase(), port))
}
