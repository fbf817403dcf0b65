//! A configuration that changes while the gate runs: loaded and judged as at the start, then taken whole or not at all.
//!
//! Requests under way go on by what they began with; each request has one configuration (`gate::worker`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};

use super::fixed::{fixed, late};
use super::standing::Standing;
use super::watch::{Files, Told, Why};
use super::{StartError, other, sessions, tls};
use crate::config::problem::{Key, Problems};
use crate::config::settings::Config;
use crate::config::{Loaded, Source};
use crate::gate::worker::Current;
use crate::listen::tls::Shown;
use crate::tally::Tally;
use crate::telemetry::Telemetry;
use crate::tls::certificate::Certificate;

/// How to come by the configuration once more.
pub struct Again {
    /// Where it comes from.
    pub source: Source,
    /// The files that were read for it, as they were then.
    pub files: Files,
    /// What else belongs to it, whatever the file says.
    pub fit: Box<dyn Fn(&mut Config) + Send>,
}

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    Taken,
    /// Nothing had changed.
    Same,
    /// It cannot be used; all is as it was.
    Refused,
}

/// The running configuration, and everything in the process that goes by it.
pub(super) struct Reload {
    pub(super) again: Again,
    pub(super) config: Arc<Config>,
    pub(super) standing: Standing,
    pub(super) current: Current,
    /// For the listeners beside the public one.
    pub(super) configured: Arc<ArcSwap<Config>>,
    pub(super) tls: Option<Shown>,
    /// Whether what was read last could not be used.
    pub(super) refused: Arc<AtomicBool>,
}

/// What a refused configuration was refused for.
struct Refused {
    /// For the counter.
    parts: Vec<&'static str>,
    reason: String,
}

// === impl Reload ===

impl Reload {
    /// Reads it all again.
    pub(super) fn read(&mut self, why: Why) -> Told {
        let (loaded, files) = self.again.source.load();
        let same = files == self.again.files;
        if same && !self.refused.load(Ordering::Relaxed) && why == Why::Changed {
            return Told { files, outcome: Outcome::Same };
        }
        let outcome = match loaded.map_err(Refused::from) {
            Ok(_) if same => {
                tracing::info!("the configuration and the files that it names are as they were");
                self.standing.telemetry.metrics.config_well();
                Outcome::Same
            }
            loaded => match loaded.and_then(|loaded| self.take(loaded, &files)) {
                Ok(()) => {
                    self.again.files.clone_from(&files);
                    Outcome::Taken
                }
                Err(Refused { parts, reason }) => {
                    self.standing.telemetry.metrics.config_refused();
                    for part in parts {
                        self.standing.telemetry.metrics.reloaded(part, "refused");
                    }
                    // Last: whoever reads it finds it counted.
                    tracing::error!(
                        reason,
                        "the new configuration cannot be used; everything stays as it was"
                    );
                    Outcome::Refused
                }
            },
        };
        self.refused.store(outcome == Outcome::Refused, Ordering::Relaxed);
        Told { files, outcome }
    }

    /// Makes all of it first; only then does any of it count.
    fn take(&mut self, loaded: Loaded, files: &Files) -> Result<(), Refused> {
        let Loaded { mut config, warnings } = loaded;
        (self.again.fit)(&mut config);
        let fixed = fixed(&self.config, &config);
        if !fixed.is_empty() {
            return Err(Refused::for_good(format!("only a restart changes this: {}", fixed.join("; "))));
        }
        let config = Arc::new(config);
        let provider = self.standing.provider.load().with(config.provider.clone(), config.identity.clone());
        let provider = Arc::new(provider.map_err(other)?);
        let shared = self.standing.share_after(&self.current.load(), config.clone(), &provider)?;
        let tls = tls(&config, self.standing.telemetry.metrics.tally())?;
        self.standing.keyring.exchange(&config.session.keys).map_err(other)?;
        // Nothing below can fail.
        self.standing.provider.store(provider);
        self.standing.refresher.pass_on(config.passed_on());
        self.standing.keeper.follow(sessions::kept_open(&config));
        if let (Some(shown), Some(tls)) = (&self.tls, tls) {
            shown.store(Arc::new(tls));
        }
        self.configured.store(config.clone());
        let shared = Arc::new(shared);
        let before = self.current.swap(shared.clone());
        before.forward.end();
        shared.forward.begin(&self.standing.background);
        // What is open was decided on by the rules before.
        self.standing.streams.reconsider();
        for warning in warnings.iter() {
            tracing::warn!(target: "rolegate::config", "{warning}");
        }
        self.standing.telemetry.write_as(&config.log);
        show(&self.standing.telemetry, &config, Some(files));
        let before = &self.again.files;
        let is_new = |file: &Path| {
            let held = |files: &Files| files.iter().find(|(path, _)| path == file).map(|(_, held)| *held);
            held(before) != held(files)
        };
        for what in late(&self.config, &config, is_new) {
            tracing::warn!(what, "this has changed, and counts from the next start on");
        }
        self.tell(&config);
        self.config = config;
        Ok(())
    }

    fn tell(&self, next: &Config) {
        let now = &self.config;
        let changed = [
            ("session_keys", now.session.keys != next.session.keys),
            ("certificates", !certificates(now).eq(certificates(next))),
            ("client_secret", now.provider.client_secrets != next.provider.client_secrets),
        ];
        let parts: Vec<_> =
            changed.into_iter().filter(|(_, changed)| *changed).map(|(part, _)| part).collect();
        for part in parts.iter().copied().chain(["configuration"]) {
            self.standing.telemetry.metrics.reloaded(part, "taken");
        }
        if now.session.keys != next.session.keys {
            let seals = if now.session.keys.first() == next.session.keys.first() {
                "the same as before"
            } else {
                "another"
            };
            tracing::info!(keys = next.session.keys.len(), seals, "session keys taken");
        }
        tracing::info!(with_new = parts.join(", "), "configuration taken");
    }
}

// === impl Refused ===

impl Refused {
    fn for_good(reason: String) -> Self {
        Self { parts: vec!["configuration"], reason }
    }
}

impl From<StartError> for Refused {
    fn from(error: StartError) -> Self {
        Self::for_good(error.to_string())
    }
}

impl From<Problems> for Refused {
    fn from(problems: Problems) -> Self {
        let errors = || problems.iter().filter(|problem| problem.is_error());
        let mut parts: Vec<_> = errors().map(|problem| part(&problem.key)).collect();
        parts.sort_unstable();
        parts.dedup();
        let reasons: Vec<_> = errors().map(ToString::to_string).collect();
        Self { parts, reason: reasons.join("; ") }
    }
}

/// What a key belongs to, as the counter has it.
fn part(key: &Key) -> &'static str {
    let key = key.to_string();
    if key.starts_with("session.keys") {
        "session_keys"
    } else if key.starts_with("tls") {
        "certificates"
    } else if key.contains(".client_secret") {
        "client_secret"
    } else {
        "configuration"
    }
}

/// What is shown on the front, in the configuration's order.
fn certificates(config: &Config) -> impl Iterator<Item = &Certificate> {
    config.tls.iter().flat_map(|tls| &tls.certificates)
}

/// Shows in the metrics which configuration counts. `files`: those that it was read from.
pub(super) fn show(telemetry: &Telemetry, config: &Config, files: Option<&Files>) {
    let digest = files.map(|files| {
        let mut all = Context::new(&SHA256);
        for (path, held) in files {
            all.update(path.as_os_str().as_encoded_bytes());
            all.update(held.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        }
        all.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    telemetry.metrics.config_taken(digest.as_deref());
    telemetry.metrics.certificates(certificates(config).map(Certificate::counts_until));
}

/// TLS as it is configured; an error never means cleartext.
pub(super) fn shown(config: &Config, tally: &Arc<Tally>) -> Result<Option<Shown>, StartError> {
    Ok(tls(config, tally)?.map(|tls| Arc::new(ArcSwap::from_pointee(tls))))
}
