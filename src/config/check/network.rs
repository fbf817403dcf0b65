//! Addresses and networks: where the gate listens, and whose word counts. ★

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Context;
use crate::config::problem::Key;
use crate::config::raw::{self, Raw};
use crate::config::settings::{Network, TrustedHeaders};

/// A listening address. Names are not looked up: what a listener is bound to should not depend on DNS.
pub(super) fn listen(text: Option<&str>, key: &Key, port: u16, cx: &mut Context<'_>) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Some(text) = text else { return default };
    let spelled = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    spelled.parse().unwrap_or_else(|_| {
        let message = format!("{text:?} is not an address with a port");
        cx.error(key, &message, &format!("write it as \"127.0.0.1:{port}\" or \"[::]:{port}\""));
        default
    })
}

/// `control_socket`. Its folder may come with the service, so that it is not there now is no error yet.
pub(super) fn control_socket(text: Option<&str>, cx: &mut Context<'_>) -> Option<PathBuf> {
    let text = text?;
    let (key, path) = (Key::of("control_socket"), Path::new(text));
    let usage = "write it as \"/run/rolegate/control.sock\"";
    if !path.is_absolute() {
        cx.error(&key, "not an absolute name: the command may run in another folder than the gate", usage);
        return None;
    }
    let length = path.as_os_str().len();
    if length > LONGEST_SOCKET {
        let message = format!("{length} bytes, and the name of a socket may have {LONGEST_SOCKET}");
        cx.error(&key, &message, "move it to a shorter folder, such as /run/rolegate");
        return None;
    }
    let Some(folder) = path.parent().filter(|_| !text.ends_with(['/', '.'])) else {
        cx.error(&key, "a folder, and a socket is a file in one", usage);
        return None;
    };
    // Whoever may not look into it can still be right about it.
    if let Err(error) = (cx.around.list)(folder)
        && error.kind() != io::ErrorKind::PermissionDenied
    {
        let message = format!("{}: {error}; without the folder the gate does not start", folder.display());
        cx.warning(&key, &message, "make it, writable by the user that the gate runs as and nobody else");
    }
    Some(path.to_path_buf())
}

/// The system takes 107 (`sockaddr_un`); some are needed while it is made.
const LONGEST_SOCKET: usize = 100;

/// `trusted_proxies`.
pub(super) fn trusted(texts: &[String], cx: &mut Context<'_>) -> Vec<Network> {
    let key = Key::of("trusted_proxies");
    let found = networks(texts, &key, cx);
    for (at, network) in &found {
        if network.prefix == 0 {
            cx.warning(
                &key.index(*at),
                "every peer is believed, so anybody can choose the address that rules and logs see",
                "name the networks of your proxies",
            );
        }
    }
    found.into_iter().map(|(_, network)| network).collect()
}

/// `proxy_protocol`: a header from nobody in particular would be one from everybody.
pub(super) fn proxy_protocol(raw: &Raw, cx: &mut Context<'_>) -> bool {
    let wanted = raw.proxy_protocol.unwrap_or(false);
    if wanted && raw.trusted_proxies.as_ref().is_none_or(Vec::is_empty) {
        cx.error(
            &Key::of("proxy_protocol"),
            "nobody is believed: trusted_proxies is empty",
            "name the networks of the balancers that send the header in trusted_proxies",
        );
    }
    wanted
}

/// `http2_cleartext`: where TLS is spoken nothing is in cleartext.
pub(super) fn http2_cleartext(raw: &Raw, cx: &mut Context<'_>) -> bool {
    let wanted = raw.http2_cleartext.unwrap_or(false);
    if wanted && raw.tls.is_some() {
        cx.error(
            &Key::of("http2_cleartext"),
            "with [tls] the gate speaks TLS alone",
            "leave the key out: behind TLS HTTP/2 is offered anyway",
        );
    }
    wanted
}

/// `trusted_headers`.
pub(super) fn trusted_headers(raw: &Raw, cx: &mut Context<'_>) -> TrustedHeaders {
    if raw.trusted_headers.is_some() && raw.trusted_proxies.as_ref().is_none_or(Vec::is_empty) {
        cx.warning(
            &Key::of("trusted_headers"),
            "nobody is believed: trusted_proxies is empty",
            "name the networks of the proxies that write the header in trusted_proxies",
        );
    }
    match raw.trusted_headers {
        Some(raw::TrustedHeaders::Forwarded) => TrustedHeaders::Forwarded,
        Some(raw::TrustedHeaders::XForwarded) | None => TrustedHeaders::XForwarded,
    }
}

/// Networks with their place in the list.
pub(super) fn networks(texts: &[String], key: &Key, cx: &mut Context<'_>) -> Vec<(usize, Network)> {
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match network(text) {
            Ok(network) => found.push((at, network)),
            Err(fix) => cx.error(&key.index(at), &format!("{text:?} is not a network"), &fix),
        }
    }
    found
}

fn network(text: &str) -> Result<Network, String> {
    let usage = || "write it as \"10.0.0.0/8\", \"fd00::/8\" or a single address".to_owned();
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| usage())?;
    let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => longest,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(usage)?
        }
        Some(_) => return Err(usage()),
    };
    // `::ffff:10.0.0.0/104` would never match, because mapped addresses count as IPv4.
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Err(format!("write it as IPv4: \"{v4}/{}\"", prefix.saturating_sub(96)));
    }
    let cut = first_address(address, prefix);
    if cut != address {
        return Err(format!("bits are set beyond the prefix: write \"{cut}/{prefix}\""));
    }
    Ok(Network { address, prefix })
}

fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}
