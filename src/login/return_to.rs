//! Where a login may return to: a path of our own, or an address on a host that was listed. ★
//!
//! Threat: open redirects. What is given is parsed as browsers parse it (WHATWG URL), what is sent out is
//! always absolute and serialized from that parse, so that nobody reads it in another way.

use url::Url;

use crate::config::settings::{Origin, ReturnHost, ReturnPort};
use crate::rule::path::canonical_with_slashes;

/// A checked return address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

/// What a return address is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// The origin that the login began on.
    pub origin: &'a Origin,
    /// All public origins.
    pub origins: &'a [Origin],
    /// Hosts beside them.
    pub hosts: &'a [ReturnHost],
    /// Where the gate's own pages live: a login never returns there.
    pub auth_prefix: &'a str,
    /// Whether some rule keeps escaped slashes.
    pub keeps_slashes: bool,
}

// === impl ReturnTo ===

impl ReturnTo {
    /// The start page of `origin`.
    pub fn home(origin: &Origin) -> Self {
        Self(format!("{origin}/"))
    }

    /// Checks `given`; `None` if it is not acceptable.
    pub fn parse(given: &str, bounds: &Bounds<'_>) -> Option<Self> {
        let checked =
            if given.starts_with('/') { Self::of_path(given, bounds) } else { Self::of_url(given, bounds) };
        // Serializing may escape, and so lengthen.
        checked.filter(|checked| checked.0.len() <= MAX_LEN)
    }

    /// The absolute address for a Location.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As short as it can be written for this origin: the path where it lies on it.
    pub fn relative_to(&self, origin: &Origin) -> &str {
        // `//x` alone would be read as another host.
        let is_path = |rest: &&str| rest.starts_with('/') && !rest.starts_with("//");
        self.0.strip_prefix(&origin.to_string()).filter(is_path).unwrap_or(&self.0)
    }

    fn of_path(given: &str, bounds: &Bounds<'_>) -> Option<Self> {
        let (path, rest) = given.split_at(given.find(['?', '#']).unwrap_or(given.len()));
        // Behind the path a browser sees no place any more; what is no character of a URL is escaped as it would.
        let mut escaped = String::with_capacity(rest.len());
        for byte in rest.bytes() {
            match byte {
                0x21..=0x7e => escaped.push(char::from(byte)),
                0x80.. => escaped.extend(["%", &format!("{byte:02X}")]),
                _ => return None,
            }
        }
        // `//host`, `/./`, `/../`: nothing that a browser would read as another place.
        let mut segments = path.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            if is_dots(segment) || (segment.is_empty() && segments.peek().is_some()) {
                return None;
            }
        }
        own_path(path, bounds)?;
        Some(Self(format!("{}{path}{escaped}", bounds.origin)))
    }

    fn of_url(given: &str, bounds: &Bounds<'_>) -> Option<Self> {
        if !given.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'\\') {
            return None;
        }
        let (scheme, rest) = given.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        if !http || authority.is_empty() || authority.contains('@') {
            return None;
        }
        let url = Url::parse(given).ok()?;
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        let own = bounds.origins.iter().any(|origin| {
            origin.scheme.as_str() == url.scheme() && origin.host == host && origin.port == port
        });
        if own {
            own_path(url.path(), bounds)?;
        } else if !bounds.hosts.iter().any(|allowed| allows(allowed, host, port, url.scheme())) {
            return None;
        }
        Some(Self(url.to_string()))
    }
}

/// The path has a single meaning and is no page of the gate: signing in must not end in signing out.
fn own_path(path: &str, bounds: &Bounds<'_>) -> Option<()> {
    let canonical = canonical_with_slashes(path).ok()?;
    // Whoever comes back is decided upon anew; but where nothing keeps such a path, nobody came from there.
    if canonical.holds_slash() && !bounds.keeps_slashes {
        return None;
    }
    (!canonical.is_under(bounds.auth_prefix)).then_some(())
}

fn is_dots(segment: &str) -> bool {
    let segment = segment.to_ascii_lowercase().replace("%2e", ".");
    segment == "." || segment == ".."
}

fn allows(allowed: &ReturnHost, host: &str, port: u16, scheme: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let named = host == allowed.host
        || (allowed.subdomains
            && host.strip_suffix(&allowed.host).is_some_and(|head| head.ends_with('.') && head.len() > 1));
    let port = match allowed.port {
        ReturnPort::Any => true,
        ReturnPort::Exactly(wanted) => port == wanted,
        ReturnPort::Default => port == if scheme == "https" { 443 } else { 80 },
    };
    named && port
}

/// Longer addresses are not kept.
pub const MAX_LEN: usize = 2048;

#[cfg(test)]
mod tests;
