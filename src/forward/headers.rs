//! What an upstream may see of a request's head: rebuilt from the client's, never passed. ★
//!
//! A backend may read `X_User`, `X.User` and `X-User` as the same thing (CGI, WSGI and PHP do), so names are
//! compared by class: their ASCII alphanumerics alone. Everything of a client's that is in the class of a
//! header the gate speaks with is dropped, then the gate's own goes in, identity last.

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::plan::Plan;
use crate::session::cookie::{is_own, pairs};
use crate::trace::context;

mod classes;

use classes::{GATES, MESSAGE, Openings, PREFIXES, STRIPPED};

/// The names of the gate's own cookies, which no upstream ever sees or sets.
#[derive(Debug, Clone)]
pub struct OwnCookies {
    /// The passes' names as sent, e.g. `__Host-rolegate`; the others' begin with them.
    pub bases: Vec<String>,
}

/// Takes from a head what must not pass.
#[derive(Debug, Clone)]
pub struct Scrub {
    pub(super) own: OwnCookies,
    /// Folded names of the identity headers beyond [`GATES`].
    identity: Vec<Box<[u8]>>,
    /// How classes begin that are dropped: most names are decided by it.
    openings: Openings,
    /// The same of those that carry identity.
    identities: Openings,
    /// Of [`USUAL`] what is in no class, whatever is configured.
    harmless: Vec<HeaderName>,
}

/// The code of [`framing_faults`] that asks for 417 instead of 400.
pub const EXPECTATION: &str = "expectation";

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What browsers often say and that begins as some class does.
const USUAL: [HeaderName; 4] =
    [header::UPGRADE_INSECURE_REQUESTS, header::REFERER, header::CONTENT_TYPE, header::PRAGMA];
/// Longer names than any that matters are dropped: they cannot be told from an alias by looking at a part.
const LONGEST: usize = 96;
/// More in `Connection` than any client has a reason to say; each name costs a pass over the head.
const CONNECTION_BYTES: usize = 1024;

// === impl OwnCookies ===

impl OwnCookies {
    /// Whether a cookie of this name is the gate's. Byte-exact: names are never decoded or folded.
    pub fn is_own(&self, name: &[u8]) -> bool {
        self.bases.iter().any(|base| is_own(base, name))
    }

    /// Whether a `name=value` piece would be read by anyone as a cookie of the gate. A nameless piece goes by
    /// its value, which is what it looks like once it is in a `Cookie` line.
    pub(super) fn owns_pair(&self, pair: &[u8]) -> bool {
        let mut pair = trim(pair);
        while let [b'=', rest @ ..] = pair {
            pair = trim(rest);
        }
        // Most cookies are somebody else's.
        if !self.bases.iter().any(|base| pair.starts_with(base.as_bytes())) {
            return false;
        }
        self.is_own(trim(&pair[..memchr(b'=', pair).unwrap_or(pair.len())]))
    }
}

// === impl Scrub ===

impl Scrub {
    /// `identity_names`: every header that carries identity, X-User and X-Roles under their configured names
    /// and mapped claims.
    pub fn new(own: OwnCookies, identity_names: &[HeaderName]) -> Self {
        let identity: Vec<Box<[u8]>> = identity_names
            .iter()
            .map(|name| name.as_str().bytes().filter(u8::is_ascii_alphanumeric).collect())
            .collect();
        let (mut openings, mut identities) = (Openings::default(), Openings::default());
        for class in [STRIPPED, PREFIXES, MESSAGE].into_iter().flatten().copied() {
            openings.add(class);
        }
        for class in identity.iter().map(AsRef::as_ref).chain(GATES) {
            openings.add(class);
            identities.add(class);
        }
        let mut scrub = Self { own, identity, openings, identities, harmless: vec![] };
        scrub.harmless = USUAL.into_iter().filter(|name| !scrub.drops(name)).collect();
        scrub
    }

    /// The head that is sent instead of the client's, which it is made of.
    pub fn outgoing(&self, mut head: HeaderMap, host: &HeaderValue, plan: &Plan, upgrade: bool) -> HeaderMap {
        let cookies = self.cookies(&head);
        for name in self.dropped(&head, plan) {
            head.remove(name);
        }
        head.insert(header::HOST, host.clone());
        match cookies {
            Some(cookies) => drop(head.insert(header::COOKIE, cookies)),
            None => drop(head.remove(header::COOKIE)),
        }
        if upgrade {
            head.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            head.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        context::pass_on(&mut head, plan.trace.as_ref());
        head.insert(&X_FORWARDED_FOR, plan.forwarded.for_.clone());
        head.insert(&X_FORWARDED_PROTO, HeaderValue::from_static(plan.forwarded.proto));
        head.insert(&X_FORWARDED_HOST, plan.forwarded.host.clone());
        if let Some(prefix) = &plan.forwarded.prefix {
            head.insert(&X_FORWARDED_PREFIX, prefix.clone());
        }
        head.insert(&X_REQUEST_ID, plan.request_id.clone());
        for (name, value) in &plan.identity {
            head.insert(name, value.clone());
        }
        head
    }

    /// The names that are taken out of a client's head, but for those whose place the gate's own take.
    fn dropped(&self, client: &HeaderMap, plan: &Plan) -> Vec<HeaderName> {
        let listed = listed(client);
        // Where the gate speaks it, nobody else does.
        let speaks_authorization = plan.identity.iter().any(|(name, _)| *name == header::AUTHORIZATION);
        let no_authorization = plan.drops_authorization || speaks_authorization;
        let replaced = |name: &HeaderName| matches!(*name, header::HOST | header::COOKIE);
        let dropped = |name: &HeaderName| {
            self.drops(name) || is_listed(&listed, name) || (no_authorization && is_authorization(name))
        };
        client.keys().filter(|name| !replaced(name) && dropped(name)).cloned().collect()
    }

    /// Whether a client's header of this name stays here: identity, forwarding, hop-by-hop, framing, cookies,
    /// under any spelling.
    pub fn drops(&self, name: &HeaderName) -> bool {
        match Openings::of(name.as_str().as_bytes()) {
            // Nothing but punctuation: no class, and no use.
            None => return true,
            Some(opening) if !self.openings.has(opening) || self.harmless.contains(name) => return false,
            Some(_) => {}
        }
        let mut buffer = [0; LONGEST];
        let Some(folded) = fold(name.as_str(), &mut buffer) else { return true };
        self.is_identity(folded)
            || STRIPPED.contains(&folded)
            || MESSAGE.contains(&folded)
            || PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
    }

    /// Whether the gate alone may say this.
    pub(super) fn speaks_as_gate(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let opening = Openings::of(name.as_bytes());
        opening.is_some_and(|opening| self.identities.has(opening))
            && fold(name, &mut room()).is_some_and(|folded| self.is_identity(folded))
    }

    fn is_identity(&self, folded: &[u8]) -> bool {
        self.identity.iter().any(|name| **name == *folded) || GATES.contains(&folded)
    }

    /// All `Cookie` lines as one, without the gate's own. `None` if nothing is left.
    pub(super) fn cookies(&self, client: &HeaderMap) -> Option<HeaderValue> {
        let lines = client.get_all(header::COOKIE);
        let (first, one_line) = (lines.iter().next()?, lines.iter().nth(1).is_none());
        let own = |line: &HeaderValue| pairs(line.as_bytes()).any(|pair| self.own.owns_pair(pair));
        if one_line && !own(first) {
            return Some(first.clone());
        }
        let mut kept = BytesMut::new();
        for line in lines {
            for pair in pairs(line.as_bytes()).map(trim) {
                if !pair.is_empty() && !self.own.owns_pair(pair) {
                    if !kept.is_empty() {
                        kept.put_slice(b"; ");
                    }
                    kept.put_slice(pair);
                }
            }
        }
        if kept.is_empty() {
            return None;
        }
        // Made of bytes that were header values before; were they not, dropping them is the safe end.
        HeaderValue::from_maybe_shared(kept.freeze()).ok()
    }
}

/// `Authorization` under any spelling.
fn is_authorization(name: &HeaderName) -> bool {
    fold(name.as_str(), &mut room()) == Some(&b"authorization"[..])
}

/// Why the request's framing has more than one meaning, or `None`. Asked before anything else about a request;
/// what is refused here is refused with the connection closed.
///
/// hyper settles some of it first and shows nothing of it: beside a Transfer-Encoding it removes the
/// Content-Length and closes after the answer, and of equal Content-Lengths it shows one.
pub fn framing_faults(head: &HeaderMap) -> Option<&'static str> {
    // Most heads have none of these: to pass over the names once costs less than to look each of them up.
    let speaks = head.keys().any(|name| {
        matches!(
            *name,
            header::TRANSFER_ENCODING | header::CONTENT_LENGTH | header::CONNECTION | header::EXPECT
        )
    });
    let twice = head.len() > head.keys_len();
    let said = |fault: fn(&HeaderMap) -> Option<&'static str>| if speaks { fault(head) } else { None };
    if let Some(fault) = said(length_faults) {
        return Some(fault);
    }
    if twice && head.get_all(header::HOST).iter().count() > 1 {
        return Some("host_twice");
    }
    if head.keys().any(|name| is_framing_alias(name.as_str())) {
        return Some("framing_alias");
    }
    said(option_faults)
}

fn length_faults(head: &HeaderMap) -> Option<&'static str> {
    let mut encodings = head.get_all(header::TRANSFER_ENCODING).iter();
    let encoding = encodings.next();
    if let Some(value) = encoding {
        // RFC 9112 §6.1 knows others; no browser sends them, and proxies disagree about every one.
        if encodings.next().is_some() || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Some("transfer_encoding");
        }
    }
    match head.get_all(header::CONTENT_LENGTH).iter().count() {
        0 => None,
        1 => encoding.map(|_| "length_and_encoding"),
        _ => Some("content_length_twice"),
    }
}

fn option_faults(head: &HeaderMap) -> Option<&'static str> {
    if head.get_all(header::CONNECTION).iter().map(HeaderValue::len).sum::<usize>() > CONNECTION_BYTES {
        return Some("connection_options");
    }
    let mut expectations = head.get_all(header::EXPECT).iter();
    let value = expectations.next()?;
    let known = expectations.next().is_none() && value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    (!known).then_some(EXPECTATION)
}

fn is_framing_alias(name: &str) -> bool {
    // The true names are in no alias's way; everything else is looked at only if its initial fits.
    if !matches!(name.bytes().find(u8::is_ascii_alphanumeric), Some(b't' | b'c' | b'h'))
        || matches!(name, "transfer-encoding" | "content-length" | "host")
    {
        return false;
    }
    let mut buffer = [0; LONGEST];
    fold(name, &mut buffer)
        .is_some_and(|folded| matches!(folded, b"transferencoding" | b"contentlength" | b"host"))
}

/// The names that `Connection` lists over all its lines, beside those that are dropped anyway (RFC 9110 §7.6.1).
pub(super) fn listed(head: &HeaderMap) -> Vec<&[u8]> {
    let mut names = Vec::new();
    for line in head.get_all(header::CONNECTION) {
        for name in line.as_bytes().split(|&byte| byte == b',').map(trim) {
            let usual = [&b""[..], b"keep-alive", b"close", b"upgrade", b"te"];
            if !usual.iter().any(|usual| name.eq_ignore_ascii_case(usual)) {
                names.push(name);
            }
        }
    }
    names
}

/// Whether `Connection` takes this header away. Those that decide over access or meaning stay: a client that
/// lists them gains nothing (HDR-13).
pub(super) fn is_listed(listed: &[&[u8]], name: &HeaderName) -> bool {
    !listed.is_empty()
        && !ALWAYS_STAY.contains(name)
        && listed.iter().any(|listed| listed.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Folds a (lower-case) header name to its class; `None` if it is too long to be told.
fn fold<'b>(name: &str, buffer: &'b mut [u8; LONGEST]) -> Option<&'b [u8]> {
    let mut length = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
        *buffer.get_mut(length)? = byte;
        length += 1;
    }
    buffer.get(..length)
}

/// Room for [`fold`].
fn room() -> [u8; LONGEST] {
    [0; LONGEST]
}

/// Without leading and trailing SP and HTAB, and nothing else: Unicode spaces are part of a name.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

static ALWAYS_STAY: [HeaderName; 8] = [
    header::COOKIE,
    header::AUTHORIZATION,
    header::HOST,
    header::ORIGIN,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CACHE_CONTROL,
    header::SET_COOKIE,
];

#[cfg(test)]
mod tests;
