//! The addresses of one upstream as the whole process knows them: which there are, and which are left out.
//!
//! Workers read it on the way of each request, without a lock. It changes when an address leaves or returns, and when
//! a name leads elsewhere.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::health::{Change, Health, Millis, Policy, Standing};
use super::millis;
use crate::config::settings::{Destination, Spread};
use crate::tally::Tally;

/// One upstream's addresses.
pub(super) struct Group {
    /// What it is called.
    name: String,
    /// Each address as it is written.
    written: Vec<String>,
    policy: Policy,
    members: ArcSwap<Vec<Member>>,
    /// One change at a time.
    changing: Mutex<()>,
    /// Another configuration counts: what is shown is its affair.
    is_past: AtomicBool,
    tally: Arc<Tally>,
}

/// One address.
#[derive(Clone)]
pub(super) struct Member {
    /// Which of those that are written.
    pub(super) at: usize,
    /// Where a name led; `None`: it is asked for at each new connection, or needs no asking.
    pub(super) address: Option<SocketAddr>,
    state: Arc<State>,
}

/// How an address fares.
struct State {
    health: Mutex<Health>,
    /// What a request must know: 0, it may be asked; else when it may be tried.
    from: AtomicU64,
    /// An answer would change something.
    is_uneven: AtomicBool,
}

// === impl Group ===

impl Group {
    /// Every address is good until something else is known; a name is one address until it was resolved.
    pub(super) fn new(to: &Destination, spread: &Spread, tally: Arc<Tally>) -> Self {
        let members = (0..to.addresses.len()).map(|at| Member::new(at, None)).collect();
        Self {
            name: to.name.clone(),
            written: to.addresses.iter().map(ToString::to_string).collect(),
            policy: Policy {
                max_fails: spread.max_fails,
                eject_time: Millis::try_from(spread.eject_time.as_millis()).unwrap_or(Millis::MAX),
                check_fails: spread.check.as_ref().map_or(u32::MAX, |check| check.fails),
            },
            members: ArcSwap::from_pointee(members),
            changing: Mutex::new(()),
            is_past: AtomicBool::new(false),
            tally,
        }
    }

    /// What the one before knew of the same addresses counts here. `resolves`: names are still followed.
    pub(super) fn knowing(self, before: &Self, resolves: bool) -> Self {
        let known = before.members();
        let same = |at: usize| before.written.iter().position(|other| *other == self.written[at]);
        let members = (0..self.written.len()).flat_map(|at| {
            let old = same(at);
            let kept: Vec<_> = known
                .iter()
                .filter(|member| Some(member.at) == old && (resolves || member.address.is_none()))
                .map(|member| Member { at, ..member.clone() })
                .collect();
            if kept.is_empty() { vec![Member::new(at, None)] } else { kept }
        });
        Self { members: ArcSwap::from_pointee(members.collect()), ..self }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// All of them, in the order written.
    pub(super) fn members(&self) -> Arc<Vec<Member>> {
        self.members.load_full()
    }

    /// Whether these are still all of them.
    pub(super) fn are(&self, members: &Arc<Vec<Member>>) -> bool {
        Arc::ptr_eq(&self.members.load(), members)
    }

    /// A name led to these, or to none.
    pub(super) fn resolved(&self, at: usize, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        let _one = self.change();
        let members = self.members();
        let before: Vec<_> = members.iter().filter(|member| member.at == at).collect();
        let known: Vec<_> = before.iter().filter_map(|member| member.address).collect();
        self.tally.upstream_resolved(&self.name, &self.written[at], !addresses.is_empty());
        // A name that leads nowhere may do so for a moment only: what it led to before is not worse than nothing.
        if addresses.is_empty() || known == addresses {
            return;
        }
        let now = addresses.iter().map(|address| {
            let same = before.iter().find(|member| member.address == Some(*address));
            same.map_or_else(|| Member::new(at, Some(*address)), |member| (*member).clone())
        });
        let mut next: Vec<_> = members.iter().filter(|member| member.at < at).cloned().collect();
        next.extend(now);
        next.extend(members.iter().filter(|member| member.at > at).cloned());
        self.members.store(Arc::new(next));
        let count = addresses.len();
        tracing::info!(
            upstream = self.name,
            address = self.written[at],
            count,
            "an upstream's name leads elsewhere"
        );
        self.show();
    }

    /// A request to `member` failed for this.
    pub(super) fn failed(&self, member: &Member, reason: &'static str) {
        self.tally.upstream_address_failed(&self.name, &self.written[member.at], reason);
        let change = member.change(|health| health.failed(millis(), &self.policy));
        self.tell(change, member, reason);
    }

    /// A request to `member` was answered.
    pub(super) fn answered(&self, member: &Member) {
        if member.state.is_uneven.load(Ordering::Relaxed) {
            let change = member.change(Health::answered);
            self.tell(change, member, "answered");
        }
    }

    /// A check of `member` passed, or failed for this.
    pub(super) fn checked(&self, member: &Member, outcome: Result<(), &'static str>) {
        let word = outcome.err().unwrap_or("check_passed");
        let counted = outcome.err().unwrap_or("ok");
        self.tally.upstream_checked(&self.name, &self.written[member.at], counted);
        let change = member.change(|health| health.checked(outcome.is_ok(), &self.policy));
        self.tell(change, member, word);
    }

    /// Whether `member` is asked like any other.
    pub(super) fn is_in(&self, member: &Member) -> bool {
        member.state.from.load(Ordering::Relaxed) == 0
    }

    /// Whether this request is the one that tries a `member` that is left out.
    pub(super) fn may_try(&self, member: &Member) -> bool {
        let from = member.state.from.load(Ordering::Relaxed);
        if from == 0 || from == Millis::MAX || millis() < from {
            return false;
        }
        let mut tries = false;
        member.change(|health| {
            let now = millis();
            // Between the look and the lock another request may have been the one.
            if matches!(health.standing(), Standing::Until(until) if until <= now) {
                health.tries(now, &self.policy);
                tries = true;
            }
            Change::Nothing
        });
        tries
    }

    /// The request that was to try `member` has not: the next one may.
    pub(super) fn untried(&self, member: &Member) {
        member.change(|health| {
            health.untried(millis());
            Change::Nothing
        });
    }

    /// This request asks `member` because all are left out: what it says counts.
    pub(super) fn asks_anyway(&self, member: &Member) {
        member.change(|health| {
            health.tries(millis(), &self.policy);
            Change::Nothing
        });
    }

    /// Shows anew which addresses there are, in and out.
    pub(super) fn begins(&self) {
        // What checks said holds for nobody where there are none any more.
        if self.policy.check_fails == u32::MAX {
            for member in self.members().iter() {
                member.change(|health| health.checked(true, &self.policy));
            }
        }
        let _one = self.change();
        self.show();
    }

    /// Shows nothing any more.
    pub(super) fn ends(&self) {
        let _one = self.change();
        self.is_past.store(true, Ordering::Relaxed);
        for address in &self.written {
            self.tally.upstream_addresses(&self.name, address, None);
        }
    }

    fn tell(&self, change: Change, member: &Member, reason: &'static str) {
        let (upstream, written) = (self.name.as_str(), self.written[member.at].as_str());
        let address = member.address.map(|address| address.to_string());
        let address = address.as_deref().unwrap_or(written);
        match change {
            Change::Nothing => return,
            Change::Leaves => {
                self.tally.upstream_ejected(upstream, written, reason);
                tracing::warn!(upstream, address, reason, "an address of an upstream is left out");
            }
            Change::Returns => {
                tracing::info!(upstream, address, reason, "an address of an upstream is asked again");
            }
        }
        let _one = self.change();
        self.show();
    }

    fn show(&self) {
        if self.is_past.load(Ordering::Relaxed) {
            return;
        }
        let members = self.members.load();
        for (at, written) in self.written.iter().enumerate() {
            let of_it = || members.iter().filter(|member| member.at == at);
            let is_in = of_it().filter(|member| self.is_in(member)).count();
            self.tally.upstream_addresses(&self.name, written, Some((is_in, of_it().count() - is_in)));
        }
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Member ===

impl Member {
    fn new(at: usize, address: Option<SocketAddr>) -> Self {
        let state =
            State { health: Mutex::default(), from: AtomicU64::new(0), is_uneven: AtomicBool::new(false) };
        Self { at, address, state: Arc::new(state) }
    }

    /// Whether both are one address, and what is known of the one is known of the other.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    fn change(&self, change: impl FnOnce(&mut Health) -> Change) -> Change {
        let mut health = self.state.health.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut health);
        let from = match health.standing() {
            Standing::In => 0,
            Standing::Until(until) => until.max(1),
            Standing::Out => Millis::MAX,
        };
        self.state.from.store(from, Ordering::Relaxed);
        self.state.is_uneven.store(health.is_uneven(), Ordering::Relaxed);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Upstream;

    fn destination(hosts: &[&str]) -> Destination {
        let address = |host: &&str| Upstream::Http { host: (*host).to_owned(), port: 80, http2: false };
        Destination {
            name: "app".into(),
            addresses: hosts.iter().map(address).collect(),
            spread: Some(Spread { max_fails: 1, ..Spread::default() }),
            ..Upstream::Unix("/x".into()).into()
        }
    }

    fn group(hosts: &[&str]) -> Group {
        let to = destination(hosts);
        let spread = to.spread.clone().unwrap();
        Group::new(&to, &spread, Arc::default())
    }

    fn ips(last: &[u8]) -> Vec<SocketAddr> {
        last.iter().map(|last| ([10, 0, 0, *last], 80).into()).collect()
    }

    fn addresses(group: &Group) -> Vec<(usize, Option<SocketAddr>)> {
        group.members().iter().map(|member| (member.at, member.address)).collect()
    }

    #[test]
    fn a_name_is_each_of_its_addresses_and_what_is_known_of_one_stays() {
        let group = group(&["a.test", "10.0.0.9"]);
        assert_eq!(addresses(&group), [(0, None), (1, None)], "nothing is waited for");
        group.resolved(0, ips(&[2, 1, 2]));
        let [one, two] = ips(&[1, 2])[..] else { unreachable!() };
        assert_eq!(addresses(&group), [(0, Some(one)), (0, Some(two)), (1, None)]);
        let before = group.members();
        group.failed(&before[1], "upstream_connect");
        group.resolved(0, ips(&[2, 3]));
        let now = group.members();
        assert!(now[0].is(&before[1]) && !group.is_in(&now[0]), "it is left out still");
        assert!(now.iter().all(|member| !member.is(&before[0])) && group.is_in(&now[1]));
    }

    #[test]
    fn a_name_that_leads_nowhere_leaves_everything_as_it_was() {
        let group = group(&["a.test"]);
        group.resolved(0, ips(&[1]));
        let before = group.members();
        group.resolved(0, vec![]);
        group.resolved(0, ips(&[1]));
        assert!(group.are(&before));
    }

    #[test]
    fn another_configuration_knows_what_this_one_knew_of_the_same_addresses() {
        let old = group(&["a.test", "10.0.0.9", "10.0.0.8"]);
        old.resolved(0, ips(&[1]));
        let members = old.members();
        old.failed(&members[0], "upstream_connect");
        old.failed(&members[1], "upstream_connect");
        let next = group(&["10.0.0.7", "10.0.0.9", "a.test"]).knowing(&old, true);
        let in_or_out: Vec<_> = next.members().iter().map(|member| (member.at, next.is_in(member))).collect();
        assert_eq!(in_or_out, [(0, true), (1, false), (2, false)]);
        let unresolved = group(&["a.test"]).knowing(&old, false);
        assert_eq!(addresses(&unresolved), [(0, None)]);
    }

    #[test]
    fn what_a_check_said_does_not_outlive_the_checks() {
        use crate::config::settings::HealthCheck;
        let (second, path) = (std::time::Duration::from_secs(1), "/up".to_owned());
        let check = HealthCheck { path, interval: second, timeout: second, status: 200..=200, fails: 1 };
        let to = destination(&["10.0.0.9"]);
        let checked = Spread { check: Some(check), ..Spread::default() };
        let old = Group::new(&to, &checked, Arc::default());
        old.checked(&old.members()[0], Err("check_status"));
        let is_in = |next: Group| {
            next.begins();
            next.is_in(&next.members()[0])
        };
        assert!(!is_in(Group::new(&to, &checked, Arc::default()).knowing(&old, true)));
        assert!(is_in(group(&["10.0.0.9"]).knowing(&old, true)));
    }

    #[test]
    fn one_request_alone_tries_what_is_left_out() {
        let group = group(&["10.0.0.9"]);
        let member = &group.members()[0];
        group.failed(member, "upstream_connect");
        assert!(!group.may_try(member), "not yet");
        member.change(|health| {
            health.tries(0, &Policy { eject_time: 0, ..group.policy });
            Change::Nothing
        });
        let tries = (0..10).filter(|_| group.may_try(member)).count();
        assert_eq!(tries, 1);
        group.answered(member);
        assert!(group.is_in(member));
    }
}
