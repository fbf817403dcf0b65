//! What a request asks, read out of its head once: everything that deciding needs, or a refusal. ★

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{
    ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, ORIGIN,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::config::settings::{Config, Scheme};
use crate::forwarded::{self, Trusted};
use crate::refusal::Refusal;
use crate::rule::path::{CanonicalPath, PathRefusal, Rewrite, canonical, canonical_with_slashes};

pub mod authority;

use authority::host_and_port;

/// One request, as far as deciding goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The method, byte-exact.
    pub method: Method,
    /// The host that was asked for: lower-case, no port, no trailing dot.
    pub host: String,
    /// The authority as a client would write it, with port.
    pub authority: String,
    /// Which public origin that is; `None`: none of them.
    pub origin: Option<usize>,
    /// The path in its only spelling.
    pub path: CanonicalPath<'static>,
    /// The query without `?`, untouched.
    pub query: Option<String>,
    /// Path and query together, where they came as they are above: need not be put together again.
    pub as_came: Option<PathAndQuery>,
    /// Who asks: a browser going somewhere, a browser's document, or a program.
    pub kind: Kind,
    /// The client's address: the peer's, or what trusted proxies say.
    pub client: IpAddr,
    /// What the upstream is told the client spoke.
    pub scheme: Scheme,
    /// A WebSocket upgrade.
    pub websocket: bool,
    /// Which page it comes from.
    pub from: From,
    /// Another origin's page had it fetched: what fetch metadata says, whatever `Origin` does.
    pub foreign: bool,
    /// The method that a CORS preflight asks about.
    pub preflight: Option<Method>,
    /// The client showed a certificate that counts.
    pub certificate: bool,
}

/// Who hands a request over: an address alone, or [`crate::listen::Peer`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The peer's.
    pub address: IpAddr,
    /// It is a balancer's that passes on it knows not whose connection: headers on it are the client's word.
    pub nameless: bool,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A browser going to an address: it can follow a redirect to the pool and come back.
    Navigation,
    /// Another browser document (a form post, a frame): it shows a page, but is not sent away.
    Document,
    /// A script, a program, a prefetch.
    Other,
}

/// Which page a request comes from: what the `Origin` header says (RFC 6454 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// No such header: a program, by all that is said. Browsers send one with each handshake of a WebSocket (RFC 6455 §4.1).
    Nowhere,
    /// One of the public origins.
    Ours,
    /// Anything else, `null` and two of them included; or no such header, but fetch metadata of another origin's page.
    Elsewhere,
}

// === impl Ask ===

impl Ask {
    /// Reads a request's head. `websocket`: whether it is an upgrade to a WebSocket.
    pub fn read(
        head: &Parts,
        sender: impl Into<Sender>,
        websocket: bool,
        config: &Config,
    ) -> Result<Self, Refusal> {
        if matches!(head.method, Method::CONNECT | Method::TRACE) {
            return Err(Refusal::Method);
        }
        within_limits(head, config)?;

        let Sender { address, nameless } = sender.into();
        let peer = address.to_canonical();
        let trusted = !nameless && config.trusted_proxies.iter().any(|network| network.contains(peer));
        let said =
            if trusted { forwarded::read(&head.headers, peer, config) } else { Trusted::nothing(peer) };
        let own_host = one_host(&head.headers)?.to_ascii_lowercase();
        let own = host_and_port(&own_host).ok_or(Refusal::Host)?;
        let (authority, (host, port)) = match said.host {
            None => (own_host, own),
            Some(said) => {
                let read = host_and_port(&said).ok_or(Refusal::Host)?;
                (said, read)
            }
        };
        agrees_with_target(head, &authority)?;

        let raw_path = match (head.uri.path(), head.uri.scheme().is_some()) {
            ("", true) => "/",
            (path, _) => path,
        };
        let path = canonical_with_slashes(raw_path).map_err(Refusal::Path)?.into_owned();
        if path.holds_slash() && !config.keeps_slashes() {
            return Err(Refusal::Path(PathRefusal::AmbiguousEscape));
        }
        // `http://app.test?x` has a path that its text lacks.
        let spelled =
            |target: &&PathAndQuery| target.as_str().starts_with('/') && target.path() == path.as_str();
        let as_came = head.uri.path_and_query().filter(spelled).cloned();
        // `app.example.com.` is the same host to rules, but not to a browser's cookies: it is sent to the other.
        let name = authority.as_bytes().split(|byte| *byte == b':').next();
        let rooted = name.is_some_and(|name| name.ends_with(b"."));
        let origin = config.origins.iter().position(|origin| {
            !rooted && origin.host == host && port.unwrap_or(origin.scheme.default_port()) == origin.port
        });
        let scheme = match origin {
            Some(index) => config.origins[index].scheme,
            // With [tls] the listener speaks nothing else, whatever its client asks for.
            None => said.scheme.unwrap_or(if config.tls.is_some() { Scheme::Https } else { Scheme::Http }),
        };
        let foreign = is_foreign(&head.headers);
        Ok(Self {
            method: head.method.clone(),
            host,
            origin,
            path,
            query: head.uri.query().map(str::to_owned),
            as_came,
            kind: Kind::of(&head.method, &head.headers),
            client: said.client,
            scheme,
            websocket,
            from: From::read(&head.headers, foreign, config),
            foreign,
            preflight: preflight(head),
            certificate: false,
            authority,
        })
    }

    /// The same of a client that showed a certificate, or none: no head says so.
    pub fn with_certificate(self, certificate: bool) -> Self {
        Self { certificate, ..self }
    }

    /// The same without anything of the bytes that it was read from: a stream may be open for days.
    pub fn lasting(&self) -> Self {
        Self { as_came: None, ..self.clone() }
    }

    /// Path and query of a head that was not read further, for the way back on its page.
    pub fn target_of(head: &Parts) -> Option<String> {
        let path = canonical(head.uri.path()).ok()?;
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{}{query}", path.as_str()))
    }

    /// The path as the upstream is sent it: this very path, or what `rewrite` makes of it.
    pub fn sent_path(&self, rewrite: &Rewrite) -> Result<Cow<'_, str>, Refusal> {
        rewrite.sent(&self.path).map_err(|_| Refusal::Outside)
    }

    /// Path and query as the upstream is sent them.
    pub fn sent(&self, rewrite: &Rewrite) -> Result<PathAndQuery, Refusal> {
        if let Some(target) = self.as_came.as_ref().filter(|_| rewrite.is_none()) {
            return Ok(target.clone());
        }
        let path = self.sent_path(rewrite)?;
        let target = match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        };
        target.try_into().map_err(|_| Refusal::Target)
    }

    /// Path and query, as returned to after a login.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path.as_str()),
            None => self.path.as_str().to_owned(),
        }
    }
}

// === impl Sender ===

impl std::convert::From<IpAddr> for Sender {
    fn from(address: IpAddr) -> Self {
        Self { address, nameless: false }
    }
}

// === impl Kind ===

impl Kind {
    /// Reads it out of the Fetch metadata, or of Accept where a browser sends none.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let (mode, dest) = (headers.get(&SEC_FETCH_MODE), headers.get(&SEC_FETCH_DEST));
        let metadata = mode.is_some() || dest.is_some();
        let [mode, dest] = [mode, dest].map(|value| value.and_then(|value| value.to_str().ok()));
        let prefetch = is_prefetch(headers);
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match (metadata, mode, dest) {
            (true, Some("navigate"), Some("document")) if reads && !prefetch => Self::Navigation,
            (true, Some("navigate"), _) if !prefetch => Self::Document,
            (true, ..) => Self::Other,
            (false, ..) if !names_html(headers) || prefetch => Self::Other,
            (false, ..) if reads => Self::Navigation,
            (false, ..) => Self::Document,
        }
    }

    /// Whether the answer is read by a person.
    pub fn wants_page(self) -> bool {
        self != Self::Other
    }
}

// === impl From ===

impl From {
    fn read(headers: &HeaderMap, foreign: bool, config: &Config) -> Self {
        let mut lines = headers.get_all(ORIGIN).iter();
        match (lines.next(), lines.next()) {
            (None, _) if foreign => Self::Elsewhere,
            (None, _) => Self::Nowhere,
            (Some(line), None) if config.origins.iter().any(|origin| *line == *origin.to_string()) => {
                Self::Ours
            }
            _ => Self::Elsewhere,
        }
    }
}

/// Our limits lie below the parser's, so that these refusals are ours.
fn within_limits(head: &Parts, config: &Config) -> Result<(), Refusal> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > config.limits.target {
        return Err(Refusal::TargetTooLong);
    }
    // `: ` and the line end count as well.
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head.headers.len() > config.limits.header_count || bytes > config.limits.header_bytes {
        return Err(Refusal::HeadTooLarge);
    }
    Ok(())
}

/// Exactly one Host (RFC 9112 §3.2).
fn one_host(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut lines = headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (Some(host), None) => host.to_str().map_err(|_| Refusal::Host),
        _ => Err(Refusal::Host),
    }
}

/// An absolute-form target must name the host that Host names, and nothing more (RFC 9112 §3.2.2).
fn agrees_with_target(head: &Parts, authority: &str) -> Result<(), Refusal> {
    let Some(scheme) = head.uri.scheme_str() else {
        // Authority-form is CONNECT's; `*` has no path to decide on.
        return if head.uri.authority().is_some() { Err(Refusal::Target) } else { Ok(()) };
    };
    let named = head.uri.authority().ok_or(Refusal::Target)?.as_str().to_ascii_lowercase();
    let http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    if !http || host_and_port(&named) != host_and_port(authority) {
        return Err(Refusal::Target);
    }
    Ok(())
}

/// A true preflight asks about a method for an origin and carries neither body nor identity of its own
/// (Fetch §4.8).
fn preflight(head: &Parts) -> Option<Method> {
    if head.method != Method::OPTIONS {
        return None;
    }
    let bodiless = !head.headers.contains_key(TRANSFER_ENCODING)
        && head.headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    let nameless = !head.headers.contains_key(AUTHORIZATION) && !head.headers.contains_key(COOKIE);
    // Of two an upstream may read the other one.
    let one = |name: HeaderName| {
        let mut values = head.headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let method = one(ACCESS_CONTROL_REQUEST_METHOD)?;
    if one(ORIGIN).is_none() || !bodiless || !nameless {
        return None;
    }
    Method::from_bytes(method.as_bytes()).ok()
}

/// Whether a page of another origin had this fetched (`Sec-Fetch-Site`). None did where no line says so: an address was
/// typed in, or a program asks. Of several lines anything in front may have added one, so each must say that it is not
/// foreign.
fn is_foreign(headers: &HeaderMap) -> bool {
    let own = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    !headers.get_all(&SEC_FETCH_SITE).iter().all(own)
}

/// Whether a page had this fetched as a part of itself: a picture, a frame, a script (`Sec-Fetch-Dest`).
pub fn is_part_of_a_page(headers: &HeaderMap) -> bool {
    let dest = headers.get(&SEC_FETCH_DEST).map(|value| value.as_bytes());
    !matches!(dest, None | Some(b"document" | b"empty"))
}

/// Whether a browser fetches this before anybody wants it.
pub fn is_prefetch(headers: &HeaderMap) -> bool {
    let purpose = headers.get(&SEC_PURPOSE).and_then(|value| value.to_str().ok());
    purpose.is_some_and(|purpose| purpose.contains("prefetch"))
}

/// Whether Accept names text/html, as only browsers do.
fn names_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).any(|line| {
        line.split(',').any(|range| {
            range.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("text/html"))
        })
    })
}

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
static SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests;
