//! `SECRET_HASH`: the proof of a client's secret that the JSON API takes.
//!
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html#cognito-user-pools-computing-secret-hash>

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::state::{Client, State};
use super::super::token::same;
use super::failure::{Failure, Kind};
use super::input::need;

/// The client that a request names.
pub(super) fn client(state: &State, id: Option<&str>) -> Result<Client, Failure> {
    let id = need(id, "clientId")?;
    let known = state.client(id).cloned();
    known
        .ok_or_else(|| Failure::new(Kind::ResourceNotFound, format!("User pool client {id} does not exist.")))
}

/// Base64(HMAC-SHA256(secret, user name + client id)) with any of the client's secrets; nothing for a public client.
pub(super) fn check_hash(client: &Client, user: &str, hash: Option<&str>) -> Result<(), Failure> {
    let id = &client.id;
    let refuse = |message| Err(Failure::not_authorized(message));
    match hash {
        None if client.secrets.is_empty() => Ok(()),
        None => refuse(format!("Client {id} is configured with secret but SECRET_HASH was not received")),
        Some(_) if client.secrets.is_empty() => {
            refuse(format!("Client {id} is not configured with secret but SECRET_HASH was received"))
        }
        Some(hash) if client.secrets.iter().any(|secret| same(&hash_of(secret, user, id), hash)) => Ok(()),
        Some(_) => refuse(format!("SecretHash does not match for client: {id}")),
    }
}

/// The secret itself, as the two operations want it that take no hash.
pub(super) fn check_secret(client: &Client, secret: Option<&str>) -> bool {
    match secret {
        None => client.secrets.is_empty(),
        Some(secret) => client.secrets.iter().any(|known| same(known, secret)),
    }
}

fn hash_of(secret: &str, user: &str, client: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{user}{client}").as_bytes()))
}
