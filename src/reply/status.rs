//! Which status each refusal is. ★

use http::StatusCode;

use crate::refusal::{LoginRefusal, Refusal};

pub(super) fn status(refusal: &Refusal) -> StatusCode {
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
