//! A worker's idle connections to the upstream; hands one request at a time to each, and none to a doubtful one.
//!
//! Unbounded for now; a cap belongs in [`Pool::take`], which every request passes.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::choice::UnderWay;
use super::connect::{Connector, Heard};
use super::fault::Fault;
use super::now;
use super::relay::Upload;
use crate::tally::Tally;

/// The connections of one worker to one upstream.
pub(super) struct Pool {
    connector: Connector,
    idle_time: Duration,
    shelf: Rc<Shelf>,
    tally: Arc<Tally>,
}

/// A connection in use. Comes back to the pool by [`Lease::finish`] alone; dropped, it is closed.
pub(super) struct Lease {
    connection: Option<Connection>,
    shelf: Weak<Shelf>,
    keep: Duration,
    reused: bool,
    /// Counts among the requests of its address.
    under_way: Option<UnderWay>,
}

/// What to do after a request got no answer.
pub(super) enum After {
    /// Send it again: this body has not been touched.
    Again(Upload),
    /// Nothing more.
    Over(hyper::Error),
}

/// Idle connections, the one used last on top: it is the least likely to be stale.
#[derive(Default)]
struct Shelf {
    idle: RefCell<Vec<Idle>>,
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

// === impl Pool ===

impl Pool {
    pub(super) fn new(connector: Connector, idle_time: Duration, tally: Arc<Tally>) -> Self {
        Self { connector, idle_time, shelf: Rc::default(), tally }
    }

    /// Whether this is the pool that one for `connector` would be.
    pub(super) fn leads_the_same_way(&self, connector: &Connector, idle_time: Duration) -> bool {
        self.idle_time == idle_time && self.connector.leads_the_same_way(connector)
    }

    /// An idle connection that is still good, or a new one; always a new one if `fresh`.
    pub(super) async fn take(&self, fresh: bool) -> Result<Lease, Fault> {
        let idle = if fresh { None } else { self.shelf.take() };
        let reused = idle.is_some();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().await?,
        };
        Ok(Lease {
            connection: Some(connection),
            shelf: Rc::downgrade(&self.shelf),
            keep: self.idle_time,
            reused,
            under_way: None,
        })
    }

    async fn open(&self) -> Result<Connection, Fault> {
        let stream = self.connector.connect().await?;
        let heard = stream.heard();
        // 1xx answers but 101 are read and swallowed by hyper here; a 100 of our own is the server side's.
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
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
        self.idle.borrow_mut().push(Idle { connection, until: now() + keep });
        // One sweep at a time, and none while nothing is idle.
        if !self.swept.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }

    /// Drops what has had its time; returns when the next one has.
    fn expire(&self) -> Option<Instant> {
        let now = now();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| idle.until > now && !idle.connection.sender.is_closed());
        idle.iter().map(|idle| idle.until).min()
    }
}

async fn sweep(shelf: Weak<Shelf>) {
    loop {
        let next = match shelf.upgrade() {
            None => return,
            Some(shelf) => match shelf.expire() {
                Some(next) => next,
                None => return shelf.swept.set(false),
            },
        };
        // Not for each connection's very moment: under load that would be a timer for every request.
        tokio::time::sleep_until(next.max(now() + SWEEP)).await;
    }
}

// === impl Lease ===

impl Lease {
    /// Sends a request; an error hands it back if nothing of it was written.
    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + use<> {
        let sent = self.connection.as_mut().map(|connection| {
            connection.heard.forget();
            connection.sender.try_send_request(request)
        });
        async move {
            match sent {
                Some(sent) => sent.await,
                // A lease holds its connection until `finish`, which consumes it.
                None => std::future::pending().await,
            }
        }
    }

    /// What to do about an error. A stale connection is nobody's fault, and a request on it may go again if
    /// the upstream cannot have acted on it, or may act on it twice (RFC 9110 §9.2.2), and has said nothing.
    pub(super) fn after(
        self,
        mut error: TrySendError<Request<Upload>>,
        method: &Method,
        empty: bool,
    ) -> After {
        if !self.reused {
            return After::Over(error.into_error());
        }
        if let Some(request) = error.take_message() {
            return After::Again(request.into_body());
        }
        let error = error.into_error();
        let silent = self.connection.as_ref().is_some_and(|connection| !connection.heard.anything());
        let may_repeat =
            matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE);
        if silent && empty && may_repeat && !error.is_user() {
            After::Again(Upload::Empty)
        } else {
            After::Over(error)
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
        let (Some(connection), Some(shelf)) = (self.connection.take(), self.shelf.upgrade()) else { return };
        // Not ready: the request's body is still on its way (an early answer), or bytes are left over.
        if !self.keep.is_zero() && connection.sender.is_ready() {
            shelf.put(connection, self.keep);
        }
    }
}

const MAX_HEAD: usize = 128 * 1024;
const SWEEP: Duration = Duration::from_millis(250);
