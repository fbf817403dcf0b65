//! An app client of the pool.

use crate::devpool::random;
use crate::devpool::seed::{AuthFlow, ClientSeed, Flow, Lifetime, all_flows, all_scopes};

/// An app client.
#[derive(Clone)]
pub(in crate::devpool) struct Client {
    pub(in crate::devpool) id: String,
    pub(in crate::devpool) secrets: Vec<String>,
    pub(in crate::devpool) callback_urls: Vec<String>,
    pub(in crate::devpool) logout_urls: Vec<String>,
    pub(in crate::devpool) scopes: Vec<String>,
    pub(in crate::devpool) id_lifetime: u64,
    pub(in crate::devpool) access_lifetime: u64,
    pub(in crate::devpool) refresh_lifetime: u64,
    pub(in crate::devpool) rotation: bool,
    pub(in crate::devpool) grace: u64,
    pub(in crate::devpool) read_attributes: Option<Vec<String>>,
    pub(in crate::devpool) flows: Vec<Flow>,
    /// None: every one, and the pool's own users.
    pub(in crate::devpool) identity_providers: Option<Vec<String>>,
    pub(in crate::devpool) write_attributes: Option<Vec<String>>,
    pub(in crate::devpool) auth_flows: Vec<AuthFlow>,
}

impl Client {
    pub(super) fn builtin() -> Self {
        let seed = ClientSeed {
            id: CLIENT_ID.to_owned(),
            secrets: vec![random::secret()],
            callback_urls: Vec::new(),
            logout_urls: Vec::new(),
            scopes: None,
            flows: vec![Flow::Code],
            identity_providers: None,
            id_token_lifetime: Lifetime(3_600),
            access_token_lifetime: Lifetime(3_600),
            refresh_token_lifetime: Lifetime(30 * 86_400),
            refresh_rotation: false,
            rotation_grace: Lifetime(0),
            read_attributes: None,
            write_attributes: None,
            auth_flows: all_flows(),
        };
        Self::new(seed, &[])
    }

    /// A client as seeded; `custom` are the scopes of all resource servers.
    pub(super) fn new(seed: ClientSeed, custom: &[String]) -> Self {
        let machine = seed.flows.contains(&Flow::ClientCredentials);
        let usual = || if machine { custom.to_vec() } else { all_scopes() };
        Self {
            id: seed.id,
            secrets: seed.secrets,
            callback_urls: seed.callback_urls,
            logout_urls: seed.logout_urls,
            scopes: seed.scopes.unwrap_or_else(usual),
            id_lifetime: seed.id_token_lifetime.0,
            access_lifetime: seed.access_token_lifetime.0,
            refresh_lifetime: seed.refresh_token_lifetime.0,
            rotation: seed.refresh_rotation,
            grace: seed.rotation_grace.0,
            read_attributes: seed.read_attributes,
            flows: seed.flows,
            identity_providers: seed.identity_providers,
            write_attributes: seed.write_attributes,
            auth_flows: seed.auth_flows,
        }
    }

    /// The client's people may come from there; `COGNITO` is the pool itself.
    pub(in crate::devpool) fn takes_people_of(&self, provider: &str) -> bool {
        self.identity_providers.as_ref().is_none_or(|names| names.iter().any(|name| name == provider))
    }

    /// The client's users may change an attribute.
    pub(in crate::devpool) fn may_write(&self, attribute: &str) -> bool {
        self.write_attributes.as_ref().is_none_or(|names| names.iter().any(|name| name == attribute))
    }

    /// The client may see an attribute.
    pub(in crate::devpool) fn may_read(&self, attribute: &str) -> bool {
        self.read_attributes.as_ref().is_none_or(|names| names.iter().any(|name| name == attribute))
    }
}

/// The built-in client: of Cognito's 26 letters and digits.
const CLIENT_ID: &str = "devclient4rolegate7local25";
