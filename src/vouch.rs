//! What an upstream is handed beside X-User and X-Roles, so that it need not take the gate's word for them.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method};

use crate::ask::Ask;
use crate::clock;
use crate::config::secret::Secret;
use crate::config::settings::{self, Config, PassToken, PassedOn};
use crate::identity::assertion::key::BadKey;
use crate::identity::assertion::{Assertions, Bound, Headers, Who, secret};
use crate::identity::encode_name;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::rule::Found;
use crate::tls::client_certificate::ClientCertificate;

/// What the configuration says of it.
pub struct Vouch {
    config: Arc<Config>,
    assertions: Option<Assertions>,
    /// The key that was made here, where the configuration has none.
    made: Option<Secret>,
}

// === impl Vouch ===

impl Vouch {
    /// Reads the keys, or makes one that lives as long as the process.
    pub fn new(config: Arc<Config>) -> Result<Self, BadKey> {
        Self::signing(config, None)
    }

    /// By another configuration. A key that was made here stays: upstreams know it.
    pub fn with(&self, config: Arc<Config>) -> Result<Self, BadKey> {
        Self::signing(config, self.made.clone())
    }

    fn signing(config: Arc<Config>, mut made: Option<Secret>) -> Result<Self, BadKey> {
        let assertions = match &config.assertion {
            None => None,
            Some(settings) => Some(assertions(settings, &config, &mut made)?),
        };
        Ok(Self { config, assertions, made })
    }

    /// What a session must have at hand for a request that `found` covers.
    pub fn needs(&self, found: &Found<'_>) -> PassedOn {
        self.config.passed_on_always().with(pass_token(found))
    }

    /// The headers that go with a request of `who`, whoever said who that is: a session or a bearer token.
    pub fn headers(&self, ask: &Ask, found: &Found<'_>, who: &Who<'_>) -> Result<Headers, Refusal> {
        let mut headers = self.asserted(ask, found, who)?;
        let token = pass_token(found).and_then(|token| match token {
            PassToken::Access => who.handed.access_token,
            PassToken::Id => who.handed.id_token,
        });
        if let Some(token) = token {
            let value = secret(&format!("Bearer {token}")).ok_or(Refusal::Unwritable)?;
            headers.push((AUTHORIZATION, value));
        }
        Ok(headers)
    }

    /// The headers that go with a request from a client with a certificate, whoever is signed in.
    pub fn of_certificate(&self, shown: Option<&ClientCertificate>) -> Result<Headers, Refusal> {
        let Some((asked, shown)) = self.config.client_certificates().zip(shown) else {
            return Ok(Headers::new());
        };
        let mut headers = Headers::new();
        if !shown.subject().is_empty() {
            let subject = HeaderValue::try_from(encode_name(shown.subject()));
            headers.push((asked.subject_header.clone(), subject.map_err(|_| Refusal::Unwritable)?));
        }
        if asked.whole {
            // A byte sequence (RFC 8941 §3.3.5).
            let whole = HeaderValue::try_from(format!(":{}:", STANDARD.encode(shown.der())));
            headers.push((CLIENT_CERT, whole.map_err(|_| Refusal::Unwritable)?));
        }
        Ok(headers)
    }

    fn asserted(&self, ask: &Ask, found: &Found<'_>, who: &Who<'_>) -> Result<Headers, Refusal> {
        let Some(assertions) = &self.assertions else { return Ok(Headers::new()) };
        let random = clock::random().map_err(|_| Refusal::NoEntropy)?;
        let origin = self.config.origins[ask.origin.unwrap_or_default()].to_string();
        // What the upstream finds in its own request line is what it can hold a statement against.
        let destination = self.config.destination(found.rule()).ok_or(Refusal::Outside)?;
        let path = ask.sent_path(&destination.rewrite)?;
        let bound = Bound { origin: &origin, method: ask.method.as_str(), host: &ask.authority, path: &path };
        assertions.headers(who, &bound, clock::now(), random).ok_or(Refusal::Unwritable)
    }

    /// The public keys: `keys` as JWKS, `keys/<id>` as PEM. For anyone on any host: an upstream asks for them by
    /// whatever name it has for the gate.
    pub fn keys(&self, ask: &Ask) -> Result<Reply, Refusal> {
        let assertions = self.assertions.as_ref().ok_or(Refusal::NotFound)?;
        if !matches!(ask.method, Method::GET | Method::HEAD) {
            return Err(Refusal::MethodNotAllowed { allow: "GET, HEAD" });
        }
        let own = ask.path.as_str().strip_prefix(&*self.config.auth_prefix);
        match own.and_then(|path| path.strip_prefix("/keys/")) {
            None => Ok(Reply::Json(assertions.document())),
            Some(kid) => Ok(Reply::Text(assertions.pem(kid).ok_or(Refusal::NotFound)?.to_owned())),
        }
    }
}

fn pass_token(found: &Found<'_>) -> Option<PassToken> {
    found.rule().and_then(|rule| rule.pass_token)
}

fn assertions(
    settings: &settings::Assertion,
    config: &Config,
    made: &mut Option<Secret>,
) -> Result<Assertions, BadKey> {
    if settings.keys.is_empty() && made.is_none() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| BadKey)?;
        *made = Some(Secret::new(pair.to_pkcs8v1().map_err(|_| BadKey)?.as_ref()));
    }
    let keys: Vec<&[u8]> = if settings.keys.is_empty() {
        made.iter().map(Secret::expose).collect()
    } else {
        settings.keys.iter().map(Secret::expose).collect()
    };
    Assertions::new(settings.clone(), &keys, &config.provider.issuer, &config.provider.client_id)
}

/// RFC 9440 §2.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
