//! One public origin of the gate: its cookies, its seal, its callback.

use std::sync::Arc;

use crate::clock::{self, NoEntropy};
use crate::config::settings::{Config, Origin};
use crate::session::cookie::Names;
use crate::session::seal::{BadKey, Ring, Sealer};

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

/// One site for each public origin, in order.
pub fn sites(config: &Config) -> Result<Vec<Site>, BadKey> {
    let ring = Arc::new(Ring::new(&config.session.keys)?);
    let site = |origin: &Origin| Site {
        names: Names::new(&config.session.cookie_name, origin.secure()),
        sealer: Sealer::new(
            ring.clone(),
            &config.provider.issuer,
            &config.provider.client_id,
            &origin.to_string(),
        ),
        callback: format!("{origin}{}/callback", config.auth_prefix),
        landing: format!("{origin}{}/signout", config.auth_prefix),
        origin: origin.clone(),
    };
    Ok(config.origins.iter().map(site).collect())
}

/// A fresh nonce for a seal.
pub fn seal_nonce() -> Result<[u8; 12], NoEntropy> {
    clock::random()
}
