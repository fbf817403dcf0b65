//! Sessions that several gates share: kept in a Redis or Valkey server, called off on all gates at once.
//!
//! The engine moves bytes; what they say is sealed and judged here. A fresh pass needs none of it: that nobody called it
//! off is known from the log of revocations, which every gate follows.

pub mod engine;
mod index;
mod revocations;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc};

use super::Session;
use super::kept::{Handle, Kept};
use super::keyring::{Keyring, Sealer};
use super::seal::Purpose;
use crate::background::Background;
use crate::clock::{self, NoEntropy, Stopwatch};
use crate::config::settings::{self, StoreOutage};
use crate::tally::Tally;
use crate::tls::TlsError;
use engine::{Engine, EngineFault};
pub use index::Noted;
use revocations::Log;
pub use revocations::Publish;

/// The shared store of this deployment's gates.
pub struct Store {
    engine: Engine,
    tally: Arc<Tally>,
    outage: StoreOutage,
    issuer: String,
    client_id: String,
    /// For what lies there without a browser's key: revocations and the index.
    sealer: Sealer,
    /// When the log was last heard, milliseconds since 1970; 0: not yet.
    heard: AtomicU64,
    /// What is called off cannot be written, although the store answers: others do not learn of it.
    unwritable: AtomicBool,
    to_publish: mpsc::UnboundedSender<Publish>,
    log: Log,
    /// What has been called off here and waits to be written.
    untold: AtomicUsize,
    /// There is something in `log` that must be written again.
    found_lost: Notify,
}

/// Why the store gave nothing that can be used. None of it says anything about a session.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// It could not be asked, or gave no sensible answer.
    #[error("{0}")]
    Engine(#[from] EngineFault),
    /// A value that does not open: of another session, or of no gate at all.
    #[error("what the store has for this session does not open")]
    Value,
    /// Nothing can be sealed.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// The right to refresh one session, for as long as this lives.
pub struct Turn {
    store: Arc<Store>,
    name: String,
    holder: [u8; 16],
}

// === impl Store ===

impl Store {
    /// The store of `settings`, and what [`Store::follow`] is to be given. Connects to nothing yet.
    pub fn new(
        settings: &settings::Store,
        (issuer, client_id): (&str, &str),
        keyring: Arc<Keyring>,
        background: Background,
        tally: Arc<Tally>,
    ) -> Result<(Arc<Self>, mpsc::UnboundedReceiver<Publish>), TlsError> {
        let (to_publish, publishing) = mpsc::unbounded_channel();
        let store = Self {
            engine: Engine::new(settings, background)?,
            tally,
            outage: settings.outage,
            issuer: issuer.into(),
            client_id: client_id.into(),
            // Of no origin: the gates of one client have one log.
            sealer: Sealer::new(keyring, issuer, client_id, "store"),
            heard: AtomicU64::new(0),
            unwritable: AtomicBool::new(false),
            to_publish,
            log: Log::default(),
            untold: AtomicUsize::new(0),
            found_lost: Notify::new(),
        };
        Ok((Arc::new(store), publishing))
    }

    /// Whether a fresh pass may count now: somebody may have called it off while nothing was heard.
    pub fn vouches(&self) -> bool {
        self.outage == StoreOutage::ServeFresh || self.is_heard()
    }

    /// Until when a session that cannot be refreshed counts as it is, because what is kept of it cannot be had.
    pub fn excuses(&self, session: &Session, policy: &settings::Session) -> u64 {
        let until = match self.outage {
            StoreOutage::ServeFresh => session.access_ends,
            // A call may be lost; roles that are out of date may not be served for it.
            StoreOutage::Refuse => session.due(policy).saturating_add(EXCUSED).min(session.access_ends),
        };
        until.min(session.ends)
    }

    /// Whether the log was heard within the time in which a revocation must have come.
    pub fn is_heard(&self) -> bool {
        self.unheard() < UNHEARD && !self.unwritable.load(Ordering::Relaxed)
    }

    /// Milliseconds since then. A clock that is set back does not make it later.
    fn unheard(&self) -> u64 {
        clock::now_millis().abs_diff(self.heard.load(Ordering::Relaxed))
    }

    /// How many sign-outs other gates have not been told of.
    pub fn untold(&self) -> usize {
        self.untold.load(Ordering::Relaxed)
    }

    /// Whether a gate that has just started may be given requests: it was heard once, or need not be.
    pub fn may_begin(&self) -> bool {
        self.outage == StoreOutage::ServeFresh || self.heard.load(Ordering::Relaxed) > 0
    }

    /// The session that `handle` opens, as it was last written.
    pub async fn load(&self, handle: &Handle) -> Result<Option<Kept>, StoreFault> {
        let Some(value) = self.counted("session", self.engine.load(&handle.name())).await? else {
            return Ok(None);
        };
        Kept::open(handle, (&self.issuer, &self.client_id), &value).map(Some).ok_or(StoreFault::Value)
    }

    /// Keeps a session that begins.
    pub async fn begin(&self, handle: &Handle, kept: &Kept) -> Result<(), StoreFault> {
        let value = self.sealed(handle, kept)?;
        self.counted("session", self.engine.create(&handle.name(), kept.number, &value, kept.session.ends))
            .await?;
        Ok(())
    }

    /// Keeps the next generation of a session. False: it is gone, or a later one is there; then that counts.
    pub async fn advance(&self, handle: &Handle, kept: &Kept) -> Result<bool, StoreFault> {
        let value = self.sealed(handle, kept)?;
        Ok(self
            .counted("session", self.engine.replace(&handle.name(), kept.number, &value, kept.session.ends))
            .await?)
    }

    /// Keeps it no more.
    pub async fn end(&self, handle: &Handle) -> Result<(), StoreFault> {
        Ok(self.counted("session", self.engine.forget(&handle.name())).await?)
    }

    /// The turn to refresh this session; `None`: another gate has it.
    pub async fn turn(self: &Arc<Self>, handle: &Handle) -> Result<Option<Turn>, StoreFault> {
        let (name, holder) = (handle.name(), clock::random()?);
        let ours = self.counted("session", self.engine.lock(&name, &holder, HOLD)).await?;
        Ok(ours.then(|| Turn { store: self.clone(), name, holder }))
    }

    /// Does `work` of the engine's, and counts it as this `call`.
    async fn counted<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, EngineFault>>,
    ) -> Result<T, EngineFault> {
        let watch = Stopwatch::start();
        let answer = work.await;
        let outcome = answer.as_ref().map_or_else(EngineFault::code, |_| "ok");
        self.tally.store_called(call, outcome, Some(watch.taken().as_secs_f64()));
        answer
    }

    /// Seals what lies there under the gates' own keys, for the one place that `name` says.
    fn seal_under(&self, purpose: Purpose, name: &str, value: &impl Serialize) -> Result<String, StoreFault> {
        let plain = serde_json::to_vec(value).map_err(|_| StoreFault::Value)?;
        // It is no cookie, and in one part however long.
        self.sealer.seal(purpose, name, &plain, usize::MAX / 2, clock::random()?).ok_or(StoreFault::Value)
    }

    fn open_under<T: DeserializeOwned>(&self, purpose: Purpose, name: &str, sealed: &[u8]) -> Option<T> {
        let opened = self.sealer.open(purpose, name, std::str::from_utf8(sealed).ok()?)?;
        serde_json::from_slice(&opened.plain).ok()
    }

    fn sealed(&self, handle: &Handle, kept: &Kept) -> Result<Vec<u8>, StoreFault> {
        kept.seal(handle, (&self.issuer, &self.client_id), clock::random()?).ok_or(StoreFault::Value)
    }
}

// === impl Turn ===

impl Turn {
    /// Does `work` and keeps the turn for as long as it takes.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(HOLD / 3, work.as_mut()).await {
                return done;
            }
            // Lost or unheard: the work is under way all the same, and what it brings is written if it still may be.
            let extended = self.store.engine.extend(&self.name, &self.holder, HOLD);
            tokio::select! {
                done = work.as_mut() => return done,
                _ = extended => {}
            }
        }
    }

    /// Lets others have it. Not on drop: who dies in the middle is found out by time.
    pub async fn over(self) {
        let _ = self.store.engine.unlock(&self.name, &self.holder).await;
    }
}

// === impl StoreFault ===

impl StoreFault {
    /// A stable code for log and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(fault) => fault.code(),
            Self::Value => "store_value",
            Self::NoEntropy(_) => "no_entropy",
        }
    }
}

/// A gate that dies in the middle of a refresh holds the others up for so long.
const HOLD: Duration = Duration::from_secs(3);
/// Seconds beyond its due time for which a session is served whose store does not answer for it.
const EXCUSED: u64 = 60;
/// Milliseconds: within two seconds every gate knows what was called off, or serves nobody.
const UNHEARD: u64 = 2000;
