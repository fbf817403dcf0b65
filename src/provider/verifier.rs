//! Which issuer's keys a token is held against, and looking once for a key that is not among them.
//!
//! Threat: a token that chooses its own judge. Its `iss` is read unverified only to pick one of the issuers
//! that were configured; then it must be signed with a key of that issuer, and name that very issuer.

use std::sync::Arc;

use super::PoolFault;
use super::keys::{Asker, Keys, Newer};
use super::outbound::Outbound;
use crate::clock;
use crate::identity::json::Claims;
use crate::identity::jwks::KeySet;
use crate::identity::token::{self, Expect, Kind, TokenFault, Unverified};

/// The issuers whose tokens count: the one whose discovery document is read first, then the additional ones.
/// Each has its own key set, and nothing that happens to one of them touches another.
pub struct Verifier {
    issuers: Vec<Arc<Keys>>,
    cognito: bool,
}

/// Whose tokens count, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Accepted<'a> {
    /// The app clients that they were issued to.
    pub client_ids: &'a [String],
    /// The resources that access tokens may be bound to; `None`: `aud` is not looked at (see [`Expect`]).
    pub audiences: Option<&'a [String]>,
}

/// The key set that a token was verified with: as long as its issuer has no other, the verification still
/// stands.
#[derive(Debug, Clone)]
pub struct SeenKeys {
    issuer: usize,
    set: Arc<KeySet>,
}

// === impl Verifier ===

impl Verifier {
    /// For the main issuer and the additional ones, which are asked nothing before a token names them.
    pub fn new(issuer: &str, additional: &[String], cognito: bool) -> Self {
        let issuers = std::iter::once(issuer).chain(additional.iter().map(String::as_str));
        Self { issuers: issuers.map(|issuer| Arc::new(Keys::of(issuer, cognito))).collect(), cognito }
    }

    /// The main issuer's keys.
    pub fn main(&self) -> &Keys {
        &self.issuers[0]
    }

    /// Fetches again what has been in use for long. Each issuer for itself: one that is silent costs the
    /// others a few seconds at most.
    pub async fn renew(&self, outbound: &Outbound) {
        for keys in &self.issuers {
            keys.renew(outbound).await;
        }
    }

    /// Whether the keys are still those that were `seen`.
    pub fn unchanged(&self, seen: &SeenKeys) -> bool {
        let current = self.issuers.get(seen.issuer).and_then(|keys| keys.current());
        current.is_some_and(|current| Arc::ptr_eq(&current, &seen.set))
    }

    /// Verifies with the keys at hand of the issuer that the token names; a key that is not among them is
    /// looked for once. `said` is what the token says of itself.
    pub async fn verify(
        &self,
        outbound: &Arc<Outbound>,
        asker: Asker,
        token: &str,
        said: &Unverified,
        accepted: &Accepted<'_>,
        kind: Kind<'_>,
    ) -> Result<(Claims, SeenKeys), PoolFault> {
        let which = match kind {
            Kind::Id { .. } => "ID",
            Kind::Access => "access",
        };
        let fault = |fault| PoolFault::Token { which, fault };
        let named = self.issuers.iter().position(|keys| said.issuer.as_deref() == Some(keys.issuer()));
        // One that names nobody we know fails at the main issuer, for whatever is wrong first.
        let issuer = named.unwrap_or(0);
        let keys = &self.issuers[issuer];
        let check = |set: Arc<KeySet>| {
            let expect = Expect {
                issuer: keys.issuer(),
                client_ids: accepted.client_ids,
                audiences: accepted.audiences,
                cognito: self.cognito,
                kind,
            };
            let verified = token::verify(token, &set, &expect, clock::now());
            verified.map(|claims| (claims, SeenKeys { issuer, set }))
        };
        let seen = keys.current();
        match seen.clone().map(check) {
            Some(Err(TokenFault::UnknownKey)) | None if named.is_some() => {}
            Some(verified) => return verified.map_err(fault),
            None => return Err(PoolFault::NoKeys),
        }
        match keys.newer_than(seen.as_ref(), said.kid.as_deref(), outbound, asker).await {
            Newer::Set(set) => check(set).map_err(fault),
            Newer::Quiet => Err(fault(TokenFault::UnknownKey)),
            Newer::Unreachable => Err(PoolFault::NoKeys),
        }
    }
}
