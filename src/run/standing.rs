//! What outlives every configuration, and how one becomes what the workers share.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{StartError, other, sessions};
use crate::background::Background;
use crate::bearer::Bearers;
use crate::caller::Callers;
use crate::config::settings::Config;
use crate::forward::{Blueprint, Caps, OwnCookies};
use crate::gate::Shared;
use crate::login::Login;
use crate::provider::Provider;
use crate::rule::Rules;
use crate::session::keeper::Keeper;
use crate::session::keyring::Keyring;
use crate::session::refresh::Refresher;
use crate::session::store::Store;
use crate::session::visit::Sessions;
use crate::site::sites;
use crate::streams::Streams;
use crate::telemetry::Telemetry;
use crate::vouch::Vouch;

/// What there is once in a process. Each part that a configuration changes is exchanged whole.
#[derive(Clone)]
pub(super) struct Standing {
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) provider: Arc<ArcSwap<Provider>>,
    pub(super) background: Background,
    pub(super) streams: Arc<Streams>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) store: Option<Arc<Store>>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) caps: Arc<Caps>,
}

// === impl Standing ===

impl Standing {
    /// What the workers share of the first configuration.
    pub(super) fn share(&self, config: Arc<Config>) -> Result<Shared, StartError> {
        let (policy, room) = sessions::policy(&config);
        let (refresher, streams, store) = (self.refresher.clone(), self.streams.clone(), self.store.clone());
        let kept = Arc::new(Sessions::new(policy, room, refresher, streams, store));
        let (rules, provider) = (rules(&config), self.provider.load_full());
        let (desk, background) = (kept.clone(), self.background.clone());
        let login = Login::new(config.clone(), rules.clone(), provider.clone(), desk, background);
        let vouch = Vouch::new(config.clone()).map_err(other)?;
        self.shared(None, config, rules, &provider, kept, login, vouch)
    }

    /// The same of a later one; what the one `before` remembers goes on. Nothing counts yet.
    pub(super) fn share_after(
        &self,
        before: &Shared,
        config: Arc<Config>,
        provider: &Arc<Provider>,
    ) -> Result<Shared, StartError> {
        let (policy, room) = sessions::policy(&config);
        let kept = Arc::new(before.callers.sessions.with(policy, room));
        let rules = rules(&config);
        let login = before.login.with(config.clone(), rules.clone(), provider.clone(), kept.clone());
        let vouch = before.vouch.with(config.clone()).map_err(other)?;
        self.shared(Some(&before.forward), config, rules, provider, kept, login, vouch)
    }

    #[allow(clippy::too_many_arguments, reason = "each is made in its own way at a start and at a reload")]
    fn shared(
        &self,
        before: Option<&Blueprint>,
        config: Arc<Config>,
        rules: Arc<Rules>,
        provider: &Arc<Provider>,
        sessions: Arc<Sessions>,
        login: Login,
        vouch: Vouch,
    ) -> Result<Shared, StartError> {
        let bearers = config.bearer.clone().map(|bearer| {
            let kind = config.provider.kind.clone();
            let profiles = config.passed_on_always().profile;
            Bearers::new(bearer, config.identity.clone(), kind, profiles, provider.clone())
        });
        let sites = sites(&config, &self.keyring);
        let mut bases: Vec<_> = sites.iter().map(|site| site.names.pass.clone()).collect();
        bases.dedup();
        let stripped: Vec<_> = config.stripped_headers().collect();
        let forward = Blueprint::new(&config, OwnCookies { bases }, &stripped, &self.caps);
        let forward = forward.map_err(other)?;
        let forward = forward.counting(self.telemetry.metrics.tally());
        let forward = match before {
            Some(before) => forward.knowing(before),
            None => forward,
        };
        Ok(Shared {
            rules,
            sites,
            vouch,
            forward,
            login,
            callers: Callers { sessions, bearers, keeper: self.keeper.clone() },
            telemetry: self.telemetry.clone(),
            config,
        })
    }
}

fn rules(config: &Config) -> Arc<Rules> {
    Arc::new(Rules::new(config.rules.clone(), config.default.clone()))
}
