//! `public_url` and `allowed_return_hosts`: where browsers come from and may be sent. ★

use std::net::IpAddr;

use url::{Host, Url};

use super::Context;
use crate::config::problem::Key;
use crate::config::raw::OneOrMany;
use crate::config::settings::{Origin, ReturnHost, ReturnPort, Scheme};

/// `public_url`.
pub(super) fn origins(written: Option<&OneOrMany>, cx: &mut Context<'_>) -> Vec<Origin> {
    let key = Key::of("public_url");
    let fix = "write the address that browsers use: public_url = \"https://app.example.com\"";
    let texts: Vec<(Key, &str)> = match written {
        None => {
            cx.missing(&key, fix);
            return Vec::new();
        }
        Some(OneOrMany::One(text)) => vec![(key.clone(), text)],
        Some(OneOrMany::Many(texts)) if texts.is_empty() => {
            cx.error(&key, "the list is empty", fix);
            return Vec::new();
        }
        Some(OneOrMany::Many(texts)) => {
            texts.iter().enumerate().map(|(at, text)| (key.index(at), text.as_str())).collect()
        }
    };
    let mut found: Vec<Origin> = Vec::new();
    for (key, text) in texts {
        match origin(text) {
            Err(message) => cx.error(&key, &message, fix),
            Ok(origin) if found.contains(&origin) => {
                cx.error(&key, &format!("{origin} is named twice"), "leave one out");
            }
            Ok(origin) => {
                cleartext(&origin, &key, cx);
                found.push(origin);
            }
        }
    }
    found
}

fn cleartext(origin: &Origin, key: &Key, cx: &mut Context<'_>) {
    if origin.secure() {
        return;
    }
    if is_loopback(&origin.host) {
        cx.warning(
            key,
            "cleartext: cookies lose Secure and __Host-",
            "for this machine only; use https:// for anything else",
        );
    } else {
        cx.error(
            key,
            &format!("{origin} is cleartext on a host that is not this machine: sessions could be read and set on the way"),
            "use https:// (TLS may end at a balancer in front of the gate)",
        );
    }
}

/// Scheme, host and port, and nothing else.
fn origin(text: &str) -> Result<Origin, String> {
    if text.trim() != text || text.is_empty() {
        return Err("empty, or blank at the beginning or end".into());
    }
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => return Err(format!("the scheme {other:?} is neither https nor http")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a query or fragment: an origin is scheme, host and port alone".into());
    }
    if url.path() != "/" {
        return Err(format!("holds the path {:?}: an origin is scheme, host and port alone", url.path()));
    }
    // `url` forgives backslashes, missing slashes and the like; what is written must be what is meant.
    if text.contains('\\') || !text.to_ascii_lowercase().starts_with(&format!("{}://", scheme.as_str())) {
        return Err(format!("{text:?} is not written as scheme://host"));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
        Some(Host::Ipv4(v4)) => v4.to_string(),
        Some(Host::Ipv6(v6)) => format!("[{v6}]"),
        None => return Err("names no host".into()),
    };
    if host.is_empty() || host.contains('*') {
        return Err("names no single host".into());
    }
    let port = url.port_or_known_default().unwrap_or_else(|| scheme.default_port());
    if port == 0 {
        return Err("port 0 is no port".into());
    }
    Ok(Origin { scheme, host, port })
}

/// `localhost`, everything under it, 127.0.0.0/8 and `::1`: what never leaves the machine.
pub(super) fn is_loopback(host: &str) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `allowed_return_hosts`.
pub(super) fn return_hosts(texts: &[String], cx: &mut Context<'_>) -> Vec<ReturnHost> {
    let key = Key::of("allowed_return_hosts");
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match return_host(text) {
            Some(host) => {
                if host.subdomains && !host.host.contains('.') {
                    cx.error(
                        &key.index(at),
                        &format!("{text:?} is a whole top-level domain, where anybody can have a host"),
                        "name your own domain",
                    );
                }
                found.push(host);
            }
            None => cx.error(
                &key.index(at),
                &format!("{text:?} is no host"),
                "write \"host\", \".suffix\", \"host:8443\" or \"host:*\", without a scheme or path",
            ),
        }
    }
    found
}

/// `admin_hosts`.
pub(super) fn admin_hosts(texts: &[String], cx: &mut Context<'_>) -> Vec<String> {
    let key = Key::of("admin_hosts");
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match host_name(text) {
            Some(host) => found.push(host),
            None => {
                let message = format!("{text:?} is no host");
                cx.error(&key.index(at), &message, "write the name alone, without a scheme or a port");
            }
        }
    }
    found
}

fn return_host(text: &str) -> Option<ReturnHost> {
    let (host, port) = match text.rsplit_once(':') {
        // The last colon of an IPv6 address is inside the brackets.
        Some((host, _)) if host.contains('[') && !host.ends_with(']') => (text, ReturnPort::Default),
        Some((host, "*")) => (host, ReturnPort::Any),
        Some((host, digits)) => {
            let port = digits.parse().ok().filter(|port| *port != 0 && !digits.starts_with('+'))?;
            (host, ReturnPort::Exactly(port))
        }
        None => (text, ReturnPort::Default),
    };
    let (host, subdomains) = match host.strip_prefix('.') {
        Some(suffix) => (suffix, true),
        None => (host, false),
    };
    Some(ReturnHost { host: host_name(host)?, subdomains, port })
}

/// A host alone, in the spelling that a URL would have it.
pub(super) fn host_name(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.[]:".contains(c) || !c.is_ascii();
    if text.is_empty() || !text.chars().all(plain) || (text.contains(':') && !text.starts_with('[')) {
        return None;
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_owned();
            (!name.is_empty() && name.split('.').all(|label| !label.is_empty())).then_some(name)
        }
        Host::Ipv4(v4) => Some(v4.to_string()),
        Host::Ipv6(v6) => Some(format!("[{v6}]")),
    }
}
