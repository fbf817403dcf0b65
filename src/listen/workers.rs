//! A worker per core, each with its own single-threaded runtime; one acceptor hands sockets to them.
//!
//! A worker's handler keeps its upstream connections to itself, so no lock is shared between requests of
//! different workers. The acceptor costs once a connection, works with socket activation and spreads
//! better than `SO_REUSEPORT` does with few connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio::sync::mpsc;

use super::crowd::{Crowd, Place, Room};
use super::tls::{Handshakes, Shown, Spoken};
use super::{Alarm, Bounds, Handler, Lost, Peer, Stopping, accept, at_once, http1, http2, proxied, waiting};
use crate::tally::{Connected, Tally};

/// The running workers.
pub struct Workers {
    workers: Vec<Worker>,
    handles: Vec<Handle>,
    tally: Arc<Tally>,
    crowd: Arc<Crowd>,
}

/// A socket on its way to a worker. It brings what says when to stop: a worker at rest holds none.
struct Handed {
    stream: std::net::TcpStream,
    address: SocketAddr,
    stopping: Stopping,
    open: Open,
    connected: Connected,
    place: Place,
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
    tls: Option<&Shown>,
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
                        let _ = report.send(Ok(runtime.handle().clone()));
                        runtime.block_on(work(inbox, Rc::new(handler), bounds, tls));
                    }
                    Err(error) => drop(report.send(Err(error))),
                }
            })?;
            Ok(Worker { sockets, open, thread })
        })
        .collect::<io::Result<Vec<_>>>()?;
    let handles = reports.iter().take(workers.len()).collect::<io::Result<_>>()?;
    Ok(Workers { workers, handles, tally: Arc::default(), crowd: Crowd::new(|_| Room::ANY, Arc::default()) })
}

// === impl Workers ===

impl Workers {
    /// The same, whose connections are counted there.
    pub fn counting(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// The same, with no more connections than there is room for.
    pub fn among(self, crowd: Arc<Crowd>) -> Self {
        Self { crowd, ..self }
    }

    /// Accepts until `stopping`, each socket to the worker with the fewest open connections.
    pub async fn feed(&self, listener: TcpListener, mut stopping: Stopping) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        while let Some((stream, address)) = accept(&listener, &mut stopping).await {
            let Some(place) = self.crowd.enter(address.ip()) else {
                // Nothing is left of it here, not even a socket that waits for its last packets.
                let _ = stream.set_zero_linger();
                continue;
            };
            match stream.into_std() {
                Ok(stream) => self.hand(stream, address, place, &stopping),
                Err(error) => tracing::warn!(%error, "a connection was lost on its way to a worker"),
            }
        }
        for (stream, address) in waiting(listener) {
            if let Some(place) = self.crowd.enter(address.ip()) {
                self.hand(stream, address, place, &stopping);
            }
        }
        Ok(())
    }

    /// The way to each worker's runtime, to see whether it still takes turns.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    fn hand(&self, stream: std::net::TcpStream, address: SocketAddr, place: Place, stopping: &Stopping) {
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed))
        else {
            return;
        };
        let open = Open::one_more(&worker.open);
        let connected = self.tally.connected("front");
        // Fails only if the worker is gone, which ends the connection.
        let _ = worker.sockets.send(Handed {
            stream,
            address,
            stopping: stopping.clone(),
            open,
            connected,
            place,
        });
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
    tls: Option<Shown>,
) {
    let handshakes = tls.map(|tls| Rc::new(Handshakes::new(tls)));
    while let Some(Handed { stream, address, mut stopping, open, connected, mut place }) = inbox.recv().await
    {
        let Ok(mut stream) = TcpStream::from_std(stream) else { continue };
        at_once(&stream);
        let (handler, bounds, handshakes) = (handler.clone(), bounds.clone(), handshakes.clone());
        tokio::task::spawn_local(async move {
            // Counts as open, and is waited for, from here on: a handshake is not free either.
            let _open = (open, connected);
            let _alarm = Alarm(handler.clone());
            let mut peer = Peer::at(address);
            if handler.is_balancer(address.ip().to_canonical()) {
                // In a box, as the handshake: what begins a connection takes no room from then on.
                let unwrapped = proxied::unwrap(&mut stream, peer, bounds.header_timeout, &mut stopping);
                peer = match Box::pin(unwrapped).await {
                    Ok(peer) => peer,
                    Err(error) => {
                        static SAID: Once = Once::new();
                        SAID.call_once(|| {
                            tracing::warn!(peer = %address, %error, "a connection from trusted_proxies did not begin with \
                                a PROXY header and was closed; said once: does the balancer send one?");
                        });
                        tracing::debug!(peer = %address, %error, "a balancer's connection was closed");
                        return handler.lost(Lost::ProxyHeader);
                    }
                };
                if !peer.nameless && !place.is_of(peer.address.ip()) {
                    let _ = stream.set_zero_linger();
                    return;
                }
            }
            let place = Rc::new(place);
            match handshakes {
                None if bounds.http2.cleartext => match begins_http2(&stream, &bounds, &mut stopping).await {
                    Some(true) => {
                        Box::pin(http2::connection(
                            stream,
                            (false, place.clone()),
                            peer,
                            handler,
                            bounds,
                            stopping,
                        ))
                        .await
                    }
                    Some(false) => http1::connection(stream, peer, handler, bounds, stopping).await,
                    None => {}
                },
                None => http1::connection(stream, peer, handler, bounds, stopping).await,
                Some(handshakes) => match Box::pin(handshakes.finish(stream, &mut stopping)).await {
                    Ok(Spoken { stream, certificate, http2: true }) => {
                        let peer = Peer { certificate, ..peer };
                        Box::pin(http2::connection(
                            stream,
                            (true, place.clone()),
                            peer,
                            handler,
                            bounds,
                            stopping,
                        ))
                        .await;
                    }
                    Ok(Spoken { stream, certificate, http2: false }) => {
                        let peer = Peer { certificate, ..peer };
                        http1::connection(stream, peer, handler, bounds, stopping).await;
                    }
                    Err(error) => tracing::debug!(peer = %peer.address, %error, "no TLS"),
                },
            }
        });
    }
}

/// Whether a client begins with HTTP/2's preface, of which nothing is taken; `None` where it says nothing. No method
/// begins like it (RFC 9113 §11.6).
async fn begins_http2(stream: &TcpStream, bounds: &Bounds, stopping: &mut Stopping) -> Option<bool> {
    let mut first = [0; 4];
    let looked = async {
        for _ in 0..LOOKS {
            match stream.peek(&mut first).await {
                // A preface in pieces: nobody sends one, and nothing says when there is more to look at.
                Ok(seen @ 1..4) if http2::PREFACE.starts_with(&first[..seen]) => {
                    tokio::time::sleep(BREATH).await;
                }
                Ok(seen) => return Some(seen == first.len() && http2::PREFACE.starts_with(&first)),
                Err(_) => return None,
            }
        }
        // Whoever is that slow is HTTP/1.1's, which has its time for heads: looking on would cost more than they do.
        Some(false)
    };
    tokio::select! {
        looked = looked => looked,
        // HTTP/1.1 knows what to do with whoever has not said anything yet.
        () = stopping.begun() => Some(false),
        () = tokio::time::sleep(bounds.idle_timeout) => None,
    }
}

/// Between two looks at a preface.
const BREATH: Duration = Duration::from_millis(20);
const LOOKS: usize = 50;

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

#[cfg(test)]
mod tests;
