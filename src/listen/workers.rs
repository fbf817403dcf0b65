//! A worker per core, each with its own single-threaded runtime; one acceptor hands sockets to them.
//!
//! A worker's handler keeps its upstream connections to itself, so no lock is shared between requests of
//! different workers. The acceptor costs once a connection, works with socket activation and spreads
//! better than `SO_REUSEPORT` does with few connections. A worker that is alone accepts by itself: there is
//! nobody to choose among, and another thread was a tenth of what a handshake costs.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio::sync::{mpsc, oneshot};

use super::crowd::{Crowd, Place, Room};
use super::door::{Door, Guest};
use super::tls::{Handshakes, Shown, Spoken};
use super::{Alarm, Bounds, Handler, Lost, Peer, Stopping, at_once, http1, http2, proxied};
use crate::tally::Tally;

/// The running workers.
pub struct Workers {
    workers: Vec<Worker>,
    handles: Vec<Handle>,
    tally: Arc<Tally>,
    crowd: Arc<Crowd>,
}

/// What a worker is given to do.
enum Errand {
    /// Serve whom another thread let in.
    Serve(std::net::TcpStream, Guest, Open),
    /// Accept by itself, and say how that ended.
    Accept(TcpListener, Door, oneshot::Sender<io::Result<()>>),
}

/// Counts one open connection of a worker's for as long as it lives, however it ends.
struct Open(Arc<AtomicUsize>);

/// What a worker serves connections by.
struct Service<H: Handler> {
    handler: Rc<H>,
    bounds: Rc<Bounds>,
    handshakes: Option<Handshakes>,
}

struct Worker {
    errands: mpsc::UnboundedSender<Errand>,
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
            let (errands, inbox) = mpsc::unbounded_channel();
            let open = Arc::new(AtomicUsize::new(0));
            let (make, report, bounds) = (make.clone(), report.clone(), bounds.clone());
            let (tls, counted) = (tls.cloned(), open.clone());
            let thread = std::thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                match runtime.and_then(|runtime| Ok((runtime, make(index)?))) {
                    Ok((runtime, handler)) => {
                        let _ = report.send(Ok(runtime.handle().clone()));
                        let handshakes = tls.map(Handshakes::new);
                        let (handler, bounds) = (Rc::new(handler), Rc::new(bounds));
                        let service = Service { handler, bounds, handshakes };
                        runtime.block_on(work(inbox, Rc::new(service), counted));
                    }
                    Err(error) => drop(report.send(Err(error))),
                }
            })?;
            Ok(Worker { errands, open, thread })
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

    /// Accepts until `stopping`, each socket for the worker with the fewest open connections.
    pub async fn feed(&self, listener: TcpListener, stopping: Stopping) -> io::Result<()> {
        let door = Door::new(self.crowd.clone(), self.tally.clone(), stopping);
        if let [alone] = &*self.workers {
            let (over, ended) = oneshot::channel();
            let _ = alone.errands.send(Errand::Accept(listener, door, over));
            return ended.await.unwrap_or_else(|_| Err(io::Error::other("accepting ended by a bug")));
        }
        let hand = |stream: TcpStream, guest| {
            let open = |worker: &&Worker| worker.open.load(Ordering::Relaxed);
            let Some(worker) = self.workers.iter().min_by_key(open) else { return };
            match stream.into_std() {
                // Fails only if the worker is gone, which ends the connection.
                Ok(stream) => {
                    let _ = worker.errands.send(Errand::Serve(stream, guest, Open::one_more(&worker.open)));
                }
                Err(error) => tracing::warn!(%error, "a connection was lost on its way to a worker"),
            }
        };
        door.keep(listener, hand).await
    }

    /// The way to each worker's runtime, to see whether it still takes turns.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Waits for the threads to end. Call after their connections have.
    pub fn join(self) {
        for Worker { errands, thread, .. } in self.workers {
            drop(errands);
            let _ = thread.join();
        }
    }
}

async fn work<H: Handler>(
    mut errands: mpsc::UnboundedReceiver<Errand>,
    service: Rc<Service<H>>,
    own: Arc<AtomicUsize>,
) {
    while let Some(errand) = errands.recv().await {
        match errand {
            Errand::Serve(stream, guest, open) => {
                let Ok(stream) = TcpStream::from_std(stream) else { continue };
                tokio::task::spawn_local(service.clone().serve(stream, guest, open));
            }
            Errand::Accept(listener, door, over) => {
                let (service, own) = (service.clone(), own.clone());
                tokio::task::spawn_local(async move {
                    let begin = |stream, guest| {
                        let serving = service.clone().serve(stream, guest, Open::one_more(&own));
                        tokio::task::spawn_local(serving);
                    };
                    // Nobody waits for it where the control thread is gone, and with it the process.
                    let _ = over.send(door.keep(listener, begin).await);
                });
            }
        }
    }
}

// === impl Service ===

impl<H: Handler> Service<H> {
    /// One connection, from its first byte to its end.
    fn serve(self: Rc<Self>, stream: TcpStream, guest: Guest, open: Open) -> impl Future<Output = ()> {
        let Guest { address, stopping, place, connected } = guest;
        // Counts as open, and is waited for, from here on: a handshake is not free either.
        let kept = (Alarm(self.handler.clone()), open, connected);
        // Each in a box of its own: what a connection began with takes no room from then on.
        let begun = Box::pin(self.begin(stream, address, place, stopping));
        async move {
            let _kept = kept;
            if let Some((connection, _place)) = begun.await {
                connection.await;
            }
        }
    }

    /// What a connection speaks, from what comes first; `None` where that is nothing for us.
    async fn begin(
        self: Rc<Self>,
        mut stream: TcpStream,
        address: SocketAddr,
        mut place: Place,
        mut stopping: Stopping,
    ) -> Option<(Pin<Box<dyn Future<Output = ()>>>, Rc<Place>)> {
        let Self { handler, bounds, handshakes } = &*self;
        let (handler, bounds) = (handler.clone(), bounds.clone());
        at_once(&stream);
        let mut peer = Peer::at(address);
        if handler.is_balancer(address.ip().to_canonical()) {
            peer = match proxied::unwrap(&mut stream, peer, bounds.header_timeout, &mut stopping).await {
                Ok(peer) => peer,
                Err(error) => {
                    static SAID: Once = Once::new();
                    SAID.call_once(|| {
                        tracing::warn!(peer = %address, %error, "a connection from trusted_proxies did not begin with \
                            a PROXY header and was closed; said once: does the balancer send one?");
                    });
                    tracing::debug!(peer = %address, %error, "a balancer's connection was closed");
                    handler.lost(Lost::ProxyHeader);
                    return None;
                }
            };
            if !peer.nameless && !place.is_of(peer.address.ip()) {
                let _ = stream.set_zero_linger();
                return None;
            }
        }
        let place = Rc::new(place);
        let held = place.clone();
        let http2 = handshakes.is_none()
            && bounds.http2.cleartext
            && begins_http2(&stream, &bounds, &mut stopping).await?;
        let connection: Pin<Box<dyn Future<Output = ()>>> = match handshakes {
            None if http2 => {
                Box::pin(http2::connection(stream, (false, held), peer, handler, bounds, stopping))
            }
            None => Box::pin(http1::connection(stream, peer, handler, bounds, stopping)),
            Some(handshakes) => match handshakes.finish(stream, &mut stopping).await {
                Ok(Spoken { stream, certificate, http2 }) => {
                    let peer = Peer { certificate, ..peer };
                    if http2 {
                        Box::pin(http2::connection(stream, (true, held), peer, handler, bounds, stopping))
                    } else {
                        Box::pin(http1::connection(stream, peer, handler, bounds, stopping))
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = %peer.address, %error, "no TLS");
                    return None;
                }
            },
        };
        Some((connection, place))
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
