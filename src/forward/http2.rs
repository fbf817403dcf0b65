//! A worker's HTTP/2 connections to one address: one for all requests, more only where it takes no more streams.
//!
//! One that goes away (GOAWAY) ends what runs on it and is given nothing new; a stream that was refused had not been
//! begun on (RFC 9113 §8.7).

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cap::Permit;
use super::connect::{Connector, Stream};
use super::fault::Fault;
use super::headers::trim;
use super::now;
use super::relay::Upload;
use crate::tally::Tally;

/// The connections of one worker to an address that speaks HTTP/2.
pub(super) struct Wires {
    connector: Connector,
    idle_time: Duration,
    tally: Arc<Tally>,
    wires: RefCell<Vec<Rc<Wire>>>,
    /// Who waits for the connection that is being made; `None`: none is.
    opening: RefCell<Option<Vec<Told>>>,
    swept: Cell<bool>,
}

/// Who is to be told of it.
type Told = oneshot::Sender<Result<Taken, Fault>>;

/// One request's place on a connection, with what it takes to have one.
pub(super) struct Place {
    taken: Taken,
    first: bool,
    /// Dropped, it ends the request's body: the stream is over.
    over: Option<oneshot::Sender<()>>,
    _permit: Permit,
}

/// Counts one stream of a connection.
struct Taken(Rc<Wire>);

/// One connection.
struct Wire {
    sender: RefCell<SendRequest<Upload>>,
    /// Its own side of it, until it is over.
    driven: Driven,
    streams: Cell<usize>,
    served: Cell<bool>,
    /// Nothing new goes on it.
    retired: Cell<bool>,
    /// When it has been without a stream for as long as it may be; counts only then.
    until: Cell<Instant>,
    idle_time: Duration,
}

type Driven = Rc<RefCell<Option<Connection<TokioIo<Stream>, Upload, OnThisThread>>>>;

/// hyper's own tasks stay on this thread, as everything does.
#[derive(Clone)]
struct OnThisThread;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// Whether the upstream reset the one stream that this is about, and nothing else.
pub(super) fn resets_one_stream(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_reset() && cause.is_remote())
}

/// A connection on its way. Were that to panic, whoever waits for it must not wait for ever.
struct Unopened<'w>(&'w Rc<Wires>);

impl Unopened<'_> {
    /// Whoever waits for it.
    fn end(self) -> Vec<Told> {
        self.0.opening.borrow_mut().take().unwrap_or_default()
    }
}

impl Drop for Unopened<'_> {
    fn drop(&mut self) {
        drop(self.0.opening.borrow_mut().take());
    }
}

// === impl Wires ===

impl Wires {
    pub(super) fn new(connector: Connector, idle_time: Duration, tally: Arc<Tally>) -> Rc<Self> {
        let (wires, opening, swept) = (RefCell::default(), RefCell::default(), Cell::new(false));
        Rc::new(Self { connector, idle_time, tally, wires, opening, swept })
    }

    /// A place on a connection, a new one if there is none with room. One is made at a time: whoever comes meanwhile
    /// waits for it, and is told if it cannot be made.
    pub(super) async fn take(self: &Rc<Self>, permit: Permit) -> Result<Place, Fault> {
        let taken = match self.with_room() {
            Some(taken) => taken,
            None => loop {
                let (tell, told) = oneshot::channel();
                self.wait_for_another(tell);
                match told.await {
                    Ok(taken) => break taken?,
                    // It is full already.
                    Err(_) => {
                        if let Some(taken) = self.with_room() {
                            break taken;
                        }
                    }
                }
            },
        };
        let first = !taken.0.served.replace(true);
        Ok(Place { taken, first, over: None, _permit: permit })
    }

    fn with_room(&self) -> Option<Taken> {
        let mut wires = self.wires.borrow_mut();
        wires.retain(|wire| wire.is_good());
        wires.iter().find(|wire| wire.has_room()).map(Taken::one_more)
    }

    fn wait_for_another(self: &Rc<Self>, tell: Told) {
        let mut opening = self.opening.borrow_mut();
        if let Some(waiting) = opening.as_mut() {
            return waiting.push(tell);
        }
        *opening = Some(vec![tell]);
        drop(opening);
        // Goes on when the request that wanted it has gone: others wait for it as well.
        let wires = self.clone();
        tokio::task::spawn_local(async move {
            let unopened = Unopened(&wires);
            let opened = wires.open().await;
            let waiting = unopened.end();
            match opened {
                Ok(wire) => {
                    wires.wires.borrow_mut().push(wire.clone());
                    wires.sweep_from_now_on();
                    // The first has it in any case: one that never has room is not made again and again.
                    for (index, tell) in waiting.into_iter().enumerate() {
                        if index == 0 || wire.has_room() {
                            let _ = tell.send(Ok(Taken::one_more(&wire)));
                        }
                    }
                }
                Err(fault) => {
                    for tell in waiting {
                        let _ = tell.send(Err(fault.of_connecting_again()));
                    }
                }
            }
        });
    }

    async fn open(&self) -> Result<Rc<Wire>, Fault> {
        let mut stream = self.connector.connect().await?;
        let heard = stream.first_heard();
        let (sender, connection) = Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEAD)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Fault::Closed)?;
        let connected = self.tally.connected("upstream");
        let driven: Driven = Rc::new(RefCell::new(Some(connection)));
        let driver = driven.clone();
        tokio::task::spawn_local(async move {
            let _connected = connected;
            let ended = poll_fn(|cx| match driver.borrow_mut().as_mut() {
                Some(connection) => Pin::new(connection).poll(cx),
                None => Poll::Ready(Ok(())),
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "upstream connection ended");
            }
            // What it was handed and did not send goes back to whoever sent it.
            drop(driver.borrow_mut().take());
        });
        // The first that comes says how many streams it takes: more than that would be refused.
        let _ = self.connector.within_patience(heard).await?;
        Ok(Rc::new(Wire {
            sender: RefCell::new(sender),
            driven,
            streams: Cell::new(0),
            served: Cell::new(false),
            retired: Cell::new(false),
            until: Cell::new(now() + self.idle_time),
            idle_time: self.idle_time,
        }))
    }

    fn sweep_from_now_on(self: &Rc<Self>) {
        if !self.swept.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self), self.idle_time));
        }
    }

    /// Drops what has been idle for long enough; returns whether anything is left.
    fn expire(&self) -> bool {
        let now = now();
        let mut wires = self.wires.borrow_mut();
        wires.retain(|wire| wire.is_good() && (wire.streams.get() > 0 || wire.until.get() > now));
        !wires.is_empty()
    }
}

async fn sweep(wires: Weak<Wires>, idle_time: Duration) {
    loop {
        tokio::time::sleep(idle_time.div_f32(4.0).max(SWEEP)).await;
        let Some(wires) = wires.upgrade() else { return };
        if !wires.expire() {
            return wires.swept.set(false);
        }
    }
}

// === impl Wire ===

impl Wire {
    fn is_good(&self) -> bool {
        !self.retired.get() && !self.sender.borrow().is_closed()
    }

    /// As far as the upstream has said.
    fn has_room(&self) -> bool {
        let most = self.driven.borrow().as_ref().map_or(0, Connection::current_max_send_streams);
        self.streams.get() < most
    }
}

// === impl Taken ===

impl Taken {
    fn one_more(wire: &Rc<Wire>) -> Self {
        wire.streams.set(wire.streams.get() + 1);
        Self(wire.clone())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.until.set(now() + self.0.idle_time);
    }
}

// === impl Place ===

impl Place {
    /// Whether nothing was ever asked on the connection before.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// What runs on the connection goes on, and nothing new comes.
    pub(super) fn retire(&self) {
        self.taken.0.retired.set(true);
    }

    /// Sends a request that is [`dressed`].
    pub(super) fn send(
        &mut self,
        mut request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + use<> {
        let (over, ended) = oneshot::channel();
        request.body_mut().goes_until(ended);
        self.over = Some(over);
        self.taken.0.sender.borrow_mut().try_send_request(request)
    }

    /// Whether the upstream cannot have begun on the request, and whether it just went away.
    pub(super) fn after(&self, error: &hyper::Error, handed_back: bool) -> (bool, bool) {
        let wire = &self.taken.0;
        if handed_back {
            // It goes away, or has gone.
            self.retire();
            return (false, false);
        }
        let Some(told) = told(error) else { return (false, false) };
        let refused = told.is_remote() && told.reason() == Some(h2::Reason::REFUSED_STREAM);
        let over = told.is_go_away() || told.is_io();
        // One that refuses because it is full is good for later ones.
        if over || (refused && wire.has_room()) {
            self.retire();
        }
        (refused || (told.is_remote() && told.is_go_away()), told.is_io())
    }
}

/// Whether what came was no HTTP/2: what is told of it was found wrong here.
pub(super) fn is_unreadable(error: &hyper::Error) -> bool {
    told(error).is_some_and(|error| error.is_library() && !error.is_io())
}

/// What the connection's library says.
fn told(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}

/// A request as HTTP/2 has it: nothing that is between two neighbours, where it goes in front of its headers, and
/// whether its sender takes trailers, by the lines of its `TE` (RFC 9113 §8.2.2, §8.3.1). `None` if that is no address.
pub(super) fn dressed<'a>(
    request: &mut Request<Upload>,
    target: &PathAndQuery,
    scheme: Scheme,
    mut takes: impl Iterator<Item = &'a HeaderValue>,
) -> Option<()> {
    let head = request.headers_mut();
    let host = head.remove(header::HOST)?;
    let trailers = |line: &HeaderValue| {
        line.as_bytes().split(|byte| *byte == b',').any(|said| trim(said).eq_ignore_ascii_case(b"trailers"))
    };
    if takes.any(trailers) {
        head.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let authority = Authority::from_maybe_shared(bytes::Bytes::copy_from_slice(host.as_bytes())).ok()?;
    let address = Uri::builder().scheme(scheme).authority(authority).path_and_query(target.clone());
    *request.uri_mut() = address.build().ok()?;
    *request.version_mut() = Version::HTTP_2;
    Some(())
}

/// What one answer may have on its way that its client has not taken: a multiple of what a round trip in a data centre
/// moves, and little enough for many slow clients.
const STREAM_WINDOW: u32 = 256 * 1024;
/// No bound of its own: one client that takes nothing would hold up all others.
const CONNECTION_WINDOW: u32 = 1 << 30;
const SEND_BUFFER: usize = 128 * 1024;
const MAX_HEAD: u32 = 128 * 1024;
/// gRPC's servers end a connection whose client asks more often than every five minutes whether they are there.
const PING: Duration = Duration::from_secs(310);
const PONG: Duration = Duration::from_secs(20);
const SWEEP: Duration = Duration::from_millis(250);
