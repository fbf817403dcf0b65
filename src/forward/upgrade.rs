//! WebSocket upgrades: both sides agree on it, or there is none; never any other protocol.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::headers::trim;
use super::splice::splice;
use crate::streams::Open;

/// Whether a request asks for a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Websocket {
    /// No; an `Upgrade` to anything else is not passed on, and the request is a plain one.
    No,
    /// Yes, as RFC 6455 §4.1 has it.
    Yes,
    /// It says so, but not as RFC 6455 has it: to be answered as a plain request, or refused.
    Malformed,
}

/// An upgrade asked for.
pub(super) struct Tunnel {
    client: OnUpgrade,
    accept: String,
}

/// An upgrade both sides agreed on.
pub(super) struct Switched(OnUpgrade);

/// Whether the request asks for a WebSocket, strictly.
pub fn is_websocket(request: &request::Parts) -> Websocket {
    let head = &request.headers;
    if !lists(head, &header::UPGRADE, b"websocket") {
        return Websocket::No;
    }
    let once = |name| {
        let mut lines = head.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())
    };
    let key = once(header::SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key).ok());
    // A body before a tunnel has two ends; RFC 6455 has none.
    let bodiless = !head.contains_key(header::TRANSFER_ENCODING)
        && head.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    let well_formed = request.method == Method::GET
        && request.version == Version::HTTP_11
        && bodiless
        && lists(head, &header::CONNECTION, b"upgrade")
        && once(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && once(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && key.is_some_and(|key| key.len() == 16);
    if well_formed { Websocket::Yes } else { Websocket::Malformed }
}

// === impl Tunnel ===

impl Tunnel {
    /// Takes the client's side out of `request`. `None` if it is not a WebSocket's.
    pub(super) fn begin(request: &mut request::Parts) -> Option<Self> {
        let accept = accept(request.headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes());
        Some(Self { client: request.extensions.remove()?, accept })
    }

    /// Whether the upstream switched to what was asked: another accept is an answer to another request.
    pub(super) fn check(self, answer: &HeaderMap) -> Result<Switched, &'static str> {
        let mut upgrade = answer.get_all(header::UPGRADE).iter();
        let websocket =
            upgrade.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !websocket || upgrade.next().is_some() || !lists(answer, &header::CONNECTION, b"upgrade") {
            return Err("upgrade_to_something_else");
        }
        let mut accepts = answer.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
        if accepts.next().is_none_or(|value| value.as_bytes() != self.accept.as_bytes())
            || accepts.next().is_some()
        {
            return Err("upgrade_accept");
        }
        Ok(Switched(self.client))
    }
}

// === impl Switched ===

impl Switched {
    /// Joins both sides once each has switched. What either has sent already is kept by hyper and comes first. `held`
    /// is let go at the end.
    pub(super) fn splice(
        self,
        answer: &mut Response<Incoming>,
        mut open: Open,
        idle: Option<Duration>,
        request_id: &HeaderValue,
        held: impl Sized + 'static,
    ) {
        let upstream = hyper::upgrade::on(answer);
        let request_id = request_id.clone();
        tokio::task::spawn_local(async move {
            let _held = held;
            let ended = async {
                let (client, upstream) = (self.0.await?, upstream.await?);
                let spliced = splice(TokioIo::new(client), TokioIo::new(upstream), &mut open, idle);
                spliced.await.map_err(Box::<dyn std::error::Error>::from)
            };
            match ended.await {
                Ok(over) => tracing::debug!(?request_id, ?over, "websocket ended"),
                Err(error) => tracing::debug!(?request_id, %error, "websocket broke off"),
            }
        });
    }
}

/// RFC 6455 §4.2.2: SHA-1 is what it is made of, and nothing is kept safe by it.
fn accept(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(context.finish())
}

fn lists(head: &HeaderMap, name: &header::HeaderName, option: &[u8]) -> bool {
    head.get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .any(|said| trim(said).eq_ignore_ascii_case(option))
}
