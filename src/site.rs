//! One public origin of the gate: its cookies, its seal, its callback.

use std::sync::Arc;

use crate::clock::{self, NoEntropy};
use crate::config::settings::{Config, Origin};
use crate::session::cookie::Names;
use crate::session::keyring::{Keyring, Sealer};

/// What belongs to one public origin alone.
pub struct Site {
    /// The origin.
    pub origin: Origin,
    /// What its cookies are called.
    pub names: Names,
    /// What its cookies are sealed with.
    pub sealer: Sealer,
    /// The callback address, exactly as registered at the provider.
    pub callback: String,
    /// Where the provider returns to after signing out, exactly as registered.
    pub landing: String,
}

/// One site for each public origin, in order, all sealing with what `keyring` holds.
pub fn sites(config: &Config, keyring: &Arc<Keyring>) -> Vec<Site> {
    let site = |origin: &Origin| Site {
        names: Names::new(&config.session.cookie_name, origin.secure()),
        sealer: Sealer::new(
            keyring.clone(),
            &config.provider.issuer,
            &config.provider.client_id,
            &origin.to_string(),
        ),
        callback: format!("{origin}{}/callback", config.auth_prefix),
        landing: format!("{origin}{}/signout", config.auth_prefix),
        origin: origin.clone(),
    };
    config.origins.iter().map(site).collect()
}

/// A fresh nonce for a seal.
pub fn seal_nonce() -> Result<[u8; 12], NoEntropy> {
    clock::random()
}
