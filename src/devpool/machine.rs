//! `grant_type=client_credentials`: an access token for a machine, with scopes of resource servers.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-define-resource-servers.html>

use serde_json::{Map, Value};

use super::Pool;
use super::http::Form;
use super::seed::{Flow, all_scopes};
use super::state::{Client, State, once_each};
use super::token::Refusal;
use super::tokens::{self, Draft};
use super::trigger::{self, Call, Occasion, Source};

/// The access token's draft, and the call that the trigger gets before it is signed.
pub(super) fn grant(
    pool: &Pool,
    state: &State,
    client: &Client,
    form: &Form,
) -> Result<(Draft, Option<Call>), Refusal> {
    if !client.flows.contains(&Flow::ClientCredentials) {
        return Err(Refusal::UnauthorizedClient);
    }
    // A machine that has no secret could be anyone.
    if client.secrets.is_empty() {
        return Err(Refusal::InvalidClient);
    }
    let scopes = scopes(client, form).ok_or(Refusal::InvalidScope)?;
    let metadata = metadata(form)?;
    let call = trigger::call(
        pool,
        &Occasion {
            source: Source::ClientCredentials,
            state,
            pool_id: &pool.pool_id,
            client,
            user: None,
            scopes: &scopes,
            metadata: metadata.as_ref(),
        },
    );
    Ok((tokens::machine(state, &pool.issuer, client, &scopes), call))
}

/// The scopes that were asked for, all of the client's if none were; `None` if one is not to be had.
fn scopes(client: &Client, form: &Form) -> Option<Vec<String>> {
    let asked = form.find("scope").unwrap_or_default();
    let asked = once_each(asked.split_ascii_whitespace().map(str::to_owned).collect());
    if asked.is_empty() {
        return Some(client.scopes.clone());
    }
    let reserved = all_scopes();
    asked.iter().all(|scope| client.scopes.contains(scope) && !reserved.contains(scope)).then_some(asked)
}

/// `aws_client_metadata`: a JSON object of strings, for the trigger.
fn metadata(form: &Form) -> Result<Option<Map<String, Value>>, Refusal> {
    let Some(text) = form.find("aws_client_metadata") else { return Ok(None) };
    let metadata: Map<String, Value> = serde_json::from_str(text).map_err(|_| Refusal::InvalidRequest)?;
    if metadata.values().all(Value::is_string) { Ok(Some(metadata)) } else { Err(Refusal::InvalidRequest) }
}
