//! `upstream`: one address that is not the gate itself. ★

use std::net::SocketAddr;
use std::path::PathBuf;

use url::{Host, Url};

use super::Context;
use super::origin::is_loopback;
use crate::config::problem::Key;
use crate::config::settings::Upstream;

/// Where allowed requests go. `own` are the gate's listeners.
pub(super) fn upstream(
    text: Option<&str>,
    ca_file: Option<&str>,
    own: &[SocketAddr],
    cx: &mut Context<'_>,
) -> Option<Upstream> {
    let key = Key::of("upstream");
    let ca_key = Key::of("upstream_ca_file");
    let ca_file = cx.certificates(&ca_key, ca_file);
    let fix = "write upstream = \"http://127.0.0.1:8080\", \"https://host:port\" or \"unix:/run/app.sock\"";
    let Some(text) = text else {
        cx.missing(&key, fix);
        return None;
    };
    let found = match parse(text, ca_file.clone()) {
        Ok(found) => found,
        Err(message) => {
            cx.error(&key, &message, fix);
            return None;
        }
    };
    if ca_file.is_some() && !matches!(found, Upstream::Https { .. }) {
        cx.error(&ca_key, "has a meaning for an https:// upstream only", "leave it out, or use https://");
    }
    if let Upstream::Http { host, port } | Upstream::Https { host, port, .. } = &found
        && let Some(own) = own.iter().find(|own| is_same(host, *port, **own))
    {
        cx.error(&key, &format!("is the gate's own address {own}: it would forward to itself"), fix);
    }
    Some(found)
}

fn parse(text: &str, ca_file: Option<PathBuf>) -> Result<Upstream, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        // sun_path holds 108 bytes with the final NUL.
        return match path {
            _ if !path.starts_with('/') => Err("a unix socket needs an absolute path".into()),
            _ if path.len() > 107 => Err("the path of a unix socket holds at most 107 bytes".into()),
            _ => Ok(Upstream::Unix(path.into())),
        };
    }
    if text.starts_with("h2c://") {
        return Err("h2c:// is not available in this version".into());
    }
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(format!("{text:?} is no upstream"));
    }
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password, which is not sent".into());
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("holds a path, query or fragment: what is decided on is forwarded unchanged".into());
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(v4)) => v4.to_string(),
        Some(Host::Ipv6(v6)) => format!("[{v6}]"),
        None => return Err("names no host".into()),
    };
    let port = url.port_or_known_default().filter(|port| *port != 0).ok_or("port 0 is no port")?;
    Ok(match url.scheme() {
        "https" => Upstream::Https { host, port, ca_file },
        _ => Upstream::Http { host, port },
    })
}

/// Whether a connection to `host:port` would end at our own listener, as far as text can tell.
fn is_same(host: &str, port: u16, own: SocketAddr) -> bool {
    if port != own.port() {
        return false;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = is_loopback(host);
    let any = bare == "0.0.0.0" || bare == "::";
    bare == own.ip().to_string()
        || ((loopback || any) && (own.ip().is_loopback() || own.ip().is_unspecified()))
}
