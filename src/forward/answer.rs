//! An upstream's answer made fit to leave: hop-by-hop, the gate's names and shared caches taken out. ★

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};

use super::headers::{Scrub, X_REQUEST_ID, is_listed, listed, trim};
use super::plan::Plan;

/// What becomes of an answer's cacheability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cacheability {
    /// As the upstream says: public rules, and those that say `cacheable`.
    Keep,
    /// For the browser's own cache alone.
    Private,
    /// The answer carries a cookie of the gate: for no cache at all.
    PrivateNoStore,
}

/// What the answer is one to.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// It answers a HEAD.
    pub head: bool,
    /// Its status.
    pub status: StatusCode,
}

// === impl Scrub ===

impl Scrub {
    /// Makes the head fit to leave, or says why the answer cannot be believed.
    pub fn fit(&self, head: &mut HeaderMap, asked: Asked, plan: &Plan) -> Result<(), &'static str> {
        framing(head)?;
        // A length without a body: what the body would have been (RFC 9110 §9.3.2, §15.4.5).
        let keeps_length = asked.head || asked.status == StatusCode::NOT_MODIFIED;
        let shared = plan.cacheability != Cacheability::Keep;
        let dropped: Vec<HeaderName> = {
            let listed = listed(head);
            head.keys()
                .filter(|name| {
                    (**name == header::CONTENT_LENGTH && !keeps_length)
                        || is_hop(name)
                        || is_listed(&listed, name)
                        || (shared && is_targeted(name))
                        || self.speaks_as_gate(name)
                })
                .cloned()
                .collect()
        };
        for name in dropped {
            head.remove(name);
        }
        self.drop_own_cookies(head);
        restrict(head, plan.cacheability);
        head.insert(&X_REQUEST_ID, plan.request_id.clone());
        Ok(())
    }

    /// Whether a trailer may pass: nothing that a recipient could merge into what is already decided
    /// (RFC 9110 §6.5.1).
    pub(super) fn passes_trailer(&self, name: &HeaderName) -> bool {
        !self.drops(name)
            && !self.speaks_as_gate(name)
            && !TRAILERS_NEVER.contains(name)
            && !is_hop(name)
            && !is_targeted(name)
            && !name.as_str().starts_with("access-control-")
    }

    fn drop_own_cookies(&self, head: &mut HeaderMap) {
        let own = |line: &HeaderValue| {
            let pair = line.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
            self.own.owns_pair(pair)
        };
        if !head.get_all(header::SET_COOKIE).iter().any(own) {
            return;
        }
        let kept: Vec<HeaderValue> =
            head.get_all(header::SET_COOKIE).iter().filter(|line| !own(line)).cloned().collect();
        head.remove(header::SET_COOKIE);
        for line in kept {
            head.append(header::SET_COOKIE, line);
        }
    }
}

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The seconds that the upstream keeps an idle connection, where it says so.
pub(super) fn keep_alive_timeout(head: &HeaderMap) -> Option<u64> {
    let line = head.get(&KEEP_ALIVE)?.to_str().ok()?;
    line.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().trim_matches('"').parse().ok())?
    })
}

/// Whether the upstream ends the connection after this answer (RFC 9112 §9.3).
pub(super) fn closes(version: Version, head: &HeaderMap) -> bool {
    let says = |option: &[u8]| {
        head.get_all(header::CONNECTION)
            .iter()
            .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
            .any(|said| trim(said).eq_ignore_ascii_case(option))
    };
    says(b"close") || (version == Version::HTTP_10 && !says(b"keep-alive"))
}

/// More than one meaning for where the answer ends is response splitting waiting to happen (SMG-48).
fn framing(head: &HeaderMap) -> Result<(), &'static str> {
    let mut lengths = head.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err("content_length_twice");
    }
    // RFC 9112 §6.3: hyper looks at it only where it frames a body by it, and a HEAD's passes unlooked at.
    if length.is_some_and(|value| value.is_empty() || !value.as_bytes().iter().all(u8::is_ascii_digit)) {
        return Err("content_length");
    }
    let mut encodings = head.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        if length.is_some() {
            return Err("length_and_encoding");
        }
        if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err("transfer_encoding");
        }
    }
    Ok(())
}

fn restrict(head: &mut HeaderMap, cacheability: Cacheability) {
    let value = match cacheability {
        Cacheability::Keep => return,
        Cacheability::PrivateNoStore => NO_STORE,
        Cacheability::Private => {
            if head.contains_key(header::CACHE_CONTROL) {
                private(head)
            } else {
                HeaderValue::from_static("private")
            }
        }
    };
    head.insert(header::CACHE_CONTROL, value);
}

/// All lines of Cache-Control as one, `private`, and without what speaks to shared caches.
fn private(head: &HeaderMap) -> HeaderValue {
    let mut kept = b"private".to_vec();
    for line in head.get_all(header::CACHE_CONTROL) {
        let Some(directives) = directives(line.as_bytes()) else {
            // Nobody can say where a broken line's directives end; one of them may have been no-store.
            return NO_STORE;
        };
        for directive in directives {
            let name = trim(directive.split(|&byte| byte == b'=').next().unwrap_or_default());
            let dropped = [&b"public"[..], b"s-maxage", b"private"];
            if !name.is_empty() && !dropped.iter().any(|dropped| name.eq_ignore_ascii_case(dropped)) {
                kept.extend_from_slice(b", ");
                kept.extend_from_slice(directive);
            }
        }
    }
    HeaderValue::try_from(kept).unwrap_or(NO_STORE)
}

/// Splits at commas outside of quoted strings (RFC 9110 §5.6.4); `None` if a quote stays open.
fn directives(line: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut found, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, &byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                found.push(trim(&line[start..index]));
                start = index + 1;
            }
            _ => {}
        }
    }
    found.push(trim(&line[start..]));
    (!quoted).then_some(found)
}

/// Hop-by-hop on the way back. `Trailer` stays: it announces what [`Scrub::passes_trailer`] lets through.
fn is_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Cache headers for shared caches alone (RFC 9213, and older ones of the same kind).
fn is_targeted(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("cdn-cache-control")
        || matches!(name, "surrogate-control" | "surrogate-key" | "edge-control" | "x-accel-expires")
}

const NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");

static TRAILERS_NEVER: [HeaderName; 18] = [
    header::SET_COOKIE,
    header::AUTHORIZATION,
    header::WWW_AUTHENTICATE,
    header::CACHE_CONTROL,
    header::AGE,
    header::DATE,
    header::EXPIRES,
    header::VARY,
    header::LOCATION,
    header::RETRY_AFTER,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_DISPOSITION,
    header::CONTENT_SECURITY_POLICY,
    header::STRICT_TRANSPORT_SECURITY,
    header::REFRESH,
    header::CONTENT_LOCATION,
];

/// Whether it is an event stream: what ends early there is asked for again.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Whether it is a call of gRPC, which may be a stream for as long as both sides like.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let rest = kind.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests;
