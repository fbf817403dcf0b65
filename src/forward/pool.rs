//! A worker's connections to one address; hands one request at a time to each, and none to a doubtful one. Where the
//! address speaks HTTP/2, [`super::http2`] has them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cap::{Permit, Share};
use super::choice::UnderWay;
use super::connect::{Connector, Heard};
use super::fault::Fault;
use super::http2::{Place, Wires};
use super::now;
use super::relay::Upload;
use crate::tally::Tally;

/// The connections of one worker to one address.
pub(super) struct Pool {
    connector: Connector,
    idle_time: Duration,
    shelf: Rc<Shelf>,
    /// Those over HTTP/2, where that is spoken.
    wires: Option<Rc<Wires>>,
    tally: Arc<Tally>,
}

/// A connection in use, or a stream of one. Comes back to the pool by [`Lease::finish`] alone; dropped, it is closed.
pub(super) struct Lease {
    way: Way,
    shelf: Weak<Shelf>,
    keep: Duration,
    reused: bool,
    /// The scheme of what is asked there.
    scheme: Scheme,
    /// Counts among the requests of its address.
    under_way: Option<UnderWay>,
}

/// What a request goes on.
enum Way {
    /// Its own connection, HTTP/1.1.
    Own(Connection),
    /// Its stream among others, HTTP/2.
    Shared(Place),
    /// It has been given back.
    Gone,
}

/// What to do after a request got no answer.
pub(super) enum After {
    /// Send it again: this body has not been touched.
    Again(Upload),
    /// Nothing more.
    Over(hyper::Error),
}

/// Idle connections, the one used last on top: it is the least likely to be stale.
struct Shelf {
    member: Share,
    idle: RefCell<Vec<Idle>>,
    /// Requests of this worker that wait, the first of them first. Only where nothing is idle.
    queue: RefCell<VecDeque<oneshot::Sender<Connection>>>,
    swept: Cell<bool>,
}

struct Idle {
    connection: Connection,
    until: Instant,
}

struct Connection {
    sender: SendRequest<Upload>,
    heard: Heard,
}

/// What a request that waits gets.
enum Got {
    Connection(Connection),
    Permit(Option<Permit>),
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(connector: Connector, idle_time: Duration, tally: Arc<Tally>) -> Self {
        let shelf = Rc::new(Shelf {
            member: Share::new(connector.cap()),
            idle: RefCell::default(),
            queue: RefCell::default(),
            swept: Cell::new(false),
        });
        let wires = connector.speaks_http2().then(|| Wires::new(connector.clone(), idle_time, tally.clone()));
        Self { connector, idle_time, shelf, wires, tally }
    }

    /// Whether this is the pool that one for `connector` would be.
    pub(super) fn leads_the_same_way(&self, connector: &Connector, idle_time: Duration) -> bool {
        self.idle_time == idle_time && self.connector.leads_the_same_way(connector)
    }

    /// An idle connection that is still good, or a new one; always a new one if `fresh`. Where there may be no more of
    /// them, the first that comes free: [`Fault::Busy`] if that takes too long, too many wait already, or nobody `may_wait`.
    pub(super) async fn take(&self, fresh: bool, may_wait: bool) -> Result<Lease, Fault> {
        if let Some(wires) = &self.wires {
            let permit = match self.shelf.member.permit_now() {
                Some(permit) => permit,
                None if !may_wait => return Err(Fault::Busy),
                None => match Box::pin(self.wait(true, fresh)).await? {
                    Got::Permit(Some(permit)) => permit,
                    _ => return Err(Fault::Busy),
                },
            };
            let seat = Box::pin(wires.take(permit)).await?;
            let reused = !seat.is_first();
            return Ok(self.lease(Way::Shared(seat), reused));
        }
        let idle = if fresh { None } else { self.shelf.take() };
        let (connection, reused) = match idle {
            Some(connection) => (connection, true),
            None => match self.shelf.member.permit_now() {
                Some(permit) => (Box::pin(self.open(permit)).await?, false),
                None if !may_wait => return Err(Fault::Busy),
                None => match Box::pin(self.wait(fresh, fresh)).await? {
                    Got::Connection(connection) => (connection, true),
                    Got::Permit(Some(permit)) => (Box::pin(self.open(permit)).await?, false),
                    Got::Permit(None) => return Err(Fault::Busy),
                },
            },
        };
        Ok(self.lease(Way::Own(connection), reused))
    }

    fn lease(&self, way: Way, reused: bool) -> Lease {
        let scheme = self.connector.scheme();
        Lease {
            way,
            shelf: Rc::downgrade(&self.shelf),
            keep: self.idle_time,
            reused,
            under_way: None,
            scheme,
        }
    }

    /// Waits for a permit, or for a connection of this worker's unless it is a permit that is needed.
    async fn wait(&self, permit: bool, again: bool) -> Result<Got, Fault> {
        let member = &self.shelf.member;
        let _place = member.cap().wait(again).ok_or(Fault::Busy)?;
        let _counted = self.tally.waits();
        let (hand, handed) = oneshot::channel();
        if !permit {
            self.shelf.enqueue(hand);
        }
        let got = async {
            tokio::select! {
                biased;
                Ok(connection) = handed => Got::Connection(connection),
                permit = member.permit() => Got::Permit(permit),
            }
        };
        tokio::time::timeout(member.cap().time(), got).await.map_err(|_| Fault::Busy)
    }

    async fn open(&self, permit: Permit) -> Result<Connection, Fault> {
        let stream = self.connector.connect().await?.held_by(permit);
        let heard = stream.heard();
        // 1xx answers but 101 are read and swallowed by hyper here; a 100 of our own is the server side's.
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(PIECE)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Fault::Closed)?;
        let connected = self.tally.connected("upstream");
        tokio::task::spawn_local(async move {
            let _connected = connected;
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok(Connection { sender, heard })
    }
}

// === impl Shelf ===

impl Shelf {
    fn take(&self) -> Option<Connection> {
        let now = now();
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { connection, until }) = idle.pop() {
            // An upstream that speaks unasked (a second answer, a 408) has had its connection ended by hyper.
            if until > now && connection.sender.is_ready() && !connection.sender.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn put(self: &Rc<Self>, connection: Connection, keep: Duration) {
        let connection = match self.member.cap().waiting() {
            0 => connection,
            waiting => match self.pass_on(connection, waiting) {
                Some(connection) => connection,
                None => return,
            },
        };
        self.idle.borrow_mut().push(Idle { connection, until: now() + keep });
        // One sweep at a time, and none while nothing is idle.
        if !self.swept.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }

    /// To the first of this worker that waits. Where only others' do, or do as well and this worker has more than its
    /// share, the connection is closed: its place goes to whoever has waited longest.
    fn pass_on(&self, mut connection: Connection, waiting: usize) -> Option<Connection> {
        let mut queue = self.queue.borrow_mut();
        let here = queue.iter().filter(|hand| !hand.is_closed()).count();
        if here < waiting && (here == 0 || self.member.has_its_share()) {
            return None;
        }
        while let Some(hand) = queue.pop_front() {
            match hand.send(connection) {
                Ok(()) => return None,
                Err(back) => connection = back,
            }
        }
        Some(connection)
    }

    /// Whoever has left is taken out of the queue when its turn comes.
    fn enqueue(&self, hand: oneshot::Sender<Connection>) {
        let mut queue = self.queue.borrow_mut();
        while queue.front().is_some_and(oneshot::Sender::is_closed) {
            queue.pop_front();
        }
        queue.push_back(hand);
    }

    /// Drops what has had its time, and what others wait for; returns when the next one has.
    fn expire(&self) -> Option<Instant> {
        let now = now();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| idle.until > now && !idle.connection.sender.is_closed());
        let wanted = self.member.cap().waiting().min(idle.len());
        idle.drain(..wanted);
        idle.iter().map(|idle| idle.until).min()
    }
}

async fn sweep(shelf: Weak<Shelf>) {
    let Some(cap) = shelf.upgrade().map(|shelf| shelf.member.cap().clone()) else { return };
    loop {
        let mut wanted = std::pin::pin!(cap.wanted());
        // Before it is looked who waits: whoever comes in between is heard.
        wanted.as_mut().enable();
        let next = match shelf.upgrade() {
            None => return,
            Some(shelf) => match shelf.expire() {
                Some(next) => next,
                None => return shelf.swept.set(false),
            },
        };
        // Not for each connection's very moment: under load that would be a timer for every request.
        let _ = tokio::time::timeout_at(next.max(now() + SWEEP), wanted).await;
    }
}

// === impl Lease ===

impl Lease {
    /// Whether the request goes over HTTP/2.
    pub(super) fn speaks_http2(&self) -> bool {
        matches!(self.way, Way::Shared(_))
    }

    /// The scheme of what is asked there.
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme.clone()
    }

    /// Sends a request; an error hands it back if nothing of it was written.
    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + use<> {
        enum Sent<O, S> {
            Own(O),
            Shared(S),
            Gone,
        }
        let sent = match &mut self.way {
            Way::Own(connection) => {
                connection.heard.forget();
                Sent::Own(connection.sender.try_send_request(request))
            }
            Way::Shared(seat) => Sent::Shared(seat.send(request)),
            Way::Gone => Sent::Gone,
        };
        async move {
            match sent {
                Sent::Own(sent) => sent.await,
                Sent::Shared(sent) => sent.await,
                // A lease holds its way until `finish`, which consumes it.
                Sent::Gone => std::future::pending().await,
            }
        }
    }

    /// What to do about an error. A stale connection is nobody's fault, and a request on it may go again if
    /// the upstream cannot have acted on it, or may act on it twice (RFC 9110 §9.2.2), and has said nothing.
    pub(super) fn after(
        self,
        mut error: TrySendError<Request<Upload>>,
        method: &Method,
        (empty, again): (bool, bool),
    ) -> After {
        let handed_back = error.take_message();
        let failed = error.into_error();
        let (unbegun, silent) = match &self.way {
            Way::Own(connection) => (false, !connection.heard.anything()),
            Way::Shared(seat) => seat.after(&failed, handed_back.is_some()),
            Way::Gone => (false, false),
        };
        // Once: whoever refuses twice, or breaks twice, would be asked for as long as the client waits.
        if again {
            return After::Over(failed);
        }
        if let Some(request) = handed_back.filter(|_| self.reused) {
            return After::Again(request.into_body());
        }
        let may_repeat =
            matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE);
        let stale = self.reused && silent && may_repeat && !failed.is_user();
        if empty && (unbegun || stale) { After::Again(Upload::Empty) } else { After::Over(failed) }
    }

    /// The answer did not come in time. A connection that others share may be as silent to them: the next is another.
    pub(super) fn doubt(&self) {
        if let Way::Shared(seat) = &self.way {
            seat.retire();
        }
    }

    /// Counts from now on until it ends, or for as long as what [`Lease::count`] gives.
    pub(super) fn counts_as(&mut self, under_way: UnderWay) {
        self.under_way = Some(under_way);
    }

    /// What counts, for whoever goes on with the connection when the lease is over.
    pub(super) fn count(&mut self) -> Option<UnderWay> {
        self.under_way.take()
    }

    /// The upstream keeps idle connections for so many seconds; a second less is kept here, because what is
    /// on its way when it closes is lost.
    pub(super) fn keep_at_most(&mut self, seconds: u64) {
        self.keep = self.keep.min(Duration::from_secs(seconds.saturating_sub(1)));
    }

    /// The connection does not come back to the pool.
    pub(super) fn spoil(&mut self) {
        self.keep = Duration::ZERO;
    }

    /// The answer has been read to its end: the connection is free, unless it is not fit to be.
    pub(super) fn finish(mut self) {
        let Way::Own(connection) = std::mem::replace(&mut self.way, Way::Gone) else { return };
        let Some(shelf) = self.shelf.upgrade() else { return };
        // Not ready: the request's body is still on its way (an early answer), or bytes are left over.
        if !self.keep.is_zero() && connection.sender.is_ready() {
            shelf.put(connection, self.keep);
        }
    }
}

/// What is read at once of an answer, and how large its head may be: sixty-four kilobytes with their head in one go.
const PIECE: usize = 80 * 1024;
const SWEEP: Duration = Duration::from_millis(250);
