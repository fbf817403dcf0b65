//! An authority: a host and maybe a port, checked byte by byte. ★

/// Splits and checks an authority: a registered name, an IPv4 or a bracketed IPv6 address, and maybe a port.
pub fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    // Read byte by byte: to search for characters costs more than there is to read.
    let (host, port) = match authority.bytes().rposition(|byte| matches!(byte, b':' | b']')) {
        // Else it is a part of the address in the brackets.
        Some(colon) if authority.as_bytes()[colon] == b':' => {
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
        None => {
            let no_label = || bare.as_bytes().windows(2).any(|two| two == b"..");
            !bare.is_empty() && bare.len() <= 253 && bare.bytes().all(named) && !no_label()
        }
    };
    valid.then(|| (bare.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What an authority is, said with what searches text.
    fn as_said(authority: &str) -> Option<(String, Option<u16>)> {
        let (host, port) = match authority.rfind(':') {
            Some(colon) if !authority[colon..].contains(']') => {
                let port = &authority[colon + 1..];
                let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port != 0)?;
                (&authority[..colon], Some(port))
            }
            _ => (authority, None),
        };
        let bare = host.strip_suffix('.').unwrap_or(host);
        let named = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let valid = match bare.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => (1..=253).contains(&bare.len()) && bare.chars().all(named) && !bare.contains(".."),
        };
        valid.then(|| (bare.to_ascii_lowercase(), port))
    }

    proptest! {
        #[test]
        fn read_byte_by_byte_it_is_what_it_is(
            authority in prop_oneof![
                "[a-zA-Z0-9._-]{1,12}(:[0-9+]{0,6})?",
                "\\[[0-9a-f:.]{0,12}\\]?\\.?(:[0-9]{0,6})?",
                "[aZ0.:_\\[\\]+é -]{0,10}",
                "[a.]{250,256}(:80)?",
                any::<String>(),
            ],
        ) {
            prop_assert_eq!(host_and_port(&authority), as_said(&authority));
        }
    }
}
