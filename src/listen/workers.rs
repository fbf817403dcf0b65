//! A worker per core, each with its own single-threaded runtime; one acceptor hands sockets to them.
//!
//! A worker's handler keeps its upstream connections to itself, so no lock is shared between requests of
//! different workers. The acceptor costs once a connection, works with socket activation and spreads
//! better than `SO_REUSEPORT` does with few connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

use super::tls::{Handshakes, Tls};
use super::{Bounds, Handler, Stopping, accept, at_once, http1};
use crate::tally::{Connected, Tally};

/// The running workers.
pub struct Workers {
    workers: Vec<Worker>,
    tally: Arc<Tally>,
}

/// A socket on its way to a worker. It brings what says when to stop: a worker at rest holds none.
struct Handed {
    stream: std::net::TcpStream,
    address: SocketAddr,
    stopping: Stopping,
    open: Open,
    connected: Connected,
}

/// Counts one open connection for as long as it lives, however it ends.
struct Open(Arc<AtomicUsize>);

struct Worker {
    sockets: mpsc::UnboundedSender<Handed>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// Starts `count` workers whose threads are called `name`; `make` builds each one's handler on its own thread.
/// They speak TLS if there is `tls`, and then nothing else. Fails if one of them does.
pub fn spawn<H: Handler>(
    name: &str,
    count: usize,
    make: impl Fn(usize) -> io::Result<H> + Send + Sync + 'static,
    bounds: &Bounds,
    tls: Option<&Tls>,
) -> io::Result<Workers> {
    let make = Arc::new(make);
    let (report, reports) = std::sync::mpsc::channel();
    let workers = (0..count.max(1))
        .map(|index| {
            let (sockets, inbox) = mpsc::unbounded_channel();
            let open = Arc::new(AtomicUsize::new(0));
            let (make, report, bounds) = (make.clone(), report.clone(), bounds.clone());
            let tls = tls.cloned();
            let thread = std::thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                match runtime.and_then(|runtime| Ok((runtime, make(index)?))) {
                    Ok((runtime, handler)) => {
                        let _ = report.send(Ok(()));
                        runtime.block_on(work(inbox, Rc::new(handler), bounds, tls));
                    }
                    Err(error) => drop(report.send(Err(error))),
                }
            })?;
            Ok(Worker { sockets, open, thread })
        })
        .collect::<io::Result<Vec<_>>>()?;
    for report in reports.iter().take(workers.len()) {
        report?;
    }
    Ok(Workers { workers, tally: Arc::default() })
}

// === impl Workers ===

impl Workers {
    /// The same, whose connections are counted there.
    pub fn counting(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// Accepts until `stopping`, each socket to the worker with the fewest open connections.
    pub async fn feed(&self, listener: TcpListener, mut stopping: Stopping) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        while let Some((stream, address)) = accept(&listener, &mut stopping).await {
            let stream = match stream.into_std() {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was lost on its way to a worker");
                    continue;
                }
            };
            if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed))
            {
                let handed = Handed {
                    stream,
                    address,
                    stopping: stopping.clone(),
                    open: Open::one_more(&worker.open),
                    connected: self.tally.connected("front"),
                };
                // Fails only if the worker is gone, which ends the connection.
                let _ = worker.sockets.send(handed);
            }
        }
        Ok(())
    }

    /// Waits for the threads to end. Call after their connections have.
    pub fn join(self) {
        for Worker { sockets, thread, .. } in self.workers {
            drop(sockets);
            let _ = thread.join();
        }
    }
}

async fn work<H: Handler>(
    mut inbox: mpsc::UnboundedReceiver<Handed>,
    handler: Rc<H>,
    bounds: Bounds,
    tls: Option<Tls>,
) {
    let handshakes = tls.map(|tls| Rc::new(Handshakes::new(tls)));
    while let Some(Handed { stream, address, mut stopping, open, connected }) = inbox.recv().await {
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        at_once(&stream);
        let (handler, bounds, handshakes) = (handler.clone(), bounds.clone(), handshakes.clone());
        tokio::task::spawn_local(async move {
            // Counts as open, and is waited for, from here on: a handshake is not free either.
            let _open = (open, connected);
            match handshakes {
                None => http1::connection(stream, address, handler, bounds, stopping).await,
                Some(handshakes) => match handshakes.finish(stream, &mut stopping).await {
                    Ok(stream) => http1::connection(stream, address, handler, bounds, stopping).await,
                    Err(error) => tracing::debug!(peer = %address, %error, "no TLS"),
                },
            }
        });
    }
}

// === impl Open ===

impl Open {
    fn one_more(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
