//! Who a bearer token speaks for (RFC 6750): one header, verified offline, and not twice for the same token.
//!
//! Threat: two readings of one request. Where bearer tokens count, one of them alone decides; anything that is
//! nearly one is refused, never passed over for a cookie.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::clock;
use crate::config::settings::{self, ProviderKind, TokenChoice};
use crate::identity::assertion::alb;
use crate::identity::json::Claims;
use crate::identity::token::{self, LEEWAY};
use crate::identity::{Facts, Identity, Tokens, identify};
use crate::provider::{Accepted, Bearer, PoolFault, Provider, SeenKeys};

/// What verifies bearer tokens.
pub struct Bearers {
    settings: settings::Bearer,
    identity: settings::Identity,
    kind: ProviderKind,
    /// Whether an upstream is told what an ALB would tell.
    profiles: bool,
    provider: Arc<Provider>,
    /// By a digest of the token: what was verified, never the token.
    verified: Cache<[u8; 32], Arc<Speaker>, BySize>,
}

/// What a request's `Authorization` says, where bearer tokens count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried<'a> {
    /// Nothing, or another scheme: no affair of the gate's.
    Nothing,
    /// One token, well-formed.
    Token(&'a str),
    /// Something that someone might take for a bearer token.
    Malformed,
}

/// Who a token speaks for.
#[derive(Debug)]
pub struct Speaker {
    /// Who it is.
    pub identity: Identity,
    /// Which of the two tokens it is.
    pub token: TokenChoice,
    /// Whether `[bearer] tokens` allows that one.
    pub usual: bool,
    /// What an ALB would tell of them; empty where nobody is told.
    pub profile: Claims,
    /// When the token ends, leeway included; seconds since 1970.
    pub ends: u64,
    keys: SeenKeys,
}

/// Weighs an entry by what it holds on to.
#[derive(Debug, Clone)]
struct BySize;

// === impl Carried ===

impl<'a> Carried<'a> {
    /// Reads the header: its scheme in any case, one blank, one `b64token` (RFC 6750 §2.1), and no second line.
    pub fn read(head: &'a HeaderMap) -> Self {
        let mut lines = head.get_all(AUTHORIZATION).iter();
        let Some(first) = lines.next() else { return Self::Nothing };
        let second = lines.next().is_some();
        if !head.get_all(AUTHORIZATION).iter().any(|line| is_bearer(line.as_bytes())) {
            return Self::Nothing;
        }
        match first.to_str().ok().and_then(|line| line.get(SCHEME.len()..)?.strip_prefix(' ')) {
            Some(token) if !second && is_b64token(token) => Self::Token(token),
            _ => Self::Malformed,
        }
    }
}

// === impl Bearers ===

impl Bearers {
    /// For tokens that `settings` lets count.
    pub fn new(
        settings: settings::Bearer,
        identity: settings::Identity,
        kind: ProviderKind,
        profiles: bool,
        provider: Arc<Provider>,
    ) -> Self {
        let verified = Cache::with_weighter(EXPECTED_TOKENS, MAX_BYTES, BySize);
        Self { settings, identity, kind, profiles, provider, verified }
    }

    /// Who `token` speaks for. A result is kept no longer than the token lasts and its issuer's keys stay as they
    /// are; what a rule asks of it is asked anew each time.
    pub async fn speaker(&self, token: &str) -> Result<Arc<Speaker>, PoolFault> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if let Some(known) = self.verified.get(&key) {
            if clock::now() < known.ends && self.provider.keys_unchanged(&known.keys) {
                return Ok(known);
            }
            self.verified.remove(&key);
        }
        let speaker = Arc::new(self.verify(token).await?);
        self.verified.insert(key, speaker.clone());
        Ok(speaker)
    }

    async fn verify(&self, token: &str) -> Result<Speaker, PoolFault> {
        let settings::Bearer { tokens, clients, audiences, .. } = &self.settings;
        // Elsewhere than at Cognito nothing tells the two tokens apart: there the configuration says which it is.
        let choice = if self.kind == ProviderKind::Oidc { *tokens } else { TokenChoice::Either };
        let accepted = Accepted { client_ids: clients, audiences: Some(audiences) };
        let Bearer { claims, token, keys } = self.provider.bearer(token, choice, &accepted).await?;
        let tokens_read = match token {
            TokenChoice::Id => Tokens { id: Some(&claims), access: None },
            _ => Tokens { id: None, access: Some(&claims) },
        };
        let identity = identify(&self.identity, &self.kind, &tokens_read)?;
        self.provider.tell_oddities(&identity);
        let ends = token::ends(&claims).unwrap_or_default().saturating_add(LEEWAY);
        let usual = self.kind == ProviderKind::Oidc || *tokens == TokenChoice::Either || *tokens == token;
        let profile = if self.profiles { alb::profile(&claims, &self.kind) } else { Claims::new() };
        Ok(Speaker { identity, token, usual, profile, ends, keys })
    }
}

// === impl BySize ===

impl Weighter<[u8; 32], Arc<Speaker>> for BySize {
    fn weight(&self, _: &[u8; 32], speaker: &Arc<Speaker>) -> u64 {
        let Identity { sub, user, roles, headers, .. } = &speaker.identity;
        let roles = roles.iter().map(|role| role.len() + size_of::<String>());
        let headers = headers.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>());
        let profile = speaker.profile.iter().map(|(name, value)| name.len() + value.to_string().len() + NODE);
        let parts = roles.chain(headers).chain(profile).sum::<usize>();
        let Facts { scopes, email_domain, acr, .. } = &speaker.identity.facts;
        let scopes = scopes.iter().map(|scope| scope.len() + size_of::<String>());
        let texts = [email_domain, acr].into_iter().flatten().map(String::len);
        let facts = scopes.chain(texts).sum::<usize>();
        let bytes = facts + sub.len() + user.len() + parts + size_of::<Speaker>();
        bytes as u64
    }
}

fn is_bearer(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let scheme = line.get(..SCHEME.len()).is_some_and(|word| word.eq_ignore_ascii_case(SCHEME.as_bytes()));
    scheme && line.get(SCHEME.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
}

fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(is_part)
}

const SCHEME: &str = "Bearer";
/// What the cache is laid out for; it holds as many as fit.
const EXPECTED_TOKENS: usize = 4096;
/// About what a claim takes beside its text.
const NODE: usize = 128;
/// What verified tokens may take, all together.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(lines: &[&str]) -> String {
        let mut head = HeaderMap::new();
        for line in lines {
            head.append(AUTHORIZATION, line.parse().unwrap());
        }
        match Carried::read(&head) {
            Carried::Nothing => "nothing".into(),
            Carried::Malformed => "malformed".into(),
            Carried::Token(token) => format!("token {token}"),
        }
    }

    #[test]
    fn one_well_formed_line_is_a_token_and_what_is_nearly_one_is_none() {
        for (lines, expected) in [
            (&["Bearer abc.d-e_f~+/=="][..], "token abc.d-e_f~+/=="),
            (&["bearer abc"], "token abc"),
            (&["BEARER abc"], "token abc"),
            (&[], "nothing"),
            (&["Basic YTpi"], "nothing"),
            (&["Bearerx abc"], "nothing"),
            (&["Bearer-Like abc"], "nothing"),
            (&["Basic YTpi", "Digest x"], "nothing"),
            (&["Bearer"], "malformed"),
            (&["bearer"], "malformed"),
            (&["Bearer "], "malformed"),
            (&["Bearer  abc"], "malformed"),
            (&["Bearer\tabc"], "malformed"),
            (&["Bearer, abc"], "malformed"),
            (&["Bearer abc, Bearer abc"], "malformed"),
            (&["Bearer abc def"], "malformed"),
            (&["Bearer ==="], "malformed"),
            (&["Bearer abc=d"], "malformed"),
            (&["Bearer \"abc\""], "malformed"),
            (&["Bearer abc", "Bearer abc"], "malformed"),
            (&["Bearer abc", "Basic YTpi"], "malformed"),
            (&["Basic YTpi", "Bearer abc"], "malformed"),
        ] {
            assert_eq!(carried(lines), expected, "{lines:?}");
        }
    }
}
