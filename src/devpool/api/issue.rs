//! Tokens for a sign-in through the JSON API: the one place of it that drafts them.

use serde_json::{Map, Value, json};

use super::super::bound::Bound;
use super::super::state::{Client, Grant, State};
use super::super::tokens::{self, Draft};
use super::super::trigger::{self, Call, Occasion, Source};
use super::super::{Pool, random, renew};
use super::Done;
use super::failure::{Failure, Kind};

/// Tokens on their way: the trigger has its say, then they are signed and handed out.
pub(super) struct Issue {
    draft: Draft,
    call: Option<Call>,
    next: Next,
    /// The answer to a sign-in has room for challenges.
    challenges: bool,
}

/// Why tokens are made, as the trigger is told.
#[derive(Clone, Copy)]
pub(super) struct Why<'a> {
    pub(super) source: Source,
    /// `ClientMetadata`; not of `InitiateAuth`, which keeps it from this trigger.
    pub(super) metadata: Option<&'a Map<String, Value>>,
}

/// What becomes of the refresh token.
enum Next {
    First(Grant),
    Further { client: Client, token: String },
}

/// The first tokens of a user who has done all steps.
pub(super) fn first(
    pool: &Pool,
    state: &State,
    client: &Client,
    user: &str,
    why: Why<'_>,
) -> Result<Done, Failure> {
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
        bound: Bound::default(),
        expires: now.saturating_add(client.refresh_lifetime),
        revoked: false,
    };
    let (draft, call) = draft(pool, state, client, &grant, why)?;
    Ok(Done::SignedIn(Box::new(Issue { draft, call, next: Next::First(grant), challenges: true })))
}

/// Further tokens for a refresh token that was found good.
pub(super) fn further(
    pool: &Pool,
    state: &State,
    client: &Client,
    grant: &Grant,
    token: &str,
    metadata: Option<&Map<String, Value>>,
    challenges: bool,
) -> Result<Done, Failure> {
    let why = Why { source: Source::RefreshTokens, metadata };
    let (draft, call) = draft(pool, state, client, grant, why)?;
    let next = Next::Further { client: client.clone(), token: token.to_owned() };
    Ok(Done::SignedIn(Box::new(Issue { draft, call, next, challenges })))
}

fn draft(
    pool: &Pool,
    state: &State,
    client: &Client,
    grant: &Grant,
    why: Why<'_>,
) -> Result<(Draft, Option<Call>), Failure> {
    let user = state.active_user(&grant.user);
    let user = user.ok_or_else(|| Failure::new(Kind::UserNotFound, "User does not exist."))?;
    let occasion = Occasion {
        source: why.source,
        state,
        pool_id: &pool.pool_id,
        client,
        user: Some(user),
        scopes: &grant.scopes,
        metadata: why.metadata,
    };
    let call = trigger::call(pool, &occasion);
    Ok((tokens::draft(state, &pool.issuer, client, user, grant, None), call))
}

// === impl Issue ===

impl Issue {
    /// Asks the trigger and signs, both without the pool's lock.
    pub(super) async fn finish(mut self, pool: &Pool) -> Result<Value, Failure> {
        self.draft.apply(&trigger::run(pool, self.call).await?);
        let refresh_token = self.next.hand_out(pool)?;
        let tokens = self.draft.sign()?;
        let mut result = Map::new();
        result.insert("AccessToken".into(), json!(tokens.access));
        result.insert("ExpiresIn".into(), json!(tokens.lifetime));
        result.insert("TokenType".into(), json!("Bearer"));
        if let Some(id) = tokens.id {
            result.insert("IdToken".into(), json!(id));
        }
        if let Some(refresh_token) = refresh_token {
            result.insert("RefreshToken".into(), json!(refresh_token));
        }
        Ok(match self.challenges {
            true => json!({ "AuthenticationResult": result, "ChallengeParameters": {} }),
            false => json!({ "AuthenticationResult": result }),
        })
    }
}

// === impl Next ===

impl Next {
    fn hand_out(self, pool: &Pool) -> Result<Option<String>, Failure> {
        let mut state = pool.state();
        match self {
            Self::First(grant) => {
                let token = renew::hand_out(&mut state, &grant.origin_jti);
                state.grants.insert(grant.origin_jti.clone(), grant);
                state.stats.sign_ins += 1;
                Ok(Some(token))
            }
            Self::Further { client, token } => {
                // Again: while the trigger ran, it may have been rotated or revoked.
                let grant = renew::find(&state, &client, &token)?;
                Ok(renew::rotate(&mut state, &client, &token, &grant.origin_jti))
            }
        }
    }
}

/// What lets an access token use the operations on its own user.
pub(super) const SCOPE: &str = "aws.cognito.signin.user.admin";
