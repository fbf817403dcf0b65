//! The way to one server, or to one master: a line that is made when it is needed and again when it is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, RedisError, Value};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::fault::{self, EngineFault};
use super::line::{Dial, Line};
use super::sentinel::Sentinels;
use crate::config::settings::StoreAddress;

/// Shared: all of one process come this way.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    dial: Arc<Dial>,
    target: Target,
    state: Mutex<State>,
}

/// Where a line leads to.
pub(super) enum Target {
    /// This server, whatever it says it is.
    Server(StoreAddress),
    /// Wherever the sentinels see the master.
    Master(Sentinels),
}

enum State {
    Up(Line),
    /// One dials, the others wait for the same line.
    Dialling(Dialling),
    Down {
        /// Until then nobody dials, and everybody is told the last fault at once.
        until: Instant,
        fault: Option<EngineFault>,
        /// How long was paused last.
        pause: Duration,
    },
}

/// What comes of it, once it does.
type Dialling = watch::Receiver<Option<Result<Line, EngineFault>>>;

/// Bounds of the pause between two attempts: the first is soon, and a server that is back is found within a second.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(800)];

// === impl Link ===

impl Link {
    pub(super) fn new(dial: Arc<Dial>, target: Target) -> Self {
        let state = State::Down { until: now(), fault: None, pause: Duration::ZERO };
        Self(Arc::new(Inner { dial, target, state: Mutex::new(state) }))
    }

    /// Asks, and once more on a new line if this one turns out to be broken: servers close idle connections, and
    /// everything that is asked may be asked again.
    pub(super) async fn ask(&self, command: &Cmd, deadline: Instant) -> Result<Value, EngineFault> {
        let line = self.line(deadline).await?;
        match self.ask_on(&line, line.ask(command), deadline).await {
            Err(Trouble::Said(error)) if fault::is_broken(&error) => {
                let line = self.line(deadline).await?;
                self.ask_on(&line, line.ask(command), deadline).await.map_err(|trouble| trouble.at(&line))
            }
            answer => answer.map_err(|trouble| trouble.at(&line)),
        }
    }

    /// Waits for an answer on this line, and gives the line up if that is the end of it.
    pub(super) async fn ask_on(
        &self,
        line: &Line,
        answer: impl Future<Output = Result<Value, RedisError>>,
        deadline: Instant,
    ) -> Result<Value, Trouble> {
        let asked = now();
        match timeout_at(deadline, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if fault::is_spent(&error) {
                    self.give_up(line);
                }
                Err(Trouble::Said(error))
            }
            Err(_) => {
                // A peer that is gone without a word never answers again, and nothing but the silence tells. Whoever
                // had to wait for the line first has not listened for long enough to say so.
                if now() - asked >= self.0.dial.timeout() / 2 {
                    self.give_up(line);
                }
                Err(Trouble::Silent)
            }
        }
    }

    /// The line, made if need be.
    pub(super) async fn line(&self, deadline: Instant) -> Result<Line, EngineFault> {
        let mut dialling = match self.now_or_soon() {
            Ok(line) => return line,
            Err(dialling) => dialling,
        };
        match timeout_at(deadline, dialling.wait_for(Option::is_some)).await {
            Ok(Ok(found)) => found.clone().unwrap_or_else(|| Err(interrupted())),
            Ok(Err(_)) => Err(interrupted()),
            Err(_) => Err(EngineFault::timeout("no connection in time")),
        }
    }

    /// Another line to the same place, for one who will hold it up.
    pub(super) async fn own_line(&self) -> Result<Line, EngineFault> {
        self.0.dial().await
    }

    /// A line or a fault that is known already, or else what will be.
    fn now_or_soon(&self) -> Result<Result<Line, EngineFault>, Dialling> {
        let mut state = self.0.state();
        match &*state {
            State::Up(line) if line.is_open() => return Ok(Ok(line.clone())),
            // A sender that is gone without a word belonged to a runtime that has ended.
            State::Dialling(dialling) if dialling.has_changed().is_ok() => return Err(dialling.clone()),
            State::Down { until, fault: Some(fault), .. } if now() < *until => return Ok(Err(fault.clone())),
            _ => {}
        }
        let pause = match &*state {
            State::Down { pause, .. } => *pause,
            _ => Duration::ZERO,
        };
        let (tell, dialling) = watch::channel(None);
        *state = State::Dialling(dialling.clone());
        drop(state);
        let inner = self.0.clone();
        // Not in the request's own time: it may go away, and the others wait for the same line.
        self.0.dial.background().spawn(async move {
            let found = inner.dial().await;
            *inner.state() = match &found {
                Ok(line) => State::Up(line.clone()),
                Err(fault) => {
                    let pause = (pause * 2).clamp(PAUSES[0], PAUSES[1]);
                    State::Down { until: now() + pause, fault: Some(fault.clone()), pause }
                }
            };
            tell.send_replace(Some(found));
        });
        Err(dialling)
    }

    /// Nobody new uses this line; who waits on it still may.
    pub(super) fn give_up(&self, line: &Line) {
        let mut state = self.0.state();
        if matches!(&*state, State::Up(up) if up.id() == line.id()) {
            *state = State::Down { until: now(), fault: None, pause: Duration::ZERO };
        }
    }
}

// === impl Inner ===

impl Inner {
    async fn dial(&self) -> Result<Line, EngineFault> {
        match &self.target {
            Target::Server(server) => self.dial.to(server).await,
            Target::Master(sentinels) => sentinels.line(&self.dial).await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The library or the server says why.
    Said(RedisError),
    /// Nobody says anything.
    Silent,
}

// === impl Trouble ===

impl Trouble {
    pub(super) fn at(&self, line: &Line) -> EngineFault {
        match self {
            Self::Said(error) => EngineFault::of(line.server(), error),
            Self::Silent => EngineFault::timeout(format!("{}: no answer in time", line.server())),
        }
    }
}

fn interrupted() -> EngineFault {
    EngineFault::unreachable("the gate is stopping")
}

/// How long something takes is the one thing that a timeout needs a clock for.
#[allow(clippy::disallowed_methods, reason = "the store's timers")]
pub(super) fn now() -> Instant {
    Instant::now()
}
