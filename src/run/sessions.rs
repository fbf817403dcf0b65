//! Wires sessions: what refreshes them, what seals them, and the store that gates share.

use std::sync::Arc;

use super::{StartError, other};
use crate::background::Background;
use crate::config::settings::Config;
use crate::provider::Provider;
use crate::session::keyring::Keyring;
use crate::session::refresh::Refresher;
use crate::session::store::Store;
use crate::session::visit::Sessions;
use crate::streams::Streams;

/// The sessions of a gate.
pub(super) fn sessions(
    config: &Config,
    provider: &Arc<Provider>,
    background: &Background,
    streams: &Arc<Streams>,
    store: Option<Arc<Store>>,
) -> Arc<Sessions> {
    let refresher = Refresher::new(
        provider.clone(),
        config.passed_on(),
        background.clone(),
        streams.clone(),
        store.clone(),
    );
    // The rest of the head needs room as well.
    let room = config.limits.header_bytes / 4 * 3;
    Arc::new(Sessions::new(config.session.clone(), room, Arc::new(refresher), streams.clone(), store))
}

/// The store, if one is configured, and from now on what it says is called off.
pub(super) fn store(
    config: &Config,
    keyring: &Arc<Keyring>,
    background: &Background,
    streams: &Arc<Streams>,
) -> Result<Option<Arc<Store>>, StartError> {
    let Some(settings) = &config.session.store else { return Ok(None) };
    let client = (config.provider.issuer.as_str(), config.provider.client_id.as_str());
    let (store, publishing) =
        Store::new(settings, client, keyring.clone(), background.clone()).map_err(other)?;
    background.spawn(store.clone().follow(streams.clone()));
    background.spawn(store.clone().write(publishing));
    Ok(Some(store))
}
