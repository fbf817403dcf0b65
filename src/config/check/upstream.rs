//! `upstream`, at the top level and on rules: an address that is not the gate itself, or a name of `[[upstreams]]`. ★

use std::net::SocketAddr;
use std::path::PathBuf;

use url::{Host, Url};

use super::origin::is_loopback;
use super::{Context, upstreams};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{Destination, Upstream};
use crate::config::shape::distance;

/// The upstreams of the top level and of rules, each once.
pub(super) struct Upstreams {
    /// The top level's; `None` if it cannot be used.
    first: Option<Destination>,
    others: Vec<Destination>,
    /// For each rule, in order, which one it names.
    of_rules: Vec<usize>,
}

/// What upstreams are judged by.
pub(super) struct Around<'a> {
    /// `upstream_ca_file`.
    pub(super) ca_file: Option<PathBuf>,
    /// The gate's listeners.
    pub(super) own: &'a [SocketAddr],
    /// The top level's.
    pub(super) pass_host: bool,
}

/// Where allowed requests go. `own` are the gate's listeners.
pub(super) fn upstreams(
    raw: &raw::Raw,
    rules: &[raw::Rule],
    own: &[SocketAddr],
    cx: &mut Context<'_>,
) -> Upstreams {
    let ca_key = Key::of("upstream_ca_file");
    let ca_file = cx.certificates(&ca_key, raw.upstream_ca_file.as_deref());
    let around = Around { ca_file, own, pass_host: raw.pass_host.unwrap_or(true) };
    let mut tables = upstreams::tables(raw.upstreams.as_deref().unwrap_or_default(), &around, cx);
    let key = Key::of("upstream");
    let first = match raw.upstream.as_deref() {
        Some(text) => destination(text, &key, &mut tables, &around, cx),
        None => {
            cx.missing(&key, FIX);
            None
        }
    };
    let mut found = Upstreams { first, others: Vec::new(), of_rules: Vec::new() };
    for (at, rule) in rules.iter().enumerate() {
        let key = Key::of("rules").index(at).name("upstream");
        let named =
            rule.upstream.as_deref().and_then(|text| destination(text, &key, &mut tables, &around, cx));
        let index = named.map_or(0, |named| found.index(named));
        found.of_rules.push(index);
    }
    for table in tables.iter().filter(|table| !table.named) {
        cx.warning(
            &table.key,
            "nothing goes there: neither `upstream` nor a rule names it",
            "name it, or leave the table out",
        );
    }
    let mut all = found.first.iter().chain(&found.others).flat_map(|one| &one.addresses).peekable();
    if around.ca_file.is_some()
        && all.peek().is_some()
        && !all.any(|one| matches!(one, Upstream::Https { .. }))
    {
        cx.error(
            &ca_key,
            "has a meaning for an https:// or h2:// upstream only",
            "leave it out, or use https://",
        );
    }
    found
}

/// A URL, or the name of a table.
fn destination(
    text: &str,
    key: &Key,
    tables: &mut [upstreams::Table],
    around: &Around<'_>,
    cx: &mut Context<'_>,
) -> Option<Destination> {
    // Every address has a colon, and no name has one.
    if tables.is_empty() || text.contains(':') {
        let address = upstream(text, key, around.ca_file.as_ref(), around.own, cx)?;
        return Some(Destination { pass_host: around.pass_host, ..address.into() });
    }
    if let Some(table) = tables.iter_mut().find(|table| table.name == text) {
        table.named = true;
        return table.destination.clone();
    }
    let nearest = tables.iter().map(|table| (distance(text, &table.name), &table.name)).min();
    let fix = match nearest {
        Some((distance, name)) if distance <= (name.len() / 3).clamp(1, 3) => {
            format!("did you mean {name:?}?")
        }
        _ => "name one of them, or write a URL".into(),
    };
    cx.error(key, &format!("no [[upstreams]] is called {text:?}"), &fix);
    None
}

/// One address, as it is written at the top level, on a rule or in a table.
pub(super) fn upstream(
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
    pub(super) fn found(self) -> Option<Vec<Destination>> {
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

    /// The one at `index`: 0 is the top level's.
    pub(super) fn at(&self, index: usize) -> Option<&Destination> {
        match index.checked_sub(1) {
            None => self.first.as_ref(),
            Some(other) => self.others.get(other),
        }
    }

    fn index(&mut self, named: Destination) -> usize {
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
