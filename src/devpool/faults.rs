//! Faults asked for by `/_dev/*`: which endpoint fails, is slow or loses its answers, and how often yet.

use std::collections::HashMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::http::json;
use crate::body::{Answer, Body, BodyError};

/// All faults in place.
#[derive(Default)]
pub(super) struct Faults {
    planned: HashMap<(Endpoint, Kind), (u64, u32)>,
}

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Endpoint {
    #[default]
    Token,
    Jwks,
    Discovery,
    Authorize,
    Login,
    Revoke,
    UserInfo,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// It waits so many milliseconds before anything else.
    Slow,
    /// It is answered with this status, and nothing is done.
    Fail,
    /// It is answered as too many requests are.
    Throttle,
    /// It is done, and the connection closed instead of an answer.
    Lose,
}

/// The faults of one request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Met {
    pub(super) delay: Option<u64>,
    status: Option<u16>,
    throttled: bool,
    pub(super) lost: bool,
}

// === impl Faults ===

impl Faults {
    /// Plans a fault for the next `count` requests; none takes it back.
    pub(super) fn plan(&mut self, endpoint: Endpoint, kind: Kind, what: u64, count: u32) {
        if count == 0 {
            self.planned.remove(&(endpoint, kind));
        } else {
            self.planned.insert((endpoint, kind), (what, count));
        }
    }

    /// The faults that the next request of an endpoint meets.
    pub(super) fn meet(&mut self, endpoint: Endpoint) -> Met {
        let delay = self.next(endpoint, Kind::Slow);
        let throttled = self.next(endpoint, Kind::Throttle).is_some();
        // What is refused is not the one whose answer is to be lost.
        let status = if throttled { None } else { self.next(endpoint, Kind::Fail) };
        let status = status.and_then(|status| u16::try_from(status).ok());
        let lost = !throttled && status.is_none() && self.next(endpoint, Kind::Lose).is_some();
        Met { delay, status, throttled, lost }
    }

    fn next(&mut self, endpoint: Endpoint, kind: Kind) -> Option<u64> {
        let (what, left) = self.planned.get_mut(&(endpoint, kind))?;
        let what = *what;
        *left -= 1;
        if *left == 0 {
            self.planned.remove(&(endpoint, kind));
        }
        Some(what)
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// By the request's path, below the pool's id for the two documents.
    pub(super) fn of(path: &str, pool_id: &str) -> Option<Self> {
        Some(match path {
            "/oauth2/token" => Self::Token,
            "/oauth2/authorize" | "/authorize" => Self::Authorize,
            "/login" => Self::Login,
            "/oauth2/revoke" => Self::Revoke,
            "/oauth2/userInfo" => Self::UserInfo,
            _ => match path.strip_prefix('/')?.strip_prefix(pool_id)? {
                "/.well-known/jwks.json" => Self::Jwks,
                "/.well-known/openid-configuration" => Self::Discovery,
                _ => return None,
            },
        })
    }
}

// === impl Met ===

impl Met {
    /// The answer that stands for the endpoint's, if there is one.
    pub(super) fn refusal(self) -> Option<Answer> {
        if self.throttled {
            // AWS names no form for the OAuth endpoints; this is the one of the JSON API and its clients.
            let body = json!({ "__type": "TooManyRequestsException", "message": "Rate exceeded" });
            return Some(json(StatusCode::TOO_MANY_REQUESTS, &body));
        }
        let status = StatusCode::from_u16(self.status?).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(json(status, &json!({ "message": "asked for through /_dev/fail" })))
    }
}

/// Closes the connection instead of an answer.
pub(super) fn lose(answer: &mut Answer) {
    *answer.body_mut() = Body::stream(Lost);
    answer.headers_mut().remove(http::header::CONTENT_LENGTH);
}

/// A body that ends in an error before its first byte.
struct Lost;

impl http_body::Body for Lost {
    type Data = bytes::Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(Some(Err(BodyError("asked for through /_dev/lose".into()))))
    }
}
