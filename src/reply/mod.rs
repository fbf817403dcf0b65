//! Every answer of the gate's own, as page or JSON: the only place with status codes beside `forward`.
//!
//! All of them are unstorable, unframeable, without forms and (but for `onward`, on demand) without scripts, and
//! say nothing but what they were handed; text from outside is escaped where it is put in, and nowhere else.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::ask::Kind;
use crate::body::{Answer, Body};
use crate::config::template::{Templates, Values};
use crate::refusal::{LoginRefusal, Refusal};

mod control;
mod onward;
mod page;
mod words;

pub use control::{Fared, control};
pub use onward::Carry;
pub use page::{Link, Page};

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
    Page(Page),
    /// 200, JSON.
    Json(Value),
    /// 200, text.
    Text(String),
    /// 200 to a gateway: the request may pass, with these headers.
    Allowed(Vec<(HeaderName, HeaderValue)>),
}

/// Turns a refusal into its answer.
pub fn from_refusal(refusal: &Refusal, context: &Context) -> Answer {
    let status = status(refusal);
    let words = words::of(refusal, context);
    let mut answer = if context.kind.wants_page() {
        html(status, refusal.code(), &words.page(refusal, status), context)
    } else {
        let request_id = context.request_id.to_str().unwrap_or_default();
        let mut problem = json!({
            "type": "about:blank",
            "title": words.title,
            "status": status.as_u16(),
            "error": refusal.public_code(),
            "detail": words.detail,
            "request_id": request_id,
        });
        if matches!(refusal, Refusal::LoginRequired | Refusal::Stronger { bearer: false, .. }) {
            problem["login_url"] = words::login_url(context).into();
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

/// RFC 9110 §15.5.2 asks for a challenge; `Session` makes no browser show a password box. To a bearer token it is
/// that of RFC 6750 §3, or of RFC 9470 §3 where the sign-in behind the token was too weak.
fn challenge(answer: &mut Answer, refusal: &Refusal, context: &Context) {
    let quoted = |text: &str| text.replace(['"', '\\'], "");
    let challenge = match refusal {
        Refusal::Bearer(_) => "Bearer error=\"invalid_token\"".to_owned(),
        Refusal::RoleMissing { requirement, .. } if requirement.any_scope.is_empty() => return,
        Refusal::RoleMissing { requirement, .. } => {
            let scopes = quoted(&requirement.any_scope.join(" "));
            format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"")
        }
        Refusal::Stronger { requirement, bearer: true } => {
            let mut text = "Bearer error=\"insufficient_user_authentication\"".to_owned();
            if let Some(acr) = &requirement.min_acr {
                text += &format!(", acr_values=\"{}\"", quoted(&acr.wanted));
            }
            if let Some(age) = requirement.max_auth_age {
                text += &format!(", max_age=\"{}\"", age.as_secs());
            }
            text
        }
        _ => "Session".to_owned(),
    };
    let headers = answer.headers_mut();
    // Scopes and classes are the configuration's own words; one that no header can hold is left out.
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        headers.append(WWW_AUTHENTICATE, challenge);
    }
    if context.bearer && *refusal == Refusal::LoginRequired {
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
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
            let text = onward::document(&to, carry, &key, context.request_id.to_str().unwrap_or_default());
            let mut answer = with_body(StatusCode::OK, "text/html; charset=utf-8", text, context);
            answer.headers_mut().insert(CONTENT_SECURITY_POLICY, ONWARD_POLICY.clone());
            answer
        }
        Reply::Page(page) => html(StatusCode::OK, "", &page, context),
        Reply::Text(text) => with_body(StatusCode::OK, "text/plain; charset=utf-8", text, context),
        Reply::Allowed(handed) => {
            let mut answer = with_body(StatusCode::OK, "text/plain; charset=utf-8", String::new(), context);
            answer.headers_mut().extend(handed);
            answer
        }
        Reply::Json(value) => with_body(StatusCode::OK, "application/json", value.to_string(), context),
    }
}

/// What an admin listener answers: a status and a line of text.
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

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Framing(_) | Refusal::Host | Refusal::Target | Refusal::Path(_) | Refusal::Gateway(_) => {
            StatusCode::BAD_REQUEST
        }
        Refusal::Expectation => StatusCode::EXPECTATION_FAILED,
        Refusal::Method | Refusal::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::TargetTooLong => StatusCode::URI_TOO_LONG,
        Refusal::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        // What was asked for is another scheme's (RFC 9110 §15.5.20).
        Refusal::Misdirected | Refusal::Cleartext => StatusCode::MISDIRECTED_REQUEST,
        Refusal::LoginRequired | Refusal::Stronger { .. } | Refusal::Bearer(_) => StatusCode::UNAUTHORIZED,
        Refusal::RoleMissing { .. }
        | Refusal::MethodNotNamed
        | Refusal::OwnPath
        | Refusal::Address
        | Refusal::ClientCertificate
        | Refusal::Origin
        | Refusal::TokensNotKept
        | Refusal::SessionTooLarge
        | Refusal::Nameless(_)
        | Refusal::Unwritable => StatusCode::FORBIDDEN,
        Refusal::Outage | Refusal::StoreOutage | Refusal::UpstreamBusy | Refusal::Crowded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::NoEntropy => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::NotFound | Refusal::Outside => StatusCode::NOT_FOUND,
        Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Body { slow: true, .. } => StatusCode::REQUEST_TIMEOUT,
        Refusal::Body { .. } => StatusCode::BAD_REQUEST,
        Refusal::Upstream { slow: true, .. } => StatusCode::GATEWAY_TIMEOUT,
        Refusal::Upstream { .. } => StatusCode::BAD_GATEWAY,
        Refusal::Login(refusal) => match refusal {
            LoginRefusal::Parameters(_) | LoginRefusal::CookiesOff | LoginRefusal::PoolSaid { .. } => {
                StatusCode::BAD_REQUEST
            }
            LoginRefusal::Denied { .. }
            | LoginRefusal::NoIdentity(_)
            | LoginRefusal::TooLarge
            | LoginRefusal::NotStrongEnough { .. } => StatusCode::FORBIDDEN,
            LoginRefusal::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            LoginRefusal::PoolAnswer(_) => StatusCode::BAD_GATEWAY,
            LoginRefusal::PoolUnreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
        },
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
            let mut answer = send(page.render(request_id));
            answer.extensions_mut().insert(TemplateFailed(why));
            answer
        }
        None => send(page.render(request_id)),
    }
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

/// The pages' one style sheet is allowed by its hash, and nothing else is.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(""));

/// And on the one page that goes on by itself, its one script.
static ONWARD_POLICY: LazyLock<HeaderValue> =
    LazyLock::new(|| policy(&format!("script-src 'sha256-{}'; ", hash(onward::SCRIPT))));

fn policy(script: &str) -> HeaderValue {
    let style = hash(page::STYLE);
    let policy = format!(
        "default-src 'none'; {script}style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

fn hash(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}

/// Names the request, in answers and toward the upstream.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
