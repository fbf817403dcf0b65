//! What the token endpoint answers, in a type that keeps the ID token as text: only `identity::token` reads tokens.

use openidconnect::core::{
    CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenType,
};
use openidconnect::{
    AccessToken, EmptyAdditionalClaims, IdToken, OAuth2TokenResponse, RefreshToken, Scope, TokenResponse,
};
use serde::{Deserialize, Deserializer, Serialize};

/// What the token endpoint answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tokens {
    access_token: AccessToken,
    #[serde(deserialize_with = "bearer")]
    token_type: CoreTokenType,
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
    id_token: Option<String>,
}

// === impl Tokens ===

impl Tokens {
    /// The ID token, unread.
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref()
    }

    /// The access token, unread.
    pub fn access_token(&self) -> &str {
        self.access_token.secret()
    }

    /// The refresh token.
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(|token| token.secret().as_str())
    }

    /// How long the access token lives, seconds.
    pub fn expires_in(&self) -> Option<u64> {
        self.expires_in
    }
}

impl OAuth2TokenResponse for Tokens {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &CoreTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<std::time::Duration> {
        self.expires_in.map(std::time::Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for Tokens
{
    fn id_token(&self) -> Option<&UnreadIdToken> {
        None
    }
}

/// Token types are compared without case (RFC 6749 §5.1); no other than Bearer is understood.
fn bearer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CoreTokenType, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.eq_ignore_ascii_case("bearer") {
        Ok(CoreTokenType::Bearer)
    } else {
        Err(serde::de::Error::custom("a token type other than Bearer"))
    }
}

type UnreadIdToken = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
