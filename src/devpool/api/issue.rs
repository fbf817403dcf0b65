//! Tokens for a sign-in through the JSON API: the one place of it that drafts them.

use serde_json::{Map, Value, json};

use super::super::state::{Client, Grant, State};
use super::super::tokens::{self, Draft};
use super::super::{Pool, random, renew};
use super::Done;
use super::failure::{Failure, Kind};

/// What is to be signed and handed out.
pub(super) struct Issue {
    draft: Draft,
    refresh_token: Option<String>,
    /// The answer to a sign-in has room for challenges.
    challenges: bool,
}

/// The first tokens of a user who has done all steps.
pub(super) fn first(pool: &Pool, state: &mut State, client: &Client, user: &str) -> Result<Done, Failure> {
    let now = state.now();
    let grant = Grant {
        origin_jti: random::uuid(),
        event_id: random::uuid(),
        client_id: client.id.clone(),
        user: user.to_owned(),
        // Exactly this one, whatever scopes the client has.
        scopes: vec![SCOPE.to_owned()],
        by_api: true,
        auth_time: now,
        expires: now.saturating_add(client.refresh_lifetime),
        revoked: false,
    };
    state.stats.sign_ins += 1;
    let draft = draft(pool, state, client, &grant)?;
    let refresh_token = Some(renew::hand_out(state, &grant.origin_jti));
    state.grants.insert(grant.origin_jti.clone(), grant);
    Ok(Done::SignedIn(Box::new(Issue { draft, refresh_token, challenges: true })))
}

/// Further tokens for a refresh token that was found good.
pub(super) fn further(
    pool: &Pool,
    state: &mut State,
    client: &Client,
    grant: &Grant,
    token: &str,
    challenges: bool,
) -> Result<Done, Failure> {
    let draft = draft(pool, state, client, grant)?;
    let refresh_token = renew::rotate(state, client, token, &grant.origin_jti);
    Ok(Done::SignedIn(Box::new(Issue { draft, refresh_token, challenges })))
}

fn draft(pool: &Pool, state: &State, client: &Client, grant: &Grant) -> Result<Draft, Failure> {
    let user = state.active_user(&grant.user);
    let user = user.ok_or_else(|| Failure::new(Kind::UserNotFound, "User does not exist."))?;
    Ok(tokens::draft(state, &pool.issuer, client, user, grant, None))
}

// === impl Issue ===

impl Issue {
    /// Signs; to be called without the pool's lock.
    pub(super) fn sign(self) -> Result<Value, Failure> {
        let tokens = self.draft.sign()?;
        let mut result = Map::new();
        result.insert("AccessToken".into(), json!(tokens.access));
        result.insert("ExpiresIn".into(), json!(tokens.lifetime));
        result.insert("TokenType".into(), json!("Bearer"));
        if let Some(id) = tokens.id {
            result.insert("IdToken".into(), json!(id));
        }
        if let Some(refresh_token) = self.refresh_token {
            result.insert("RefreshToken".into(), json!(refresh_token));
        }
        Ok(match self.challenges {
            true => json!({ "AuthenticationResult": result, "ChallengeParameters": {} }),
            false => json!({ "AuthenticationResult": result }),
        })
    }
}

/// What lets an access token use the operations on its own user.
pub(super) const SCOPE: &str = "aws.cognito.signin.user.admin";
