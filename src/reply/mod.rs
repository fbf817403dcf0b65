//! Every answer of the gate's own, as page or JSON: the only place with status codes beside `forward`.
//!
//! All of them are unstorable, unframeable, without forms and (but for `onward`, on demand) without scripts, and
//! say nothing but what they were handed; text from outside is escaped where it is put in, and nowhere else.

use std::sync::Arc;

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::ask::Kind;
use crate::body::{Answer, Body};
use crate::config::template::{Templates, Values};
use crate::refusal::{LoginRefusal, Refusal};

mod admin;
mod challenge;
mod control;
mod language;
mod needs;
mod notice;
mod onward;
mod page;
mod policy;
mod sentences;
mod status;
mod ways;
mod words;

pub use admin::{another_host, not_found, only_get, plain};
use challenge::challenge;
pub use control::{Fared, control};
pub use language::Language;
pub use notice::Notice;
pub use onward::Carry;
use page::{Link, Page};
use policy::{ONWARD_POLICY, POLICY};
use sentences::Sentences;
use status::status;

/// What every answer needs to know about its request.
#[derive(Debug, Clone)]
pub struct Context {
    /// Page or JSON.
    pub kind: Kind,
    /// For HEAD the body is left out.
    pub method: Method,
    /// Names the request in logs and on pages.
    pub request_id: HeaderValue,
    /// Where the gate's own pages live.
    pub auth_prefix: String,
    /// Whether bearer tokens count.
    pub bearer: bool,
    /// The path and query that were asked for, where they have a single meaning.
    pub target: Option<String>,
    /// Cookies that the answer carries.
    pub cookies: Vec<HeaderValue>,
    /// The operator's own pages.
    pub templates: Option<Arc<Templates>>,
    /// That of a page: see `hear`.
    pub language: Language,
}

/// In an answer's extensions: the template that should have made the page failed, for this reason, and the
/// built-in page stands for it.
#[derive(Debug, Clone)]
pub struct TemplateFailed(pub String);

/// An answer that is no refusal.
#[derive(Debug, Clone)]
pub enum Reply {
    /// 302.
    Redirect(String),
    /// 302 after a sign-out. The browser is told to forget what it has shown of this origin: going back must not.
    SignedOut(String),
    /// 308, which no client answers with another method than before.
    Moved(String),
    /// 200, a page that goes on to an address by itself and minds the browser's `#fragment`.
    Onward {
        /// Where it goes.
        to: String,
        /// What becomes of the fragment.
        carry: Carry,
        /// Under which name the browser keeps it: a `state`.
        key: String,
    },
    /// 200, a page.
    Page(Notice),
    /// 200, JSON.
    Json(Value),
    /// 200, text.
    Text(String),
    /// 200 to a gateway: the request may pass, with these headers.
    Allowed(Vec<(HeaderName, HeaderValue)>),
}

// === impl Context ===

impl Context {
    /// Reads which language a page should be in. Called where one is about to be made and nowhere else: most requests
    /// never come to that.
    pub fn hear(&mut self, headers: &HeaderMap) {
        if self.kind.wants_page() {
            self.language = Language::asked(headers);
        }
    }
}

// === impl Reply ===

impl Reply {
    /// Whether a person reads it.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Page(_) | Self::Onward { .. })
    }
}

/// Turns a refusal into its answer.
pub fn from_refusal(refusal: &Refusal, context: &Context) -> Answer {
    let status = status(refusal);
    let mut answer = if context.kind.wants_page() {
        let words = words::of(refusal, context, Sentences::of(context.language));
        html(status, refusal.code(), &words.page(refusal, status, context), context)
    } else {
        // Programs compare texts that they should not, so theirs is one language.
        let words = words::of(refusal, context, Sentences::of(Language::English));
        let request_id = context.request_id.to_str().unwrap_or_default();
        let mut problem = json!({
            "type": "about:blank",
            "title": words.title,
            "status": status.as_u16(),
            "error": refusal.public_code(),
            "detail": words.detail(),
            "request_id": request_id,
        });
        if matches!(refusal, Refusal::LoginRequired | Refusal::Stronger { bearer: false, .. }) {
            problem["login_url"] = ways::login_url(context).into();
        }
        with_body(status, "application/problem+json", problem.to_string(), context)
    };
    match refusal {
        Refusal::MethodNotAllowed { allow } => {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        Refusal::Method => {
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        Refusal::LoginRequired
        | Refusal::Stronger { .. }
        | Refusal::Bearer(_)
        | Refusal::RoleMissing { bearer: true, .. } => challenge(&mut answer, refusal, context),
        // Where the body ends is in doubt, so nothing after it is read as a request (RFC 9112 §9.3).
        Refusal::Framing(_) | Refusal::Body { .. } | Refusal::BodyTooLarge => {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Refusal::Login(LoginRefusal::TooMany { seconds }) => {
            answer.headers_mut().insert(RETRY_AFTER, (*seconds).into());
        }
        _ if status == StatusCode::SERVICE_UNAVAILABLE => {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    answer
}

/// Writes a reply.
pub fn from_reply(reply: Reply, context: &Context) -> Answer {
    match reply {
        Reply::Redirect(to) => redirect(StatusCode::FOUND, to, context),
        Reply::SignedOut(to) => {
            let mut answer = redirect(StatusCode::FOUND, to, context);
            answer.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
            answer
        }
        Reply::Moved(to) => redirect(StatusCode::PERMANENT_REDIRECT, to, context),
        Reply::Onward { to, carry, key } => {
            let say = Sentences::of(context.language);
            let request_id = context.request_id.to_str().unwrap_or_default();
            let text = onward::document(&to, carry, &key, request_id, say);
            let mut answer = with_body(StatusCode::OK, "text/html; charset=utf-8", text, context);
            answer.headers_mut().insert(CONTENT_SECURITY_POLICY, ONWARD_POLICY.clone());
            in_language(answer, say.language)
        }
        Reply::Page(notice) => {
            html(StatusCode::OK, "", &notice.page(context, Sentences::of(context.language)), context)
        }
        Reply::Text(text) => with_body(StatusCode::OK, "text/plain; charset=utf-8", text, context),
        Reply::Allowed(handed) => {
            let mut answer = with_body(StatusCode::OK, "text/plain; charset=utf-8", String::new(), context);
            answer.headers_mut().extend(handed);
            answer
        }
        Reply::Json(value) => with_body(StatusCode::OK, "application/json", value.to_string(), context),
    }
}

fn redirect(status: StatusCode, to: String, context: &Context) -> Answer {
    // Only checked addresses come here; one that is no header value is not sent anywhere.
    let Ok(location) = HeaderValue::try_from(to) else { return from_refusal(&Refusal::Target, context) };
    let mut answer = with_body(status, "text/plain; charset=utf-8", String::new(), context);
    answer.headers_mut().insert(LOCATION, location);
    answer
}

/// `code` is the refusal's, or empty.
fn html(status: StatusCode, code: &str, page: &Page, context: &Context) -> Answer {
    let request_id = context.request_id.to_str().unwrap_or_default();
    let own = context.templates.as_deref().and_then(|templates| {
        let reason = status.canonical_reason().unwrap_or_default();
        let values = Values { status: status.as_u16(), reason, code, ..page.values(request_id) };
        Some((templates.render(page.name, &values)?, templates.policy()))
    });
    let send = |text| with_body(status, "text/html; charset=utf-8", text, context);
    match own {
        Some((Ok(text), policy)) => {
            let mut answer = send(text);
            answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            answer
        }
        Some((Err(why), _)) => {
            let mut answer = in_language(send(page.render(request_id)), page.say.language);
            answer.extensions_mut().insert(TemplateFailed(why));
            answer
        }
        None => in_language(send(page.render(request_id)), page.say.language),
    }
}

/// Of the built-in pages alone: which language a template is in, only its author knows.
fn in_language(mut answer: Answer, language: Language) -> Answer {
    answer.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    answer
}

fn with_body(status: StatusCode, content_type: &'static str, text: String, context: &Context) -> Answer {
    let length = text.len();
    let head_only = context.method == Method::HEAD;
    let mut answer = Response::new(if head_only { Body::Empty } else { Body::from(text) });
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        (CORP, HeaderValue::from_static("same-origin")),
        (REQUEST_ID, context.request_id.clone()),
    ] {
        headers.insert(name, value);
    }
    if head_only {
        headers.insert(http::header::CONTENT_LENGTH, length.into());
    }
    for cookie in &context.cookies {
        headers.append(SET_COOKIE, cookie.clone());
    }
    answer
}

/// Names the request, in answers and toward the upstream.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
