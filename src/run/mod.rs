//! Wires a configuration to keys, stores and listeners; signals and drain.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use http::HeaderName;
use tokio::runtime::{Builder, Handle, LocalOptions};

use crate::background::Background;
use crate::bearer::Bearers;
use crate::caller::Callers;
use crate::config::settings::{Config, Limits, TlsVersion};
use crate::control::Desk;
use crate::forward::{Forward, OwnCookies, SetupError};
use crate::gate::{Gate, Shared};
use crate::listen::tls::Tls;
use crate::listen::workers::{self, Workers};
use crate::listen::{self, Bounds, Stop, Stopping};
use crate::login::Login;
use crate::provider::Provider;
use crate::redirect::Redirect;
use crate::rule::Rules;
use crate::session::keeper::Keeper;
use crate::session::keyring::Keyring;
use crate::session::store::Store;
use crate::session::visit::Sessions;
use crate::site::sites;
use crate::streams::Streams;
use crate::tally::Tally;
use crate::telemetry::admin::Admin;
use crate::telemetry::{Telemetry, panics};
use crate::tls::certificate::Certificate;
use crate::vouch::Vouch;
use watch::Watch;

mod desk;
pub mod dev;
mod rekey;
pub mod serve;
mod sessions;
pub mod signals;
pub mod watch;

/// A running gate. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    /// Where the public listener is.
    pub address: SocketAddr,
    /// Where the admin listener is.
    pub admin_address: SocketAddr,
    provider: Arc<Provider>,
    stop: Stop,
    /// The gate's, and the cleartext listener's one.
    workers: Vec<Arc<Workers>>,
    control: Control,
    background: Background,
    streams: Arc<Streams>,
    store: Option<Arc<Store>>,
    drain: Duration,
    telemetry: Arc<Telemetry>,
    /// What is read again while the gate runs, if anything is.
    watch: Option<Watch>,
}

/// Why a gate could not start. Names the key or flag to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address is taken or not ours.
    #[error("cannot listen on {address} ({key}): {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The configuration key or flag that names it.
        key: &'static str,
        /// The system's reason.
        error: io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Sockets that are bound already.
pub struct Listeners {
    /// The public one.
    pub public: TcpListener,
    /// The admin one.
    pub admin: TcpListener,
    /// The one in cleartext beside TLS.
    pub redirect: Option<TcpListener>,
}

/// Binds `address`, or says which key to change.
pub fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    listen::bind(address).map_err(|error| StartError::Listen { address, key, error })
}

/// Binds the configuration's own addresses and starts.
pub fn start(config: Config) -> Result<Running, StartError> {
    let redirect = config.tls.as_ref().and_then(|tls| tls.redirect_listen);
    let listeners = Listeners {
        public: bind(config.listen, "listen")?,
        admin: bind(config.admin_listen, "admin_listen")?,
        redirect: redirect.map(|address| bind(address, "tls.redirect_listen")).transpose()?,
    };
    start_on(config, listeners)
}

/// Starts on listeners that are bound already.
pub fn start_on(config: Config, listeners: Listeners) -> Result<Running, StartError> {
    let Listeners { public, admin, redirect } = listeners;
    let address = public.local_addr().map_err(other)?;
    let admin_address = admin.local_addr().map_err(other)?;
    let socket = desk::bind(&config)?;
    let config = Arc::new(config);
    let tally = Arc::new(Tally::new());
    let telemetry = Arc::new(Telemetry::new(&config, tally.clone()).map_err(other)?);
    panics::count(tally.panics.clone());
    let certificates = config.tls.iter().flat_map(|tls| &tls.certificates);
    telemetry.metrics.certificates(certificates.map(Certificate::counts_until));
    let provider = Provider::new(config.provider.clone(), config.identity.clone()).map_err(other)?;
    let provider = Arc::new(provider.counting(tally.clone()));

    let (stop, stopping) = listen::stop::pair();
    let awaited = Arc::new(OnceLock::new());
    let admin_handler =
        Admin { telemetry: telemetry.clone(), provider: provider.clone(), store: awaited.clone() };
    let control = Control::start(admin, admin_handler, stopping.clone())?;
    let background = Background::new(control.handle.clone());
    let tls = tls(&config)?.map(|tls| tls.counting(tally.clone()));
    let bounds = bounds(&config.limits);
    let mut workers = vec![];
    if let Some(redirect) = redirect {
        let bound = redirect.local_addr().map_err(other)?;
        let (config, telemetry) = (config.clone(), telemetry.clone());
        let make = move |_| Ok(Redirect { config: config.clone(), telemetry: telemetry.clone() });
        // A thread of its own: what anybody does in cleartext takes nothing from the gate's.
        let redirecting = Arc::new(workers::spawn("redirect", 1, make, &bounds, None).map_err(other)?);
        control.feed(&redirecting, redirect, stopping.clone(), "cleartext");
        workers.push(redirecting);
        tracing::info!(listen = %bound, "sending cleartext to TLS");
    }
    let streams = Streams::counting(tally.clone());
    let keyring = Arc::new(Keyring::new(&config.session.keys).map_err(other)?);
    let watch = rekey::rekey(&config, keyring.clone(), telemetry.clone()).map_err(other)?;
    let store = sessions::store(&config, &keyring, &background, &streams, tally.clone())?;
    if let Some(store) = &store {
        let _ = awaited.set(store.clone());
    }
    let kept = sessions::sessions(&config, &provider, &background, &streams, store.clone());
    let shared = share(config.clone(), provider.clone(), telemetry.clone(), &background, kept, &keyring)?;
    let shared = Arc::new(shared);
    if let Some(socket) = socket {
        let desk = Desk { sessions: shared.callers.sessions.clone(), background: background.clone() };
        desk::serve(socket, desk, &control.handle, stopping.clone());
    }
    let make = move |_| make_gate(&shared).map_err(io::Error::other);
    let gates = workers::spawn("worker", config.workers, make, &bounds, tls.as_ref()).map_err(other)?;
    let gates = Arc::new(gates.counting(tally.clone()));
    let keeping = provider.clone();
    control.handle.spawn(async move { keeping.keep().await });
    control.feed(&gates, public, stopping, "public");
    workers.push(gates);
    tracing::info!(listen = %address, admin = %admin_address, tls = tls.is_some(), "listening");
    let drain = config.limits.drain;
    Ok(Running {
        address,
        admin_address,
        provider,
        stop,
        workers,
        control,
        background,
        streams,
        store,
        drain,
        telemetry,
        watch,
    })
}

/// TLS as it is configured; an error never means cleartext.
fn tls(config: &Config) -> Result<Option<Tls>, StartError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let only_1_3 = tls.min_version == TlsVersion::V1_3;
    let tls = Tls::new(tls.certificates.clone(), only_1_3, config.limits.handshake_timeout);
    Ok(Some(tls.map_err(other)?))
}

fn share(
    config: Arc<Config>,
    provider: Arc<Provider>,
    telemetry: Arc<Telemetry>,
    background: &Background,
    (sessions, keeper): (Arc<Sessions>, Arc<Keeper>),
    keyring: &Arc<Keyring>,
) -> Result<Shared, StartError> {
    let bearers = config.bearer.clone().map(|bearer| {
        let kind = config.provider.kind.clone();
        let profiles = config.passed_on_always().profile;
        Bearers::new(bearer, config.identity.clone(), kind, profiles, provider.clone())
    });
    let rules = Arc::new(Rules::new(config.rules.clone(), config.default.clone()));
    Ok(Shared {
        rules: rules.clone(),
        sites: sites(&config, keyring),
        vouch: Vouch::new(config.clone()).map_err(other)?,
        login: Login::new(config.clone(), rules, provider, sessions.clone(), background.clone()),
        callers: Callers { sessions, bearers, keeper },
        config,
        telemetry,
    })
}

/// Headers that make some frameworks take a POST for something else.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// The parser's limits lie above ours, so that refusals are ours and say why.
fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        header_timeout: limits.header_timeout,
        idle_timeout: limits.idle_timeout,
        parser_headers: limits.header_count + 100,
        parser_buffer: (2 * (limits.header_bytes + limits.target)).max(128 * 1024),
    }
}

fn make_gate(shared: &Arc<Shared>) -> Result<Gate, SetupError> {
    let mut bases: Vec<_> = shared.sites.iter().map(|site| site.names.pass.clone()).collect();
    bases.dedup();
    let mut identity_names: Vec<_> = shared.config.identity.header_names().cloned().collect();
    // Where a method decides, an upstream must not be told to act on another one.
    if shared.config.rules.iter().any(|rule| rule.methods.is_some()) {
        identity_names.extend(METHOD_OVERRIDES.map(HeaderName::from_static));
    }
    let forward = Forward::new(&shared.config, OwnCookies { bases }, &identity_names)?;
    let forward = forward.counting(shared.telemetry.metrics.tally());
    Ok(Gate::new(shared.clone(), forward))
}

// === impl Running ===

impl Running {
    /// Whether logins can begin.
    pub fn ready(&self) -> bool {
        self.provider.ready()
    }

    /// Writes to the audit trail that this gate serves from now on.
    pub fn tell_started(&self) {
        self.telemetry.begin();
    }

    /// Has what can change while the gate runs read again, now.
    pub fn read_again(&self) {
        match &self.watch {
            Some(watch) => watch.look_now(),
            None => {
                tracing::info!("there is nothing to read again: the session keys are in no file of their own")
            }
        }
    }

    /// Stops: no new connections, open requests may finish within the drain time, then everything ends.
    pub fn stop(self) {
        let Self { stop, workers, control, background, streams, store, drain, telemetry, .. } = self;
        let (done, is_done) = std::sync::mpsc::channel();
        control.handle.spawn(async move {
            stop.begin();
            streams.stop();
            let finished = async {
                stop.done().await;
                // A code that is being redeemed, a token that is being revoked; WebSockets that say goodbye.
                let untold = || store.as_ref().is_some_and(|store| store.untold() > 0);
                while background.is_busy() || streams.is_busy() || untold() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            if tokio::time::timeout(drain, finished).await.is_err() {
                tracing::warn!("open requests, or what they left to do, did not finish in time");
            }
            if let Some(untold) = store.map(|store| store.untold()).filter(|untold| *untold > 0) {
                tracing::warn!(untold, "sign-outs were never told to the other gates: the store was away");
            }
            let _ = done.send(());
        });
        let _ = is_done.recv();
        control.end();
        // The acceptors' share of the workers went with the control thread.
        for workers in workers.into_iter().filter_map(Arc::into_inner) {
            workers.join();
        }
        telemetry.finish();
    }
}

/// The thread beside the workers: the admin listener, and every call to the provider. What it does goes on
/// when the request that wanted it goes away.
struct Control {
    handle: Handle,
    end: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Control {
    fn start(admin: TcpListener, handler: Admin, stopping: Stopping) -> Result<Self, StartError> {
        let (send, receive) = std::sync::mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let run = move || {
            let runtime =
                match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(send.send(Err(error))),
                };
            let _ = send.send(Ok(runtime.handle().clone()));
            runtime.block_on(async move {
                if let Err(error) = listen::serve(admin, Rc::new(handler), Bounds::default(), stopping).await
                {
                    tracing::error!(%error, "the admin listener failed");
                }
                let _ = ended.await;
            });
        };
        let thread = std::thread::Builder::new().name("control".into()).spawn(run).map_err(other)?;
        let handle = receive.recv().map_err(other)?.map_err(other)?;
        Ok(Self { handle, end, thread })
    }

    /// Hands what comes in at `listener` to `workers` until `stopping`.
    fn feed(&self, workers: &Arc<Workers>, listener: TcpListener, stopping: Stopping, name: &'static str) {
        let workers = workers.clone();
        self.handle.spawn(async move {
            if let Err(error) = workers.feed(listener, stopping).await {
                tracing::error!(%error, "the {name} listener failed");
            }
        });
    }

    fn end(self) {
        let _ = self.end.send(());
        let _ = self.thread.join();
    }
}

fn other(error: impl std::fmt::Display) -> StartError {
    StartError::Other(error.to_string())
}
