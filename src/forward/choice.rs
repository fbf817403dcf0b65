//! Which address of an upstream a worker sends a request to, and what it tells of how that went.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderValue;

use super::connect::Connector;
use super::fault::Fault;
use super::http2;
use super::pool::{Lease, Pool};
use super::upstream::{Group, Member};
use crate::config::settings::Balance;
use crate::tally::Tally;

/// A worker's way to one upstream.
pub(super) enum Target {
    /// One address.
    One(Rc<Seat>),
    /// Any of several, or of those that a name leads to.
    Several(Several),
}

/// One of several addresses.
pub(super) struct Several {
    group: Arc<Group>,
    balance: Balance,
    written: Arc<[Written]>,
    seats: RefCell<Rc<Seats>>,
    /// Whose turn it is.
    turn: Cell<usize>,
    means: Means,
}

/// An address as it is written: how to reach it, and its own Host where the client's is not passed.
pub(super) struct Written {
    pub(super) connector: Connector,
    pub(super) own_host: Option<HeaderValue>,
    /// Its own Host in any case.
    pub(super) calls_itself: HeaderValue,
}

/// What every pool is made with.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) idle_time: Duration,
    pub(super) tally: Arc<Tally>,
}

/// One address and this worker's connections to it.
pub(super) struct Seat {
    member: Option<Member>,
    pub(super) pool: Rc<Pool>,
    pub(super) own_host: Option<HeaderValue>,
    /// Requests under way.
    load: Rc<Cell<u32>>,
}

/// One of a worker's requests under way, for as long as it lives.
pub(super) struct UnderWay(Rc<Cell<u32>>);

/// The seats of the addresses that there were when they were made.
struct Seats {
    of: Arc<Vec<Member>>,
    seats: Vec<Rc<Seat>>,
}

/// One request's way to an upstream.
pub(super) struct Attempt<'t> {
    target: &'t Target,
    seat: Option<Rc<Seat>>,
    /// This request is the one that finds out whether an address is back, and nothing has come of it yet.
    trial: Option<Member>,
    /// Where no connection could be had.
    in_vain: Vec<Rc<Seat>>,
}

// === impl Target ===

impl Target {
    /// Begins with a request.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt { target: self, seat: None, trial: None, in_vain: vec![] }
    }

    /// The seats of this worker so far, for one that is made after another.
    pub(super) fn seats(&self) -> Vec<Rc<Seat>> {
        match self {
            Self::One(seat) => vec![seat.clone()],
            Self::Several(several) => several.seats.borrow().seats.clone(),
        }
    }
}

// === impl Several ===

impl Several {
    /// Goes on with connections of `known` where the way is the same.
    pub(super) fn new(
        group: Arc<Group>,
        balance: Balance,
        written: Arc<[Written]>,
        known: &[Rc<Seat>],
        means: Means,
    ) -> Self {
        let of = group.members();
        let seat = |member: &Member| {
            let written = &written[member.at];
            Seat::new(Some(member.clone()), written, known, &means)
        };
        let seats = of.iter().map(seat).collect();
        // Workers that begin with the same address would all meet there.
        let turn = Cell::new(BEGINNINGS.fetch_add(1, Ordering::Relaxed));
        Self { seats: RefCell::new(Rc::new(Seats { of, seats })), group, balance, written, turn, means }
    }

    /// The seats of the addresses that there are now.
    fn now(&self) -> Rc<Seats> {
        let mut seats = self.seats.borrow_mut();
        if !self.group.are(&seats.of) {
            let of = self.group.members();
            let seat = |member: &Member| {
                let same = |seat: &&Rc<Seat>| seat.member.as_ref().is_some_and(|known| known.is(member));
                let known = seats.seats.iter().find(same).cloned();
                known.unwrap_or_else(|| {
                    Seat::new(Some(member.clone()), &self.written[member.at], &[], &self.means)
                })
            };
            let next = of.iter().map(seat).collect();
            *seats = Rc::new(Seats { of, seats: next });
        }
        seats.clone()
    }

    /// The next one to ask, none of those `in_vain`.
    fn pick(&self, in_vain: &[Rc<Seat>], trial: &mut Option<Member>) -> Option<Rc<Seat>> {
        let seats = self.now();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let count = seats.seats.len();
        let in_turn = || (0..count).map(|step| &seats.seats[turn.wrapping_add(step) % count]);
        let open = || in_turn().filter(|seat| !in_vain.iter().any(|other| Rc::ptr_eq(seat, other)));
        let member = |seat: &&Rc<Seat>| seat.member.clone();
        // Whose time is over is tried by one request; what else it could be known by would have to be asked for.
        let due = open().find(|seat| seat.member.as_ref().is_some_and(|member| self.group.may_try(member)));
        if let Some(due) = due {
            *trial = member(&due);
            return Some(due.clone());
        }
        let is_in = |seat: &&Rc<Seat>| seat.member.as_ref().is_none_or(|member| self.group.is_in(member));
        if let Some(chosen) = self.of(open().filter(is_in)) {
            return Some(chosen.clone());
        }
        // All are left out: an address that fails is not worse than none.
        let chosen = self.of(open())?;
        if let Some(member) = member(&chosen) {
            self.group.asks_anyway(&member);
        }
        Some(chosen.clone())
    }

    fn of<'s>(&self, mut seats: impl Iterator<Item = &'s Rc<Seat>>) -> Option<&'s Rc<Seat>> {
        match self.balance {
            Balance::RoundRobin => seats.next(),
            // Of equals the first, which is in turn.
            Balance::LeastConnections => seats.min_by_key(|seat| seat.load.get()),
        }
    }
}

// === impl Seat ===

impl Seat {
    /// For an address, with the connections of one of `known` that leads the same way.
    pub(super) fn new(
        member: Option<Member>,
        written: &Written,
        known: &[Rc<Seat>],
        means: &Means,
    ) -> Rc<Self> {
        let connector = match member.as_ref().and_then(|member| member.address) {
            Some(address) => written.connector.at(address),
            None => written.connector.clone(),
        };
        let same = known.iter().find(|seat| seat.pool.leads_the_same_way(&connector, means.idle_time));
        let (pool, load) = match same {
            Some(seat) => (seat.pool.clone(), seat.load.clone()),
            None => {
                let pool = Pool::new(connector, means.idle_time, means.tally.clone());
                (Rc::new(pool), Rc::default())
            }
        };
        Rc::new(Self { member, pool, own_host: written.own_host.clone(), load })
    }

    fn under_way(&self) -> UnderWay {
        self.load.set(self.load.get().saturating_add(1));
        UnderWay(self.load.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

// === impl Attempt ===

impl Attempt<'_> {
    /// A connection to an address: an idle one, or a new one; always a new one if `fresh`. Where none can be had the
    /// next address is tried, a few times: nothing of the request is on its way yet.
    pub(super) async fn take(&mut self, fresh: bool) -> Result<Lease, Fault> {
        let several = match self.target {
            Target::One(seat) => {
                let lease = seat.pool.take(fresh, true).await;
                self.seat = Some(seat.clone());
                return lease;
            }
            Target::Several(several) => several,
        };
        loop {
            // A connection that was stale says nothing of its address.
            let seat = match self.seat.take() {
                Some(seat) => seat,
                None => several.pick(&self.in_vain, &mut self.trial).ok_or(Fault::NoUpstream)?,
            };
            let under_way = seat.under_way();
            let tries = TRIES.min(several.now().seats.len());
            // For an address that has enough to do nobody waits while another may have less: at the last one alone.
            let taken = seat.pool.take(fresh, self.in_vain.len() + 1 >= tries).await;
            match taken {
                Ok(mut lease) => {
                    lease.counts_as(under_way);
                    self.seat = Some(seat);
                    return Ok(lease);
                }
                Err(fault) => {
                    self.failed_at(several, &seat, &fault);
                    self.in_vain.push(seat);
                    if self.in_vain.len() >= tries {
                        return Err(fault);
                    }
                }
            }
        }
    }

    /// The Host that the address calls itself, where the client's is not passed.
    pub(super) fn own_host(&self) -> Option<&HeaderValue> {
        self.seat.as_ref()?.own_host.as_ref()
    }

    /// The address answered.
    pub(super) fn answered(&mut self) {
        self.trial = None;
        if let (Target::Several(several), Some(seat)) = (self.target, &self.seat)
            && let Some(member) = &seat.member
        {
            several.group.answered(member);
        }
    }

    /// The request was on its way, and this came of it.
    pub(super) fn failed(&mut self, fault: &Fault) {
        if let (Target::Several(several), Some(seat)) = (self.target, self.seat.clone()) {
            self.failed_at(several, &seat, fault);
        }
    }

    fn failed_at(&mut self, several: &Several, seat: &Seat, fault: &Fault) {
        match blames_the_address(fault) {
            true => self.trial = None,
            false => self.give_the_trial_back(several),
        }
        several.blame(seat, fault);
    }

    fn give_the_trial_back(&mut self, several: &Several) {
        if let Some(member) = self.trial.take() {
            several.group.untried(&member);
        }
    }
}

impl Drop for Attempt<'_> {
    /// Whose client has gone has found nothing out.
    fn drop(&mut self) {
        if let Target::Several(several) = self.target {
            self.give_the_trial_back(several);
        }
    }
}

impl Several {
    fn blame(&self, seat: &Seat, fault: &Fault) {
        if let Some(member) = &seat.member
            && blames_the_address(fault)
        {
            self.group.failed(member, fault.reason());
        }
    }
}

/// Whether this says that nobody should be sent there for a while. What answers, however badly, is there.
fn blames_the_address(fault: &Fault) -> bool {
    match fault {
        // A stream of many that was reset: the connection goes on, and with it everybody else.
        Fault::Closed(error) => !http2::resets_one_stream(error),
        fault => matches!(
            fault,
            Fault::Connect(_) | Fault::ConnectTimeout | Fault::Tls(_) | Fault::ResponseTimeout
        ),
    }
}

/// Addresses that one request tries at most: each may take its whole `connect_timeout`.
const TRIES: usize = 3;

static BEGINNINGS: AtomicUsize = AtomicUsize::new(0);
