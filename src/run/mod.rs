//! Wires a configuration to keys, stores and listeners; signals and drain.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, LocalOptions};

use crate::config::settings::Config;
use crate::forward::{Forward, OwnCookies};
use crate::gate::{Gate, Shared};
use crate::identity::{X_ROLES, X_USER};
use crate::listen::{self, Bounds, Stop, workers};
use crate::login::Login;
use crate::provider::Provider;
use crate::rule::Rules;
use crate::session::refresh::Refresher;
use crate::session::visit::Sessions;
use crate::site::sites;
use crate::telemetry::admin::Admin;
use crate::telemetry::{Records, Telemetry};

pub mod dev;
pub mod signals;

/// A running gate. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    /// Where the public listener is.
    pub address: SocketAddr,
    /// Where the admin listener is.
    pub admin_address: SocketAddr,
    shared: Arc<Shared>,
    stop: Arc<Stop>,
    control: JoinHandle<()>,
    drain: Duration,
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

/// Binds `address`, or says which key to change.
pub fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    listen::bind(address).map_err(|error| StartError::Listen { address, key, error })
}

/// Binds the configuration's own addresses and starts.
pub fn start(config: Config) -> Result<Running, StartError> {
    let public = bind(config.listen, "listen")?;
    let admin = bind(config.admin_listen, "admin_listen")?;
    start_on(config, public, admin)
}

/// Starts on listeners that are bound already.
pub fn start_on(config: Config, public: TcpListener, admin: TcpListener) -> Result<Running, StartError> {
    let address = public.local_addr().map_err(other)?;
    let admin_address = admin.local_addr().map_err(other)?;
    let config = Arc::new(config);
    let records = if config.log.access { Some(Records::to_stdout().map_err(other)?) } else { None };
    let telemetry = Arc::new(Telemetry::new(records).map_err(other)?);
    let provider = Provider::new(config.provider.clone(), config.identity.clone()).map_err(other)?;
    let provider = Arc::new(provider);

    let (stop, stopping) = listen::stop::pair();
    let (send_handle, handle) = std::sync::mpsc::channel::<(Handle, _)>();
    let (send_work, work) = tokio::sync::oneshot::channel::<workers::Workers>();
    let control = {
        let admin_handler = Admin { telemetry: telemetry.clone(), provider: provider.clone() };
        let (provider, stopping) = (provider.clone(), stopping.clone());
        std::thread::Builder::new().name("control".into()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "the control thread could not start"),
            };
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            let _ = send_handle.send((runtime.handle().clone(), end));
            runtime.block_on(async move {
                tokio::task::spawn_local(async move { provider.keep().await });
                let admin_stopping = stopping.clone();
                tokio::task::spawn_local(listen::serve(
                    admin,
                    Rc::new(admin_handler),
                    Bounds::default(),
                    admin_stopping,
                ));
                if let Ok(workers) = work.await {
                    if let Err(error) = workers.feed(public, stopping).await {
                        tracing::error!(%error, "the public listener failed");
                    }
                    let _ = ended.await;
                    workers.join();
                }
            });
        })
    }
    .map_err(other)?;
    let (control_handle, _end) = handle.recv().map_err(other)?;

    let shared = Arc::new(share(config.clone(), provider, telemetry, control_handle)?);
    // Certificates are read here once, so that a bad file is a refusal to start and not a worker's end.
    let make_forward = forward_maker(config.clone());
    make_forward()?;
    let workers = {
        let shared = shared.clone();
        workers::spawn(
            config.workers,
            move |_| make_forward().ok().map(|forward| Gate::new(shared.clone(), forward)),
            &bounds(&config),
            &stopping,
        )
        .map_err(other)?
    };
    drop(stopping);
    send_work.send(workers).map_err(|_| StartError::Other("the control thread ended".into()))?;
    Ok(Running { address, admin_address, shared, stop: Arc::new(stop), control, drain: config.limits.drain })
}
