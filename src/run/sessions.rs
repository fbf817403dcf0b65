//! Wires sessions: what refreshes them, what seals them, and the store that gates share.

use std::sync::Arc;
use std::time::Duration;

use super::{StartError, other};
use crate::background::Background;
use crate::config::settings::Config;
use crate::provider::Provider;
use crate::session::keeper::Keeper;
use crate::session::keyring::Keyring;
use crate::session::refresh::Refresher;
use crate::session::store::Store;
use crate::session::visit::Sessions;
use crate::streams::Streams;
use crate::tally::Tally;

/// The sessions of a gate, and who sees to those that hold something open.
pub(super) fn sessions(
    config: &Config,
    provider: &Arc<Provider>,
    background: &Background,
    streams: &Arc<Streams>,
    store: Option<Arc<Store>>,
) -> (Arc<Sessions>, Arc<Keeper>) {
    let refresher = Arc::new(Refresher::new(
        provider.clone(),
        config.passed_on(),
        background.clone(),
        streams.clone(),
        store.clone(),
    ));
    let mut policy = config.session.clone();
    // The rest of the head needs room as well.
    let room = config.limits.header_bytes / 4 * 3;
    let sessions = Sessions::new(policy.clone(), room, refresher.clone(), streams.clone(), store.clone());
    if store.is_some() {
        // What nobody can vouch for does not stay open beyond the access token; who comes again is decided on anew.
        policy.outage_grace = Duration::ZERO;
    }
    let keeper = Keeper::new(policy, refresher, streams.clone(), background.clone());
    (Arc::new(sessions), keeper)
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
