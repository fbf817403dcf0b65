//! What a gateway asks about, read as the request that its client sent: from the one source of its kind, or not at all. ★
//!
//! Threat: a gateway hands its clients' headers on. Whatever names a method, a host or a path beside that source is the
//! client's word, and a source that is missing, stands there twice or cannot be read decides nothing.

use std::net::IpAddr;

use http::header::{
    HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Uri};

use crate::ask::{Ask, Kind, Sender};
use crate::config::settings::{Config, Gateway, GatewayKind, METHOD_OVERRIDES, Scheme, TrustedHeaders};
use crate::forwarded;
use crate::refusal::Refusal;
use crate::rule::path::{PathRefusal, canonical_with_slashes};

/// A request that a gateway asks about.
#[derive(Debug)]
pub struct Question {
    /// Its head, as if it had come here.
    pub head: Parts,
    /// Its client's address: what a trusted gateway says, else the gateway's own.
    pub client: IpAddr,
    /// What its head does not tell.
    pub asked: Asked,
}

/// How a gateway asks about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What the gateway is.
    pub kind: GatewayKind,
    /// Whether its path has the segments that are decided on. A gateway sends the path on as it came.
    pub plain: bool,
    scheme: Option<Scheme>,
    websocket: bool,
}

/// Whether this is a gateway's question: by its target as it was written, since Envoy puts its client's path behind it
/// and every other way to read that is its client's to choose.
pub fn asks<'c>(head: &Parts, sender: Sender, config: &'c Config) -> Option<&'c Gateway> {
    let gateway = config.gateway.as_ref()?;
    let rest = after_page(head, config)?;
    let page = rest.is_empty() || (gateway.kind == GatewayKind::Envoy && rest.starts_with('/'));
    (page && !sender.nameless && gateway.is(sender.address)).then_some(gateway)
}

fn after_page<'h>(head: &'h Parts, config: &Config) -> Option<&'h str> {
    head.uri.path().strip_prefix(config.auth_prefix.as_str())?.strip_prefix("/auth")
}

// === impl Question ===

impl Question {
    /// Reads what `gateway` asks at `peer`.
    pub fn read(mut head: Parts, peer: IpAddr, gateway: &Gateway, config: &Config) -> Result<Self, Refusal> {
        let client = client(&head.headers, peer.to_canonical(), config)?;
        if overrides(&head.headers, gateway.kind, config) {
            return Err(Refusal::Gateway("gateway_override"));
        }
        let written = match gateway.kind {
            GatewayKind::Nginx => Written::by_url(&head)?,
            GatewayKind::ForwardAuth => Written::by_parts(&head)?,
            GatewayKind::Envoy => Written::by_path(&head, config)?,
        };
        let path = target(&written.target, config)?;
        let asked = Asked {
            kind: gateway.kind,
            plain: is_plain(path.path()),
            scheme: written.scheme,
            websocket: names_websocket(&head.headers),
        };
        head.method = written.method;
        if let Some(host) = written.host {
            head.headers.insert(HOST, host);
        }
        let mut uri = head.uri.into_parts();
        if gateway.kind != GatewayKind::Envoy {
            // Where the page itself is asked for says nothing.
            (uri.scheme, uri.authority) = (None, None);
        }
        uri.path_and_query = Some(path);
        head.uri = Uri::from_parts(uri).map_err(|_| Refusal::Gateway("gateway_target"))?;
        Ok(Self { head, client, asked })
    }
}

// === impl Asked ===

impl Asked {
    /// `ask` as it is decided on: nobody is sent anywhere through a gateway that passes no redirect on.
    pub fn about(self, ask: Ask) -> Ask {
        let kind = match ask.kind {
            Kind::Navigation if self.kind != GatewayKind::ForwardAuth => Kind::Document,
            kind => kind,
        };
        let scheme = self.scheme.filter(|_| ask.origin.is_none()).unwrap_or(ask.scheme);
        // A certificate on the gateway's connection is the gateway's.
        Ask { kind, scheme, websocket: self.websocket, certificate: false, ..ask }
    }
}

/// Method, target and host, before anything is judged.
struct Written {
    method: Method,
    target: String,
    /// `None`: the head's own.
    host: Option<HeaderValue>,
    scheme: Option<Scheme>,
}

// === impl Written ===

impl Written {
    /// nginx.
    fn by_url(head: &Parts) -> Result<Self, Refusal> {
        if head.uri.query().is_some() {
            // The page takes no parameters. Whoever writes one means a restriction, and would not have it. (Caddy leaves its
            // client's query there: it says nothing.)
            return Err(Refusal::Gateway("gateway_query"));
        }
        let wrong = || Refusal::Gateway("gateway_url");
        let url = one(&head.headers, "x-original-url").ok_or_else(wrong)?;
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let at = rest.find(['/', '?', '#']).ok_or_else(wrong)?;
        Ok(Self {
            method: method(&head.headers, "x-original-method")?,
            target: rest[at..].to_owned(),
            host: Some(HeaderValue::from_str(&rest[..at]).map_err(|_| wrong())?),
            scheme: Some(scheme_named(scheme).ok_or_else(wrong)?),
        })
    }

    /// Traefik, Caddy.
    fn by_parts(head: &Parts) -> Result<Self, Refusal> {
        let of = |name, reason| one(&head.headers, name).ok_or(Refusal::Gateway(reason));
        let scheme = scheme_named(of("x-forwarded-proto", "gateway_proto")?);
        let host = of("x-forwarded-host", "gateway_host")?;
        Ok(Self {
            method: method(&head.headers, "x-forwarded-method")?,
            target: of("x-forwarded-uri", "gateway_uri")?.to_owned(),
            host: Some(HeaderValue::from_str(host).map_err(|_| Refusal::Gateway("gateway_host"))?),
            scheme: Some(scheme.ok_or(Refusal::Gateway("gateway_proto"))?),
        })
    }

    /// Envoy.
    fn by_path(head: &Parts, config: &Config) -> Result<Self, Refusal> {
        let path = after_page(head, config).ok_or(Refusal::Gateway("gateway_target"))?;
        let target = match head.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Ok(Self { method: head.method.clone(), target, host: None, scheme: None })
    }
}

/// What a gateway has to take off a request that goes on: everything of a client's that would be read as the gate's word,
/// or that makes another request of it.
pub fn not_the_clients(config: &Config) -> impl Iterator<Item = HeaderName> {
    let always = SPEAKS.into_iter().chain(TARGET_OVERRIDES);
    config.stripped_headers().chain(always.map(HeaderName::from_static))
}

/// The value of a header that stands there once.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok(),
        _ => None,
    }
}

fn method(headers: &HeaderMap, name: &str) -> Result<Method, Refusal> {
    let method = one(headers, name).and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    method.ok_or(Refusal::Gateway("gateway_method"))
}

/// Some proxies tell WebSockets by the scheme.
fn scheme_named(name: &str) -> Option<Scheme> {
    match name {
        "https" | "wss" => Some(Scheme::Https),
        "http" | "ws" => Some(Scheme::Http),
        _ => None,
    }
}

/// A target in origin-form. What the parser would cut off in silence is refused as it is elsewhere.
fn target(text: &str, config: &Config) -> Result<PathAndQuery, Refusal> {
    if !text.starts_with('/') {
        return Err(Refusal::Gateway("gateway_target"));
    }
    if text.len() > config.limits.target {
        return Err(Refusal::TargetTooLong);
    }
    if text.contains('#') {
        return Err(Refusal::Path(PathRefusal::Byte));
    }
    text.parse().map_err(|_| Refusal::Gateway("gateway_target"))
}

/// The client's address. A rule that asks for it is not told the gateway's own.
fn client(headers: &HeaderMap, peer: IpAddr, config: &Config) -> Result<IpAddr, Refusal> {
    let name = match config.trusted_headers {
        TrustedHeaders::XForwarded => "x-forwarded-for",
        TrustedHeaders::Forwarded => "forwarded",
    };
    let trusted = config.trusts(peer);
    if !(trusted && headers.contains_key(name)) && config.rules.iter().any(|rule| !rule.from.is_empty()) {
        return Err(Refusal::Gateway("gateway_client"));
    }
    Ok(if trusted { forwarded::read(headers, peer, config).client } else { peer })
}

/// Whether an application may take this request for another than the one that is asked about: the gateway sends its client's
/// headers on. Names are compared by what CGI makes of them: `X_Rewrite_URL` is `X-Rewrite-URL`.
fn overrides(headers: &HeaderMap, kind: GatewayKind, config: &Config) -> bool {
    if kind == GatewayKind::Envoy {
        // It hands few of its client's headers on, and is told what to take off.
        return false;
    }
    let methods = if config.names_methods() { &METHOD_OVERRIDES[..] } else { &[] };
    headers.keys().map(HeaderName::as_str).any(|name| {
        // The gateway's own word, which it has written over its client's.
        let source = kind == GatewayKind::Nginx && name == TARGET_OVERRIDES[0];
        let is = |other: &&str| same_to_applications(name, other);
        !source && (TARGET_OVERRIDES.iter().any(is) || methods.iter().any(is))
    })
}

fn same_to_applications(name: &str, other: &str) -> bool {
    let [name, other] = [name, other].map(|name| name.bytes().filter(u8::is_ascii_alphanumeric));
    name.eq(other)
}

/// Whether only escapes were respelled to make this path canonical. Where segments were merged or resolved, what the
/// gateway sends on is not what was decided on.
fn is_plain(raw: &str) -> bool {
    let slashes = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    canonical_with_slashes(raw).is_ok_and(|path| {
        slashes(raw) == slashes(path.as_str()) && raw.ends_with('/') == path.as_str().ends_with('/')
    })
}

/// Gateways keep `Upgrade` to themselves; what else a browser sends with a WebSocket (RFC 6455 §4.1) reaches the gate.
fn names_websocket(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_WEBSOCKET_KEY)
        || headers.contains_key(SEC_WEBSOCKET_VERSION)
        || headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        || headers.get("sec-fetch-mode").is_some_and(|mode| mode == "websocket")
}

/// Headers by which some frameworks route instead of by the target.
const TARGET_OVERRIDES: [&str; 2] = ["x-original-url", "x-rewrite-url"];
/// What speaks for a person or a certificate whatever is configured.
const SPEAKS: [&str; 6] = [
    "x-rolegate-assertion",
    "x-amzn-oidc-data",
    "x-amzn-oidc-identity",
    "x-amzn-oidc-accesstoken",
    "client-cert",
    "client-cert-chain",
];

#[cfg(test)]
mod tests;
