//! Wires sessions: what refreshes them, and the store that gates share.

use std::sync::Arc;
use std::time::Duration;

use super::{StartError, other};
use crate::background::Background;
use crate::config::settings::{self, Config};
use crate::session::keyring::Keyring;
use crate::session::store::Store;
use crate::streams::Streams;
use crate::tally::Tally;

/// How sessions live, and how many bytes of cookies one may take.
pub(super) fn policy(config: &Config) -> (settings::Session, usize) {
    // The rest of the head needs room as well.
    (config.session.clone(), config.limits.header_bytes / 4 * 3)
}

/// How those live that hold something open.
pub(super) fn kept_open(config: &Config) -> settings::Session {
    let mut policy = config.session.clone();
    if policy.store.is_some() {
        // What nobody can vouch for does not stay open beyond the access token; who comes again is decided on anew.
        policy.outage_grace = Duration::ZERO;
    }
    policy
}

/// The store, if one is configured, and from now on what it says is called off.
pub(super) fn store(
    config: &Config,
    keyring: &Arc<Keyring>,
    background: &Background,
    streams: &Arc<Streams>,
    tally: Arc<Tally>,
) -> Result<Option<Arc<Store>>, StartError> {
    let Some(settings) = &config.session.store else { return Ok(None) };
    let client = (config.provider.issuer.as_str(), config.provider.client_id.as_str());
    let (store, publishing) =
        Store::new(settings, client, keyring.clone(), background.clone(), tally).map_err(other)?;
    background.spawn(store.clone().follow(streams.clone()));
    background.spawn(store.clone().write(publishing));
    Ok(Some(store))
}
