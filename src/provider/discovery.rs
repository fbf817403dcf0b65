//! The provider's discovery document: read once, held against the configuration, trusted no further. ★

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, ProviderMetadata};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::settings::{Provider, ProviderKind};

/// Where the provider's endpoints are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where browsers are sent to sign in.
    pub authorize: Url,
    /// Where codes and refresh tokens are redeemed.
    pub token: Url,
    /// Where refresh tokens are revoked, if the provider does that.
    pub revoke: Option<Url>,
    /// Where browsers are sent to sign out, if the provider does that.
    pub end_session: Option<Url>,
    /// Where the keys are.
    pub jwks: Url,
    /// Whether the token endpoint wants the secret in the body: it says so, and does not take Basic.
    pub secret_in_body: bool,
    /// Whether callbacks must carry `iss` (RFC 9207 §3).
    pub iss_in_callback: bool,
}

/// Why a discovery document does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryFault {
    /// Not JSON, or a required member is missing or malformed.
    #[error("the discovery document cannot be read: {0}")]
    Unreadable(String),
    /// It is another issuer's.
    #[error(
        "the discovery document names the issuer {found:?}, not {wanted:?}; write the one it names as `issuer`, if it is yours"
    )]
    Issuer {
        /// What it names.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A pool without a domain, or a provider without the code flow.
    #[error("the discovery document has no {0}: does the user pool have a domain?")]
    Missing(&'static str),
    /// Cleartext, userinfo, or no http at all.
    #[error("the {name} {url} is not an https address")]
    Insecure {
        /// Which endpoint.
        name: &'static str,
        /// What it says.
        url: String,
    },
    /// An endpoint on a host where it has no business.
    #[error("the {name} {url} is not on {wanted}")]
    Elsewhere {
        /// Which endpoint.
        name: &'static str,
        /// What it says.
        url: String,
        /// Where it should be.
        wanted: String,
    },
}

/// Reads a discovery document as the answer for `provider`.
pub fn read(document: &[u8], provider: &Provider) -> Result<Endpoints, DiscoveryFault> {
    let metadata: Metadata =
        serde_json::from_slice(document).map_err(|error| DiscoveryFault::Unreadable(error.to_string()))?;
    if metadata.issuer().as_str() != provider.issuer {
        let found = metadata.issuer().to_string();
        return Err(DiscoveryFault::Issuer { found, wanted: provider.issuer.clone() });
    }
    let more = metadata.additional_metadata();
    let token = metadata.token_endpoint().ok_or(DiscoveryFault::Missing("token_endpoint"))?;
    let methods = metadata.token_endpoint_auth_methods_supported();
    let endpoints = Endpoints {
        authorize: metadata.authorization_endpoint().url().clone(),
        token: token.url().clone(),
        revoke: more.revocation_endpoint.clone(),
        end_session: more.end_session_endpoint.clone(),
        jwks: metadata.jwks_uri().url().clone(),
        secret_in_body: methods.is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        }),
        iss_in_callback: more.authorization_response_iss_parameter_supported,
    };
    endpoints.in_place(provider)?;
    Ok(endpoints)
}

/// Where an issuer's discovery document is (OpenID Connect Discovery §4).
pub fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Where the keys of an additional issuer are; nothing else of its document matters. `at_issuer`: on the
/// issuer's own host, as Cognito's are.
pub fn keys_of(document: &[u8], issuer: &str, at_issuer: bool) -> Result<Url, DiscoveryFault> {
    let document: KeysOnly =
        serde_json::from_slice(document).map_err(|error| DiscoveryFault::Unreadable(error.to_string()))?;
    if document.issuer != issuer {
        return Err(DiscoveryFault::Issuer { found: document.issuer, wanted: issuer.to_owned() });
    }
    secure(issuer, "jwks_uri", &document.jwks_uri)?;
    if at_issuer {
        beside(issuer, &document.jwks_uri)?;
    }
    Ok(document.jwks_uri)
}

// === impl Endpoints ===

impl Endpoints {
    /// No endpoint may be less secure than the issuer, and Cognito's lie on two hosts: keys at the issuer's,
    /// the rest at the pool's domain.
    fn in_place(&self, provider: &Provider) -> Result<(), DiscoveryFault> {
        for (name, url) in self.named() {
            secure(&provider.issuer, name, url)?;
        }
        let ProviderKind::Cognito { domain, .. } = &provider.kind else { return Ok(()) };
        beside(&provider.issuer, &self.jwks)?;
        let home = self.authorize.origin();
        for (name, url) in self.named().filter(|(name, _)| *name != "jwks_uri") {
            let at_domain =
                domain.as_deref().is_none_or(|domain| url.origin().ascii_serialization() == domain);
            if url.origin() != home || !at_domain {
                let wanted = domain.clone().unwrap_or_else(|| home.ascii_serialization());
                return Err(DiscoveryFault::Elsewhere { name, url: url.to_string(), wanted });
            }
        }
        Ok(())
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &Url)> {
        [
            ("authorization_endpoint", Some(&self.authorize)),
            ("token_endpoint", Some(&self.token)),
            ("revocation_endpoint", self.revoke.as_ref()),
            ("end_session_endpoint", self.end_session.as_ref()),
            ("jwks_uri", Some(&self.jwks)),
        ]
        .into_iter()
        .filter_map(|(name, url)| Some((name, url?)))
    }
}

fn secure(issuer: &str, name: &'static str, url: &Url) -> Result<(), DiscoveryFault> {
    let secure = url.scheme() == "https" || (issuer.starts_with("http://") && url.scheme() == "http");
    if secure && url.username().is_empty() && url.password().is_none() && url.has_host() {
        Ok(())
    } else {
        Err(DiscoveryFault::Insecure { name, url: url.to_string() })
    }
}

fn beside(issuer: &str, jwks: &Url) -> Result<(), DiscoveryFault> {
    let issuer = Url::parse(issuer).ok().map(|url| url.origin());
    if issuer.as_ref() == Some(&jwks.origin()) {
        return Ok(());
    }
    let wanted = issuer.map(|origin| origin.ascii_serialization()).unwrap_or_default();
    Err(DiscoveryFault::Elsewhere { name: "jwks_uri", url: jwks.to_string(), wanted })
}

#[derive(Deserialize)]
struct KeysOnly {
    issuer: String,
    jwks_uri: Url,
}

/// What openidconnect does not read itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct More {
    revocation_endpoint: Option<Url>,
    end_session_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

#[cfg(test)]
mod tests;
