//! Tokens for a code, tokens for a refresh token: each verified, and who it is that they speak of.

use std::time::Duration;

use super::answer::Tokens as Answer;
use super::counted::counted;
use super::keys::Asker;
use super::{Accepted, PoolFault, Provider};
use crate::clock;
use crate::config::settings::ProviderKind;
use crate::identity::assertion::alb;
use crate::identity::json::Claims;
use crate::identity::token::{self, Kind};
use crate::identity::{Identity, Issued, Tokens, identify};

/// What a login or a refresh gives.
#[derive(Clone)]
pub struct Granted {
    /// Who this is now.
    pub identity: Identity,
    /// When the access token ends, seconds since 1970.
    pub access_ends: u64,
    /// The refresh token to use next, if a new one came.
    pub refresh_token: Option<String>,
    /// The tokens themselves.
    pub issued: Issued,
}

impl Provider {
    /// Who signed in, for the code that the browser brought.
    pub async fn redeem(
        &self,
        redirect_uri: &str,
        code: &str,
        verifier: &str,
        nonce: &str,
    ) -> Result<Granted, PoolFault> {
        let endpoints = self.endpoints()?;
        let mut turn = self.secrets.turn();
        let tokens = loop {
            let caller = self.caller(&endpoints, turn.secret());
            let answer = counted(self.tally(), "code", caller.redeem(redirect_uri, code, verifier)).await;
            if !turn.goes_on(&answer) {
                break answer?;
            }
        };
        self.granted(&tokens, Some(nonce), Some(code)).await
    }

    /// Who it is now, for a refresh token. `sub` must be the one who signed in.
    pub async fn refresh(&self, refresh_token: &str, sub: &str) -> Result<Granted, PoolFault> {
        let endpoints = self.endpoints()?;
        let mut turn = self.secrets.turn();
        let tokens = loop {
            let caller = self.caller(&endpoints, turn.secret());
            let answer = counted(self.tally(), "refresh", caller.refresh(refresh_token)).await;
            if !turn.goes_on(&answer) {
                break answer?;
            }
        };
        let mut granted = self.granted(&tokens, None, None).await;
        // The refresh token that was redeemed may be gone: what came for it is not thrown away because keys
        // cannot be fetched at this moment.
        for _ in 0..KEY_RETRIES {
            if !matches!(granted, Err(PoolFault::NoKeys)) {
                break;
            }
            tokio::time::sleep(KEY_PAUSE).await;
            granted = self.granted(&tokens, None, None).await;
        }
        let granted = granted?;
        if granted.identity.sub == sub { Ok(granted) } else { Err(PoolFault::OtherSubject) }
    }

    async fn granted(
        &self,
        tokens: &Answer,
        nonce: Option<&str>,
        code: Option<&str>,
    ) -> Result<Granted, PoolFault> {
        let id_token = tokens.id_token().filter(|token| !token.is_empty()).ok_or(PoolFault::NoIdToken)?;
        let access_token = tokens.access_token();
        let id_kind = Kind::Id { nonce, access_token: Some(access_token), code };
        let id = self.verified(id_token, id_kind).await?;
        let access = match self.verified(access_token, Kind::Access).await {
            Ok(access) => Some(access),
            // Elsewhere than at Cognito an access token need not be one that we can read.
            Err(_) if self.settings.kind == ProviderKind::Oidc => None,
            Err(fault) => return Err(fault),
        };
        // Their claims add up, so both must be about one person.
        if access.as_ref().is_some_and(|access| access.get("sub") != id.get("sub")) {
            return Err(PoolFault::OtherSubject);
        }
        let now = clock::now();
        let access_ends = access
            .as_ref()
            .and_then(token::ends)
            .or_else(|| tokens.expires_in().map(|seconds| now.saturating_add(seconds)))
            .or_else(|| token::ends(&id))
            .unwrap_or(now);
        let identity = identify(
            &self.identity,
            &self.settings.kind,
            &Tokens { id: Some(&id), access: access.as_ref() },
        )?;
        self.tell_oddities(&identity);
        let refresh_token = tokens.refresh_token().map(str::to_owned);
        let issued = Issued {
            access: access_token.to_owned(),
            id: id_token.to_owned(),
            id_ends: token::ends(&id).unwrap_or(access_ends),
            profile: alb::profile(&id, &self.settings.kind),
        };
        Ok(Granted { identity, access_ends, refresh_token, issued })
    }

    /// Verifies a token that the token endpoint gave to our own client.
    async fn verified(&self, token: &str, kind: Kind<'_>) -> Result<Claims, PoolFault> {
        let accepted = Accepted {
            client_ids: std::slice::from_ref(&self.settings.client_id),
            // Elsewhere than at Cognito an access token may be for whomever: what comes from the token endpoint
            // itself nobody else can have been shown, and its claims are read, no more.
            audiences: (self.settings.kind != ProviderKind::Oidc).then_some(&self.settings.resources),
        };
        let (claims, _) = self
            .known
            .verifier
            .verify(&self.outbound, Asker::Issuer, token, &token::unverified(token), &accepted, kind)
            .await?;
        Ok(claims)
    }
}

/// With [`KEY_PAUSE`] between them. Nobody waits for all of it: the flight goes on by itself.
const KEY_RETRIES: usize = 5;
const KEY_PAUSE: Duration = Duration::from_secs(2);
