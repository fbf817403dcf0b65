//! Session keys that change while the gate runs: read again, judged as at the start, and taken only if all is well.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::watch::{Watch, Why};
use crate::config;
use crate::config::secret::Secret;
use crate::config::settings::Config;
use crate::session::keyring::Keyring;
use crate::telemetry::Telemetry;

/// The keys and where they come from.
struct Rekey {
    file: PathBuf,
    /// None of these is ever a session key.
    client_secrets: Vec<Secret>,
    /// What is in the ring.
    keys: Vec<Secret>,
    /// Whether the file was worse than the ring when it was last read.
    refused: bool,
    keyring: Arc<Keyring>,
    telemetry: Arc<Telemetry>,
}

/// Keeps `keyring` as the keys' file is. `None` if the keys stand in the configuration itself.
pub(super) fn rekey(
    config: &Config,
    keyring: Arc<Keyring>,
    telemetry: Arc<Telemetry>,
) -> io::Result<Option<Watch>> {
    let Some(file) = config.session.keys_file.clone() else { return Ok(None) };
    let mut rekey = Rekey {
        file: file.clone(),
        client_secrets: config.provider.client_secrets.clone(),
        keys: config.session.keys.clone(),
        refused: false,
        keyring,
        telemetry,
    };
    Watch::start(vec![file], move |why| rekey.read(why)).map(Some)
}

// === impl Rekey ===

impl Rekey {
    fn read(&mut self, why: Why) {
        let file = self.file.display();
        let (keys, warnings) = match config::session_keys(&self.file, &self.client_secrets) {
            Ok(found) => found,
            Err(problems) => {
                let reasons: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
                let reason = reasons.join("; ");
                tracing::warn!(%file, reason, "the session keys' file cannot be used; the keys stay as they were");
                self.refused = true;
                return self.telemetry.metrics.reloaded("session_keys", "refused");
            }
        };
        let was_refused = std::mem::take(&mut self.refused);
        if keys == self.keys {
            if was_refused || why == Why::Asked {
                tracing::info!(%file, keys = keys.len(), "the session keys are as they were");
            }
            return;
        }
        if self.keyring.exchange(&keys).is_err() {
            return;
        }
        for warning in warnings.iter() {
            tracing::warn!(target: "rolegate::config", "{warning}");
        }
        let seals = if keys.first() == self.keys.first() { "the same as before" } else { "another" };
        tracing::info!(%file, keys = keys.len(), seals, "session keys taken");
        self.keys = keys;
        self.telemetry.metrics.reloaded("session_keys", "taken");
    }
}
