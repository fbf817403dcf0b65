//! What the control socket answers: JSON, to the operator's own command.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::body::{Answer, Body};

/// How a question on the control socket fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fared {
    /// As asked.
    Well,
    /// Not to be read as anything that can be asked.
    Malformed,
    /// Too long to be read.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// No such address.
    Unknown,
    /// There, and this method is the one it takes.
    Method(&'static str),
    /// Nobody has that name.
    Nobody,
    /// It takes a store, and there is none.
    NoStore,
    /// The store cannot be asked.
    StoreOutage,
    /// Something failed that should not.
    Failed,
}

/// The answer with this JSON text.
pub fn control(fared: Fared, json: String) -> Answer {
    let mut answer = Response::new(Body::from(json));
    *answer.status_mut() = match fared {
        Fared::Well => StatusCode::OK,
        Fared::Malformed => StatusCode::BAD_REQUEST,
        Fared::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Fared::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Fared::Unknown | Fared::Nobody => StatusCode::NOT_FOUND,
        Fared::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
        Fared::NoStore => StatusCode::CONFLICT,
        Fared::StoreOutage => StatusCode::SERVICE_UNAVAILABLE,
        Fared::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Fared::Method(allow) = fared {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    answer
}

// === impl Fared ===

impl Fared {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unknown => "unknown",
            Self::Method(_) => "method_not_allowed",
            Self::Nobody => "nobody",
            Self::NoStore => "no_store",
            Self::StoreOutage => "store_outage",
            Self::Failed => "failed",
        }
    }
}
