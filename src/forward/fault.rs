//! Why a request got no answer from the upstream, and whose fault it is; knows no status codes.

use std::io;

use super::http2;
use super::relay::Progress;
use crate::tls::TlsError;

/// Why there is no answer. The reply module turns it into a page.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// CONNECT: a tunnel to anywhere is not what a gate is for.
    #[error("CONNECT is not forwarded")]
    Tunnel,
    /// A plan for an upstream that is not there.
    #[error("no such upstream")]
    NoUpstream,
    /// As much is under way there as may be.
    #[error("the upstream has as many requests as it is given")]
    Busy,
    /// A WebSocket to an upstream that speaks HTTP/2.
    #[error("no WebSocket over HTTP/2 to the upstream")]
    NoUpgrade,
    /// No connection: refused, unreachable, unknown host.
    #[error("cannot connect to the upstream: {0}")]
    Connect(#[source] io::Error),
    /// No connection in time.
    #[error("connecting to the upstream took too long")]
    ConnectTimeout,
    /// The TLS handshake failed, or the certificate is not acceptable.
    #[error("no TLS with the upstream: {0}")]
    Tls(#[source] io::Error),
    /// The connection ended before the answer's head was complete.
    #[error("the upstream closed the connection: {0}")]
    Closed(#[source] hyper::Error),
    /// No head in time.
    #[error("the upstream did not answer in time")]
    ResponseTimeout,
    /// The answer has no single meaning, or is not one to what was asked.
    #[error("the upstream's answer is not acceptable: {0}")]
    BadAnswer(&'static str),
    /// What came is not the HTTP that was asked for.
    #[error("the upstream's answer cannot be read: {0}")]
    Unreadable(#[source] hyper::Error),
    /// The client's body broke off or broke its framing.
    #[error("the request's body ended early")]
    RequestBody,
    /// The client stopped sending its body.
    #[error("the request's body stalled")]
    RequestBodyTimeout,
    /// The client's body is larger than one may be.
    #[error("the request's body is too large")]
    RequestBodyTooLarge,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The client's.
    Client,
    /// The upstream refuses or breaks.
    Upstream,
    /// The upstream is slow.
    UpstreamSlow,
    /// The upstream has enough to do.
    UpstreamBusy,
}

/// Why a [`super::Forward`] cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Certificates or TLS itself.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The upstream's host is not one.
    #[error("`{0}` is not a host name")]
    Host(String),
}

// === impl Fault ===

impl Fault {
    /// A stable code for logs, metrics and pages.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Tunnel => "connect_method",
            Self::NoUpstream => "upstream_unknown",
            Self::Busy => "upstream_busy",
            Self::NoUpgrade => "upstream_no_upgrade",
            Self::Connect(_) => "upstream_connect",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::Tls(_) => "upstream_tls",
            Self::Closed(_) => "upstream_closed",
            Self::ResponseTimeout => "upstream_timeout",
            Self::BadAnswer(_) | Self::Unreadable(_) => "upstream_bad_answer",
            Self::RequestBody => "request_body",
            Self::RequestBodyTimeout => "request_body_timeout",
            Self::RequestBodyTooLarge => "request_body_too_large",
        }
    }

    /// Whose fault it is: the client's, or an upstream that breaks (502), is slow (504) or busy (503).
    pub fn blame(&self) -> Blame {
        match self {
            Self::Tunnel | Self::RequestBody | Self::RequestBodyTimeout | Self::RequestBodyTooLarge => {
                Blame::Client
            }
            Self::ConnectTimeout | Self::ResponseTimeout => Blame::UpstreamSlow,
            Self::Busy => Blame::UpstreamBusy,
            _ => Blame::Upstream,
        }
    }

    /// The same for another request that waited for the same connection.
    pub(super) fn of_connecting_again(&self) -> Self {
        let copy = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::ConnectTimeout => Self::ConnectTimeout,
            Self::Tls(error) => Self::Tls(copy(error)),
            Self::Connect(error) => Self::Connect(copy(error)),
            other => Self::Connect(io::Error::other(other.to_string())),
        }
    }

    /// What an error of the connection means: a broken request body shows as one, too.
    pub(super) fn from_send(error: hyper::Error, progress: &Progress) -> Self {
        if progress.too_large.get() {
            Self::RequestBodyTooLarge
        } else if progress.stalled.get() {
            Self::RequestBodyTimeout
        } else if progress.broken.get() {
            Self::RequestBody
        } else if error.is_timeout() {
            Self::ResponseTimeout
        } else if error.is_parse() || http2::is_unreadable(&error) {
            Self::Unreadable(error)
        } else {
            Self::Closed(error)
        }
    }
}
