//! The JSON API: `POST /` with `X-Amz-Target: AWSCognitoIdentityProviderService.<Operation>`; the part of it that
//! sign-ins, tests and small administration need.
//!
//! ```text
//! mod ┬ sign_in → respond    passwords and proofs, then the steps that are left
//!     ├ renew                tokens for a refresh token; revocation
//!     ├ own · factors        what the bearer of an access token may do
//!     ├ users · groups       administration
//!     └ describe             what the pool and its clients are
//! issue  tokens for a sign-in    secret  SECRET_HASH    input  reading    failure  the error body
//! attributes  who may write which
//! ```
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/Welcome.html>

use ::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION,
    CONTENT_TYPE, HeaderValue,
};
use ::http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::failure::{Failure, Kind};
use self::issue::Issue;
use super::http::{Asked, allow_any_origin, empty, insert, json};
use super::{Pool, random};
use crate::body::Answer;

mod attributes;
mod describe;
mod factors;
mod failure;
mod groups;
mod input;
mod issue;
mod own;
mod renew;
mod respond;
mod secret;
mod sign_in;
mod users;

/// What an operation leads to.
enum Done {
    Told(Value),
    /// Tokens, to be signed when the pool's lock is free again.
    SignedIn(Box<Issue>),
}

/// Answers `POST /` and the preflight that a browser sends before it.
pub(super) fn answer(pool: &Pool, asked: &Asked) -> Answer {
    if asked.method == Method::OPTIONS {
        return preflight();
    }
    let done = operate(pool, asked).and_then(|done| match done {
        Done::Told(value) => Ok(value),
        Done::SignedIn(issue) => issue.sign(),
    });
    let mut answer = match done {
        Ok(value) => json(StatusCode::OK, &value),
        Err(failure) => failure.answer(),
    };
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    insert(&mut answer, ::http::HeaderName::from_static("x-amzn-requestid"), &random::uuid());
    insert(&mut answer, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    allow_any_origin(answer)
}

fn operate(pool: &Pool, asked: &Asked) -> Result<Done, Failure> {
    let target = asked.header("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix(SERVICE).unwrap_or_default();
    match operation {
        "InitiateAuth" => sign_in::initiate(pool, read(asked)?),
        "RespondToAuthChallenge" => respond::answer(pool, read(asked)?),
        "GetTokensFromRefreshToken" => renew::tokens(pool, read(asked)?),
        "RevokeToken" => renew::revoke(pool, &read(asked)?),
        "GetUser" => own::read(pool, &read(asked)?),
        "UpdateUserAttributes" => own::update(pool, read(asked)?),
        "ChangePassword" => own::change_password(pool, &read(asked)?),
        "GlobalSignOut" => own::sign_out(pool, &read(asked)?),
        "AssociateSoftwareToken" => factors::associate(pool, &read(asked)?),
        "VerifySoftwareToken" => factors::verify(pool, &read(asked)?),
        "SetUserMFAPreference" => factors::prefer(pool, &read(asked)?),

        "AdminInitiateAuth" => sign_in::admin_initiate(pool, signed(asked)?),
        "AdminRespondToAuthChallenge" => respond::admin_answer(pool, signed(asked)?),
        "AdminCreateUser" => users::create(pool, signed(asked)?),
        "AdminDeleteUser" => users::delete(pool, &signed(asked)?),
        "AdminSetUserPassword" => users::set_password(pool, &signed(asked)?),
        "AdminGetUser" => users::read(pool, &signed(asked)?),
        "AdminUpdateUserAttributes" => users::update(pool, signed(asked)?),
        "AdminDisableUser" => users::disable(pool, &signed(asked)?),
        "AdminEnableUser" => users::enable(pool, &signed(asked)?),
        "AdminUserGlobalSignOut" => users::sign_out(pool, &signed(asked)?),
        "ListUsers" => users::list(pool, &signed(asked)?),
        "AdminAddUserToGroup" => groups::add_user(pool, &signed(asked)?),
        "AdminRemoveUserFromGroup" => groups::remove_user(pool, &signed(asked)?),
        "AdminListGroupsForUser" => groups::of_user(pool, &signed(asked)?),
        "CreateGroup" => groups::create(pool, signed(asked)?),
        "ListGroups" => groups::list(pool, &signed(asked)?),
        "DescribeUserPool" => describe::pool(pool, &signed(asked)?),
        "DescribeUserPoolClient" => describe::client(pool, &signed(asked)?),
        _ => Err(Failure::new(Kind::UnknownOperation, "This development pool has no such operation.")),
    }
}

fn read<T: DeserializeOwned>(asked: &Asked) -> Result<T, Failure> {
    input::parse(&asked.body)
}

/// The input of an operation that takes AWS credentials. A signature (SigV4) has to be there and is not checked: any
/// credentials will do. Threat: a page of any web site that a developer visits; it cannot send this header, because
/// the preflight does not allow it.
fn signed<T: DeserializeOwned>(asked: &Asked) -> Result<T, Failure> {
    if !asked.header(AUTHORIZATION).is_some_and(|value| value.starts_with("AWS4-")) {
        return Err(Failure::new(Kind::MissingAuthenticationToken, "Missing Authentication Token"));
    }
    read(asked)
}

fn told(value: Value) -> Result<Done, Failure> {
    Ok(Done::Told(value))
}

fn preflight() -> Answer {
    let mut answer = allow_any_origin(empty(StatusCode::OK));
    insert(&mut answer, ACCESS_CONTROL_ALLOW_METHODS, "POST");
    insert(&mut answer, ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    answer
}

// === impl Pool ===

impl Pool {
    /// The id in a request is this pool's.
    fn is_meant(&self, id: Option<&str>) -> Result<(), Failure> {
        let id = input::need(id, "userPoolId")?;
        if id == self.pool_id {
            return Ok(());
        }
        Err(Failure::new(Kind::ResourceNotFound, format!("User pool {id} does not exist.")))
    }
}

const SERVICE: &str = "AWSCognitoIdentityProviderService.";
/// `authorization` is left out on purpose, see `signed`.
const ALLOWED: &str = "content-type, x-amz-target, x-amz-user-agent, amz-sdk-invocation-id, amz-sdk-request, \
                       cache-control";
const EXPOSED: &str = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date";
