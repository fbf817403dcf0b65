//! What a 401, or a 403 for want of a scope, asks for in `WWW-Authenticate`. ★

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;

use super::Context;
use crate::body::Answer;
use crate::refusal::Refusal;

/// RFC 9110 §15.5.2 asks for a challenge; `Session` makes no browser show a password box. To a bearer token it is
/// that of RFC 6750 §3, or of RFC 9470 §3 where the sign-in behind the token was too weak.
pub(super) fn challenge(answer: &mut Answer, refusal: &Refusal, context: &Context) {
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
