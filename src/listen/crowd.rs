//! How many connections there may be, and from one address: counted at the door, before a byte of them is read.
//!
//! Threat: whoever holds as many as there can be shuts everybody else out, and asks nothing for it. One address may have
//! a part of them; one too many is reset at once, which costs less than to hold it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::tally::Tally;

/// Who is in, and how many more there may be.
pub struct Crowd {
    room: Box<Ask>,
    all: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    tally: Arc<Tally>,
    said: Mutex<Said>,
}

/// What there is room for, as configured when a connection comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Connections at once.
    pub all: usize,
    /// Of one address; `None`: whoever is there brings others'.
    pub from_one: Option<usize>,
}

/// The room that there is for an address.
type Ask = dyn Fn(IpAddr) -> Room + Send + Sync;

/// One connection, for as long as it is open.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    address: Option<IpAddr>,
}

/// A request of a connection that has others under way, for as long as it lasts. Over HTTP/2 what one connection asks for
/// at once is as much to an upstream as many connections are.
pub(super) struct Beside {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// As many are open as may be.
    Gate,
    /// This address has as many as one may.
    Address,
}

/// What was said of those who were refused: a flood is one line now and then.
#[derive(Default)]
struct Said {
    last: Option<Instant>,
    since: u64,
}

// === impl Room ===

impl Room {
    /// For any number.
    pub const ANY: Self = Self { all: usize::MAX, from_one: None };
}

// === impl Crowd ===

impl Crowd {
    /// With this much room, asked for each connection.
    pub fn new(room: impl Fn(IpAddr) -> Room + Send + Sync + 'static, tally: Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            room: Box::new(room),
            all: AtomicUsize::new(0),
            by_address: Mutex::default(),
            tally,
            said: Mutex::default(),
        })
    }

    /// A place for a connection whose other end is `address`; counted and told where there is none.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        // Counted first, so that two at once do not both see the last place.
        let mut place = Place { crowd: self.clone(), address: None };
        let before = self.all.fetch_add(1, Ordering::Relaxed);
        if before >= (self.room)(address).all {
            self.refused(Full::Gate, address);
            return None;
        }
        place.is_of(address).then_some(place)
    }

    fn count(&self, address: IpAddr, most: usize) -> bool {
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        true
    }

    fn uncount(&self, address: IpAddr) {
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }

    fn refused(&self, why: Full, address: IpAddr) {
        self.tally.refused_connection(why.code());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.since += 1;
        let now = now();
        if said.last.is_some_and(|last| now.duration_since(last) < BETWEEN_LINES) {
            return;
        }
        let Said { since, .. } = std::mem::replace(&mut *said, Said { last: Some(now), since: 0 });
        drop(said);
        let key = why.key();
        tracing::warn!(client = %address, refused = since, key, "connections were refused: as many as may be are open");
    }
}

/// A subscriber of IPv6 has at least a /64 of addresses (RFC 6177), which counts as one.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

#[allow(clippy::disallowed_methods, reason = "how often a line is written, never a decision")]
fn now() -> Instant {
    Instant::now()
}

// === impl Place ===

impl Place {
    /// Counts it as a connection of `address`: its other end, or who a balancer says that it passes on. Whether that has
    /// room; counted and told where not.
    pub(super) fn is_of(&mut self, address: IpAddr) -> bool {
        let Some(most) = (self.crowd.room)(address).from_one else { return true };
        if !self.crowd.count(counted(address), most) {
            self.crowd.refused(Full::Address, address);
            return false;
        }
        let before = self.address.replace(counted(address));
        if let Some(before) = before {
            self.crowd.uncount(before);
        }
        true
    }
}

impl Place {
    /// A place for one more request beside others of this connection; counted and told where its address has none.
    pub(super) fn beside(&self) -> Result<Option<Beside>, Full> {
        let Some(address) = self.address else { return Ok(None) };
        let Some(most) = (self.crowd.room)(address).from_one else { return Ok(None) };
        if !self.crowd.count(address, most) {
            self.crowd.refused(Full::Address, address);
            return Err(Full::Address);
        }
        Ok(Some(Beside { crowd: self.crowd.clone(), address }))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.crowd.uncount(self.address);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            self.crowd.uncount(address);
        }
    }
}

// === impl Full ===

impl Full {
    fn code(self) -> &'static str {
        match self {
            Self::Gate => "connections",
            Self::Address => "connections_per_address",
        }
    }

    /// What to raise.
    fn key(self) -> &'static str {
        match self {
            Self::Gate => "limits.connections",
            Self::Address => "limits.connections_per_address",
        }
    }
}

/// A flood is one line this often.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Four, two of one address; whoever is at 10.0.0.1 brings others'.
    fn crowd() -> Arc<Crowd> {
        let room = |address| Room { all: 4, from_one: (address != ip("10.0.0.1")).then_some(2) };
        Crowd::new(room, Arc::default())
    }

    fn places(crowd: &Arc<Crowd>, addresses: &[&str]) -> Vec<Place> {
        addresses.iter().filter_map(|address| crowd.enter(ip(address))).collect()
    }

    #[test]
    fn an_address_has_its_part_and_no_more() {
        let crowd = crowd();
        let mut held = places(&crowd, &["192.0.2.1", "192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"]);
        assert_eq!(held.len(), 2);
        assert!(crowd.enter(ip("192.0.2.2")).is_some(), "another one is not kept out");
        held.pop();
        held.extend(crowd.enter(ip("192.0.2.1")));
        assert_eq!(held.len(), 2, "who has left makes room");
        drop(held);
        assert!(crowd.by_address.lock().unwrap().is_empty(), "nothing is kept of whoever has none");
        assert_eq!(crowd.all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_addresses_of_one_subscriber_are_one() {
        let crowd = crowd();
        assert_eq!(places(&crowd, &["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"]).len(), 2);
        assert_eq!(places(&crowd, &["2001:db8::1", "2001:db8:0:1::1"]).len(), 2);
    }

    #[test]
    fn all_together_have_so_many_wherever_they_come_from() {
        let crowd = crowd();
        let held = places(&crowd, &["10.0.0.1", "10.0.0.1", "10.0.0.1", "192.0.2.1", "192.0.2.2"]);
        assert_eq!(held.len(), 4, "a balancer's count together with all");
        drop(held);
        assert_eq!(crowd.all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn whom_a_balancer_names_is_counted_instead_of_it() {
        let crowd = crowd();
        let mut held: Vec<_> = (0..3).map(|_| crowd.enter(ip("10.0.0.1")).unwrap()).collect();
        let named: Vec<_> = held.iter_mut().map(|place| place.is_of(ip("192.0.2.1"))).collect();
        assert_eq!(named, [true, true, false]);
        held.remove(0);
        assert!(held[1].is_of(ip("192.0.2.1")));
        drop(held);
        assert!(crowd.by_address.lock().unwrap().is_empty());
    }
}
