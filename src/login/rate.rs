//! How many logins one client address may begin, and finish, a minute. ★
//!
//! Threat: a flood of starts or callbacks from one place. Each address has a bucket of so many logins that fills
//! evenly within a minute. A flood of addresses can neither grow the table nor keep anybody else out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// The buckets of one kind of event.
#[derive(Debug)]
pub(super) struct Rate {
    /// Events a minute; `None`: any number, and nothing is kept.
    a_minute: Option<u32>,
    buckets: Mutex<Buckets>,
}

/// For each client, when its bucket will be full again, in milliseconds times events a minute: whole numbers say
/// it exactly.
type Buckets = HashMap<IpAddr, u64>;

// === impl Rate ===

impl Rate {
    /// So many events a minute for each client address.
    pub(super) fn new(a_minute: Option<u32>) -> Self {
        Self { a_minute, buckets: Mutex::default() }
    }

    /// Takes one event from the client's bucket at `now` (milliseconds). If there is none: seconds until there is.
    pub(super) fn take(&self, client: IpAddr, now: u64) -> Result<(), u64> {
        let Some(a_minute) = self.a_minute.map(u64::from) else { return Ok(()) };
        let now = now.saturating_mul(a_minute);
        let whole = EVENT.saturating_mul(a_minute);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let client = counted(client);
        // A clock that was set back must not lock anybody out for longer than an empty bucket does.
        let full_at =
            buckets.get(&client).map_or(now, |full_at| (*full_at).clamp(now, now.saturating_add(whole)));
        let then = full_at.saturating_add(EVENT);
        let missing = then.saturating_sub(now).saturating_sub(whole);
        if missing > 0 {
            buckets.insert(client, full_at);
            return Err(missing.div_ceil(a_minute).div_ceil(1000));
        }
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(&client) {
            buckets.retain(|_, full_at| now < *full_at);
            // So many places at once are bounded by nothing here: whoever begins from a full bucket gains a minute.
            // Half, so that a flood pays for one look through the table with as many logins.
            if buckets.len() >= MAX_CLIENTS / 2 {
                buckets.clear();
            }
        }
        buckets.insert(client, then);
        Ok(())
    }
}

/// A subscriber of IPv6 has at least a /64 of addresses (RFC 6177), which counts as one.
fn counted(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

/// What one event costs: a minute, in milliseconds.
const EVENT: u64 = 60_000;
/// Tens of bytes each.
const MAX_CLIENTS: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn taken(rate: &Rate, client: &str, now: u64, times: usize) -> usize {
        (0..times).filter(|_| rate.take(ip(client), now).is_ok()).count()
    }

    #[test]
    fn without_a_rate_nothing_is_counted_or_kept() {
        let rate = Rate::new(None);
        assert_eq!(taken(&rate, "192.0.2.1", NOW, 10_000), 10_000);
        assert!(rate.buckets.lock().unwrap().is_empty());
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_no_more() {
        let rate = Rate::new(Some(3));
        assert_eq!(taken(&rate, "192.0.2.1", NOW, 10), 3);
        assert_eq!(taken(&rate, "192.0.2.2", NOW, 10), 3, "each address has its own");
        // After an hour without any it is full, not fuller.
        assert_eq!(taken(&rate, "192.0.2.1", NOW + 3_600_000, 10), 3);
    }

    #[test]
    fn a_bucket_fills_evenly_to_the_millisecond() {
        let rate = Rate::new(Some(3));
        taken(&rate, "192.0.2.1", NOW, 3);
        assert_eq!(rate.take(ip("192.0.2.1"), NOW), Err(20));
        assert_eq!(rate.take(ip("192.0.2.1"), NOW + 1), Err(20), "seconds are rounded up");
        assert_eq!(rate.take(ip("192.0.2.1"), NOW + 19_000), Err(1));
        assert_eq!(rate.take(ip("192.0.2.1"), NOW + 19_999), Err(1));
        assert_eq!(rate.take(ip("192.0.2.1"), NOW + 20_000), Ok(()));
        assert_eq!(rate.take(ip("192.0.2.1"), NOW + 20_000), Err(20));
    }

    #[test]
    fn being_refused_costs_nothing() {
        let rate = Rate::new(Some(1));
        assert_eq!(taken(&rate, "192.0.2.1", NOW, 1_000), 1);
        assert_eq!(rate.take(ip("192.0.2.1"), NOW + 60_000), Ok(()));
    }

    #[test]
    fn a_rate_that_divides_no_minute_is_exact() {
        let rate = Rate::new(Some(7));
        let passed =
            (0..=600_000).step_by(10).filter(|at| rate.take(ip("192.0.2.1"), NOW + at).is_ok()).count();
        assert_eq!(passed, 7 + 70, "the bucket, and ten minutes");
    }

    #[test]
    fn the_addresses_of_an_ipv6_subscriber_are_one_and_a_mapped_one_is_ipv4() {
        let rate = Rate::new(Some(1));
        assert_eq!(rate.take(ip("2001:db8:1:2::1"), NOW), Ok(()));
        assert!(rate.take(ip("2001:db8:1:2:ffff:ffff:ffff:ffff"), NOW).is_err());
        assert_eq!(rate.take(ip("2001:db8:1:3::1"), NOW), Ok(()));
        assert_eq!(rate.take(ip("192.0.2.1"), NOW), Ok(()));
        assert!(rate.take(ip("::ffff:192.0.2.1"), NOW).is_err());
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_a_minute() {
        let rate = Rate::new(Some(2));
        taken(&rate, "192.0.2.1", NOW, 2);
        let back = NOW - 86_400_000;
        assert_eq!(rate.take(ip("192.0.2.1"), back), Err(30));
        assert_eq!(rate.take(ip("192.0.2.1"), back + 29_999), Err(1));
        assert_eq!(rate.take(ip("192.0.2.1"), back + 30_000), Ok(()));
    }

    #[test]
    fn a_flood_of_addresses_does_not_grow_the_table() {
        let rate = Rate::new(Some(1));
        for n in 0..u32::try_from(MAX_CLIENTS).unwrap() * 3 {
            assert_eq!(rate.take(IpAddr::from(n.to_be_bytes()), NOW), Ok(()), "nobody else is kept out");
        }
        assert!(rate.buckets.lock().unwrap().len() <= MAX_CLIENTS);
        // Where buckets have filled again, only those are let go.
        let rate = Rate::new(Some(1));
        for n in 0..u32::try_from(MAX_CLIENTS).unwrap() - 1 {
            rate.take(IpAddr::from(n.to_be_bytes()), NOW).unwrap();
        }
        rate.take(ip("192.0.2.1"), NOW + 59_999).unwrap();
        rate.take(ip("192.0.2.2"), NOW + 60_000).unwrap();
        assert_eq!(rate.buckets.lock().unwrap().len(), 2);
        assert!(rate.take(ip("192.0.2.1"), NOW + 60_000).is_err());
    }
}
