//! `upstream`, at the top level and on rules: addresses that are not the gate itself. ★

use std::net::SocketAddr;
use std::path::PathBuf;

use url::{Host, Url};

use super::Context;
use super::origin::is_loopback;
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::Upstream;

/// The upstreams of the top level and of rules, each once.
pub(super) struct Upstreams {
    /// The top level's; `None` if it cannot be used.
    first: Option<Upstream>,
    others: Vec<Upstream>,
    /// For each rule, in order, which one it names.
    of_rules: Vec<usize>,
}

/// Where allowed requests go. `own` are the gate's listeners.
pub(super) fn upstreams(
    text: Option<&str>,
    rules: &[raw::Rule],
    ca_file: Option<&str>,
    own: &[SocketAddr],
    cx: &mut Context<'_>,
) -> Upstreams {
    let ca_key = Key::of("upstream_ca_file");
    let ca_file = cx.certificates(&ca_key, ca_file);
    let key = Key::of("upstream");
    let first = match text {
        Some(text) => upstream(text, &key, ca_file.as_ref(), own, cx),
        None => {
            cx.missing(&key, FIX);
            None
        }
    };
    let mut found = Upstreams { first, others: Vec::new(), of_rules: Vec::new() };
    for (at, rule) in rules.iter().enumerate() {
        let key = Key::of("rules").index(at).name("upstream");
        let named = rule.upstream.as_deref().and_then(|text| upstream(text, &key, ca_file.as_ref(), own, cx));
        let index = named.map_or(0, |named| found.index(named));
        found.of_rules.push(index);
    }
    let all = || found.first.iter().chain(&found.others);
    if ca_file.is_some() && all().next().is_some() && !all().any(|one| matches!(one, Upstream::Https { .. }))
    {
        cx.error(
            &ca_key,
            "has a meaning for an https:// or h2:// upstream only",
            "leave it out, or use https://",
        );
    }
    found
}

fn upstream(
    text: &str,
    key: &Key,
    ca_file: Option<&PathBuf>,
    own: &[SocketAddr],
    cx: &mut Context<'_>,
) -> Option<Upstream> {
    let found = match parse(text, ca_file.cloned()) {
        Ok(found) => found,
        Err(message) => {
            cx.error(key, &message, FIX);
            return None;
        }
    };
    if let Upstream::Http { host, port, .. } | Upstream::Https { host, port, .. } = &found
        && let Some(own) = own.iter().find(|own| is_same(host, *port, **own))
    {
        cx.error(key, &format!("is the gate's own address {own}: it would forward to itself"), FIX);
    }
    Some(found)
}

// === impl Upstreams ===

impl Upstreams {
    /// All of them, the top level's first.
    pub(super) fn found(self) -> Option<Vec<Upstream>> {
        Some(std::iter::once(self.first?).chain(self.others).collect())
    }

    /// Whether rules name any beside the top level's.
    pub(super) fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    /// Which one the rule at `at` names: 0 where it names none.
    pub(super) fn of_rule(&self, at: usize) -> usize {
        self.of_rules.get(at).copied().unwrap_or(0)
    }

    fn index(&mut self, named: Upstream) -> usize {
        if self.first.as_ref() == Some(&named) {
            return 0;
        }
        let at = self.others.iter().position(|other| *other == named).unwrap_or_else(|| {
            self.others.push(named);
            self.others.len() - 1
        });
        at + 1
    }
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
    // Named as in ALPN: h2 over TLS, h2c without (RFC 7540 §3.1).
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (scheme, http2) = match scheme {
        "http" => ("http", false),
        "https" => ("https", false),
        "h2c" => ("http", true),
        "h2" => ("https", true),
        _ => return Err(format!("{text:?} is no upstream")),
    };
    let url = Url::parse(&format!("{scheme}://{rest}"))
        .map_err(|error| format!("{text:?} is not a URL: {error}"))?;
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
        "https" => Upstream::Https { host, port, http2, ca_file },
        _ => Upstream::Http { host, port, http2 },
    })
}

const FIX: &str = "write upstream = \"http://127.0.0.1:8080\", \"https://host:port\", \"unix:/run/app.sock\", or \
                   \"h2c://host:port\" or \"h2://host:port\" for HTTP/2";

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
