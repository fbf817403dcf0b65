//! Reading requests within limits, and the pool's small answers.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST,
    LOCATION, PRAGMA, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use super::random;
use crate::body::{Answer, Body};
use crate::listen::Peer;

/// A request with its body, both within limits.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) peer: Peer,
}

/// Decoded `name=value` pairs of a query or a form.
pub(super) struct Form(Vec<(String, String)>);

/// Reads a request whole, or says why not.
pub(super) async fn read(request: Request<Incoming>, peer: Peer) -> Result<Asked, Answer> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    if query.len() > LIMIT {
        return Err(text(StatusCode::URI_TOO_LONG, "The query is too long."));
    }
    if !escapes_are_whole(query) {
        // As Cognito does: a `%` that begins no escape is refused before anything else.
        return Err(text(StatusCode::BAD_REQUEST, "The query has a broken escape."));
    }
    let body = match tokio::time::timeout(PATIENCE, Limited::new(body, LIMIT).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Err(text(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.")),
        Err(_) => return Err(text(StatusCode::REQUEST_TIMEOUT, "The body took too long.")),
    };
    Ok(Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: query.to_owned(),
        headers: head.headers,
        body,
        peer,
    })
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    let mut answer = answer(status, value.to_string().into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    answer
}

/// A line of text.
pub(super) fn text(status: StatusCode, line: &str) -> Answer {
    let mut answer = answer(status, format!("{line}\n").into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    answer
}

/// A page; `policy` is its Content-Security-Policy.
pub(super) fn page(status: StatusCode, html: String, policy: &str) -> Answer {
    let mut answer = answer(status, html.into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html;charset=UTF-8"));
    insert(&mut answer, CONTENT_SECURITY_POLICY, policy);
    answer
}

/// A 302.
pub(super) fn redirect(location: &str) -> Answer {
    let mut answer = answer(StatusCode::FOUND, Body::Empty);
    insert(&mut answer, LOCATION, location);
    answer
}

/// Nothing but a status.
pub(super) fn empty(status: StatusCode) -> Answer {
    answer(status, Body::Empty)
}

/// Adds a header, unless its value cannot be one.
pub(super) fn insert(answer: &mut Answer, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Adds a cookie.
pub(super) fn set_cookie(answer: &mut Answer, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(SET_COOKIE, value);
    }
}

/// Lets any page read the answer, as Cognito does for token, revoke and userInfo, and nowhere else.
pub(super) fn allow_any_origin(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer
}

/// The host of an address as in a URL or a `Host` header is this machine.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

fn answer(status: StatusCode, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("strict-origin-when-cross-origin"));
    if let Ok(id) = HeaderValue::from_str(&random::uuid()) {
        headers.insert("x-amz-cognito-request-id", id);
    }
    answer
}

fn escapes_are_whole(query: &str) -> bool {
    let bytes = query.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

// === impl Asked ===

impl Asked {
    /// The query's parameters.
    pub(super) fn parameters(&self) -> Form {
        Form::parse(self.query.as_bytes())
    }

    /// The body's fields, if it is a form.
    pub(super) fn form(&self) -> Option<Form> {
        let kind = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/x-www-form-urlencoded").then(|| Form::parse(&self.body))
    }

    /// A header's value, if it is visible ASCII.
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first cookie of that name.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Both ends are on this machine: the socket's peer and the name that was asked for.
    pub(super) fn is_local(&self) -> bool {
        self.peer.address.ip().to_canonical().is_loopback() && self.header(HOST).is_some_and(is_loopback_host)
    }
}

// === impl Form ===

impl Form {
    fn parse(raw: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(raw).into_owned().take(MOST_FIELDS).collect())
    }

    /// The first value of that name, if it is not empty.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// All values of that name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Encoded again, with only the parameters that `keep` names.
    pub(super) fn encode(&self, keep: &[&str]) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.0.iter().filter(|(name, _)| keep.contains(&name.as_str())))
            .finish()
    }
}

const LIMIT: usize = 64 * 1024;
const MOST_FIELDS: usize = 256;
const PATIENCE: Duration = Duration::from_secs(30);
