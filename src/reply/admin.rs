//! What an admin listener answers: text, for programs. ★

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::body::{Answer, Body};

/// A status and a line of text.
pub fn plain(ok: bool, text: String, content_type: &'static str) -> Answer {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What an admin listener answers to anything else.
pub fn not_found() -> Answer {
    let mut answer = plain(true, "not found\n".into(), "text/plain");
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

/// The same to whoever asks with another method than GET.
pub fn only_get() -> Answer {
    let mut answer = plain(true, "only GET is answered here\n".into(), "text/plain");
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    answer
}

/// The same to whoever asks for a host that this is not.
pub fn another_host(text: String) -> Answer {
    let mut answer = plain(true, text, "text/plain; charset=utf-8");
    *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    answer
}
