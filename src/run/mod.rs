//! Wires a configuration to keys, stores and listeners; signals and drain.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, Handle, LocalOptions};

use crate::background::Background;
use crate::config::settings::{Config, Limits, TlsVersion};
use crate::control::Desk;
use crate::gate::worker::{Current, Worker};
use crate::listen::crowd::{Crowd, Room};
use crate::listen::inherited::Inherited;
use crate::listen::tls::{HTTP1_ALONE, PROTOCOLS, Tls};
use crate::listen::workers::{self, Workers};
use crate::listen::{self, Bounds, Http2Bounds, PARSER_HEADERS, Stop, Stopping};
use crate::provider::Provider;
use crate::redirect::Redirect;
use crate::session::keeper::Keeper;
use crate::session::keyring::Keyring;
use crate::session::refresh::Refresher;
use crate::streams::Streams;
use crate::tally::Tally;
use crate::telemetry::admin::Admin;
use crate::telemetry::{Telemetry, panics};
use reload::Reload;
pub use reload::{Again, Outcome};
use standing::Standing;
use watch::Watch;

mod desk;
pub mod dev;
mod drain;
mod fixed;
mod machine;
mod notify;
mod pulse;
mod reload;
pub mod serve;
mod sessions;
pub mod signals;
mod standing;
pub mod watch;

/// A running gate. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    /// Where the public listener is.
    pub address: SocketAddr,
    /// Where the admin listener is.
    pub admin_address: SocketAddr,
    standing: Standing,
    current: Current,
    stop: Stop,
    /// The gate's, and the cleartext listener's one.
    workers: Vec<Arc<Workers>>,
    control: Control,
    /// What is read again while the gate runs, if anything is.
    watch: Option<Watch>,
    /// Whether what was read last could not be used.
    refused: Arc<AtomicBool>,
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

/// Starts on the sockets that were handed over, and binds the configuration's own addresses for the others. `again`: how
/// to come by the configuration once more, if it can change.
pub fn start(config: Config, again: Option<Again>, handed: Inherited) -> Result<Running, StartError> {
    if handed.redirect.is_some() && config.tls.is_none() {
        let why = "a socket called `redirect` was handed over: it sends to TLS, and there is no [tls]";
        return Err(StartError::Other(why.into()));
    }
    let redirect = config.tls.as_ref().and_then(|tls| tls.redirect_listen);
    let bound = || redirect.map(|address| bind(address, "tls.redirect_listen")).transpose();
    let listeners = Listeners {
        public: handed.public.map_or_else(|| bind(config.listen, "listen"), Ok)?,
        admin: handed.admin.map_or_else(|| bind(config.admin_listen, "admin_listen"), Ok)?,
        redirect: handed.redirect.map_or_else(bound, |socket| Ok(Some(socket)))?,
    };
    start_on(config, again, listeners)
}

/// Starts on listeners that are bound already.
pub fn start_on(config: Config, again: Option<Again>, listeners: Listeners) -> Result<Running, StartError> {
    let Listeners { public, admin, redirect } = listeners;
    let address = public.local_addr().map_err(other)?;
    let admin_address = admin.local_addr().map_err(other)?;
    let socket = desk::bind(&config)?;
    let config = Arc::new(config);
    let tally = Arc::new(Tally::new());
    let mut telemetry = Telemetry::new(&config, tally.clone()).map_err(other)?;
    let exporter = config.traces.as_ref().map(|traces| telemetry.trace(traces)).transpose().map_err(other)?;
    let telemetry = Arc::new(telemetry);
    panics::count(tally.panics.clone());
    reload::show(&telemetry, &config, again.as_ref().map(|again| &again.files));
    let provider = Provider::new(config.provider.clone(), config.identity.clone()).map_err(other)?;
    let provider = Arc::new(provider.counting(tally.clone()));

    let (stop, stopping) = listen::stop::pair();
    let awaited = Arc::new(OnceLock::new());
    let configured = Arc::new(ArcSwap::new(config.clone()));
    let admin_handler = Admin {
        telemetry: telemetry.clone(),
        provider: provider.clone(),
        store: awaited.clone(),
        leaving: stopping.leaving(),
        config: configured.clone(),
    };
    let control = Control::start(admin, admin_handler)?;
    if let Some(exporter) = exporter {
        control.handle.spawn(exporter.run());
    }
    let standing = stand(&config, &control, provider, telemetry)?;
    if let Some(store) = &standing.store {
        let _ = awaited.set(store.clone());
    }
    let shown = reload::shown(&config, &tally)?;
    let bounds = bounds(&config);
    let crowd = crowd(configured.clone(), tally.clone());
    let mut workers = vec![];
    if let Some(redirect) = redirect {
        let bound = redirect.local_addr().map_err(other)?;
        let (config, telemetry) = (configured.clone(), standing.telemetry.clone());
        let make = move |_| Ok(Redirect { config: config.clone(), telemetry: telemetry.clone() });
        // Browsers, which come here, speak HTTP/2 behind TLS alone.
        let bounds =
            Bounds { http2: Http2Bounds { cleartext: false, ..bounds.http2.clone() }, ..bounds.clone() };
        // A thread of its own: what anybody does in cleartext takes nothing from the gate's.
        let redirecting = workers::spawn("redirect", 1, make, &bounds, None).map_err(other)?;
        let redirecting = Arc::new(redirecting.among(crowd.clone()));
        control.feed(&redirecting, redirect, stopping.clone(), "cleartext");
        workers.push(redirecting);
        tracing::info!(listen = %bound, "sending cleartext to TLS");
    }
    let current: Current = Arc::new(ArcSwap::from_pointee(standing.share(config.clone())?));
    current.load().forward.begin(&standing.background);
    if let Some(socket) = socket {
        let (current, background) = (current.clone(), standing.background.clone());
        let sessions = move || current.load().callers.sessions.clone();
        let desk = move || Desk { sessions: sessions(), background: background.clone() };
        desk::serve(socket, desk, &control.handle, stopping.clone());
    }
    let shared = current.clone();
    let make = move |_| Ok(Worker::new(shared.clone()));
    let gates = workers::spawn("worker", config.workers, make, &bounds, shown.as_ref()).map_err(other)?;
    let gates = Arc::new(gates.counting(tally).among(crowd));
    let keeping = standing.provider.clone();
    control.handle.spawn(async move { Provider::keep(&keeping).await });
    control.feed(&gates, public, stopping, "public");
    workers.push(gates);
    tracing::info!(listen = %address, admin = %admin_address, tls = shown.is_some(), "listening");
    let refused = Arc::new(AtomicBool::new(false));
    let watch = match again {
        None => None,
        Some(again) => {
            let (standing, current) = (standing.clone(), current.clone());
            let files = again.files.clone();
            let mut reload =
                Reload { again, config, standing, current, configured, tls: shown, refused: refused.clone() };
            Some(Watch::start(files, move |why| reload.read(why)).map_err(other)?)
        }
    };
    Ok(Running { address, admin_address, standing, current, stop, workers, control, watch, refused })
}

/// What outlives every configuration, from the first one.
fn stand(
    config: &Arc<Config>,
    control: &Control,
    provider: Arc<Provider>,
    telemetry: Arc<Telemetry>,
) -> Result<Standing, StartError> {
    let background = Background::new(control.handle.clone());
    let tally = telemetry.metrics.tally();
    let streams = Streams::counting(tally.clone());
    let keyring = Arc::new(Keyring::new(&config.session.keys).map_err(other)?);
    let store = sessions::store(config, &keyring, &background, &streams, tally.clone())?;
    let provider = Arc::new(ArcSwap::new(provider));
    let refresher = Arc::new(Refresher::new(
        provider.clone(),
        config.passed_on(),
        background.clone(),
        streams.clone(),
        store.clone(),
    ));
    let policy = sessions::kept_open(config);
    let keeper = Keeper::new(policy, refresher.clone(), streams.clone(), background.clone());
    let caps = Arc::default();
    Ok(Standing { telemetry, provider, background, streams, keyring, store, refresher, keeper, caps })
}

/// TLS as it is configured; an error never means cleartext.
fn tls(config: &Config, tally: &Arc<Tally>) -> Result<Option<Tls>, StartError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let only_1_3 = tls.min_version == TlsVersion::V1_3;
    let clients = tls.clients.as_ref().map(|asked| asked.clients.clone());
    let protocols = if tls.http2 { PROTOCOLS } else { HTTP1_ALONE };
    let tls =
        Tls::new(tls.certificates.clone(), clients, only_1_3, protocols, config.limits.handshake_timeout);
    Ok(Some(tls.map_err(other)?.counting(tally.clone())))
}

/// How many connections may be open, by what is configured when one comes.
fn crowd(configured: Arc<ArcSwap<Config>>, tally: Arc<Tally>) -> Arc<Crowd> {
    let room = move |address: IpAddr| {
        let config = configured.load();
        let limits = &config.limits;
        // A proxy brings many, and says who they are.
        let is_one = !config.trusts(address.to_canonical());
        Room { all: limits.connections, from_one: is_one.then_some(limits.connections_per_address) }
    };
    Crowd::new(room, tally)
}

/// The parser's limits lie above ours, so that refusals are ours and say why.
fn bounds(config: &Config) -> Bounds {
    let limits = &config.limits;
    let http2 = &limits.http2;
    let head_bytes = (2 * (limits.header_bytes + limits.target)).max(128 * 1024);
    Bounds {
        header_timeout: limits.header_timeout,
        idle_timeout: limits.idle_timeout,
        write_timeout: limits.body_idle_timeout,
        parser_headers: match limits.header_count {
            // By default a hundred and one are the parser's to refuse.
            count if count <= PARSER_HEADERS => PARSER_HEADERS,
            count => count + 100,
        },
        head_bytes,
        parser_buffer: head_bytes.max(UPLOAD_PIECE),
        http2: Http2Bounds {
            cleartext: config.http2_cleartext,
            streams: http2.streams,
            window: http2.window,
            send_buffer: http2.send_buffer,
            ping: http2.ping,
            header_list: header_list(limits),
        },
    }
}

/// Above ours as well, where each line counts for 32 bytes more, and each cookie may have one.
fn header_list(limits: &Limits) -> u32 {
    let lines = 2 * (limits.header_bytes + limits.target) + 64 * limits.header_count;
    u32::try_from(lines.max(128 * 1024)).unwrap_or(u32::MAX)
}

// === impl Running ===

impl Running {
    /// Whether logins can begin.
    pub fn ready(&self) -> bool {
        self.standing.provider.load().ready()
    }

    /// Writes to the audit trail that this gate serves from now on.
    pub fn tell_started(&self) {
        self.standing.telemetry.begin();
    }

    /// Has the configuration read again, now; says how that ended. `None`: there is nothing to read.
    pub async fn read_again(&self) -> Option<Outcome> {
        let Some(watch) = &self.watch else {
            tracing::info!("there is nothing to read again");
            return None;
        };
        watch.look_now().await.ok()
    }

    /// Whether the configuration has changed into one that cannot be used.
    pub fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
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
    fn start(admin: TcpListener, handler: Admin) -> Result<Self, StartError> {
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
                // Whoever watches the gate sees it go: the admin listener outlives everything else.
                let (stop, stopping) = listen::stop::pair();
                let served = listen::serve(admin, Rc::new(handler), Bounds::default(), stopping);
                let end = async {
                    let _ = ended.await;
                    stop.begin();
                };
                if let (Err(error), ()) = tokio::join!(served, end) {
                    tracing::error!(%error, "the admin listener failed");
                }
                let _ = tokio::time::timeout(LAST_ANSWER, stop.done()).await;
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

/// For an answer of the admin listener that is under way when all else has ended.
const LAST_ANSWER: Duration = Duration::from_millis(100);

/// What is read at once of an upload: what costs there is each call, and the waking of both sides.
const UPLOAD_PIECE: usize = 256 * 1024;

fn other(error: impl std::fmt::Display) -> StartError {
    StartError::Other(error.to_string())
}
