//! What has been decided about a request before it leaves. ★

use http::{HeaderName, HeaderValue};

use super::answer::Cacheability;
use crate::trace::context::Outgoing;

/// Everything decided about a request before it leaves.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The canonical path and the untouched query: exactly what was decided on, or what its upstream's prefixes make
    /// of that.
    pub target: http::uri::PathAndQuery,
    /// The client's Host; [`super::Forward`] puts the upstream's own in its place where `pass_host` is off.
    pub host: HeaderValue,
    /// X-User, X-Roles, mapped headers; what a client's certificate says; put in last. Empty where nobody is signed in
    /// and no certificate was shown.
    pub identity: Vec<(HeaderName, HeaderValue)>,
    /// Whether the client's `Authorization` stays here: it was for the gate.
    pub drops_authorization: bool,
    /// What the upstream is told about the way in.
    pub forwarded: Forwarded,
    /// The request's id, sent both ways.
    pub request_id: HeaderValue,
    /// What the upstream is told of the trace; `None`: the gate does not trace, and what the client said goes on where
    /// it can be read.
    pub trace: Option<Outgoing>,
    /// Which of the configuration's upstreams.
    pub upstream: usize,
    /// A WebSocket upgrade may pass. Only ever true for a request that [`super::upgrade::is_websocket`].
    pub upgrade: bool,
    /// What becomes of the answer's cacheability.
    pub cacheability: Cacheability,
}

/// `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix`.
#[derive(Debug, Clone)]
pub struct Forwarded {
    /// The client's address, after whatever trusted proxies said.
    pub for_: HeaderValue,
    /// `http` or `https`.
    pub proto: &'static str,
    /// The host as the client wrote it.
    pub host: HeaderValue,
    /// `X-Forwarded-Prefix`: what was taken off the path.
    pub prefix: Option<HeaderValue>,
}
