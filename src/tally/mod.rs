//! What is counted as it happens, and what is told of it: everything may reach it, nothing decides by it. ★
//!
//! Labels are `&'static str` or come from the configuration: nothing that a client sends can become one. Whoever
//! counts is handed the tally when it is made, or has one of its own that nobody reads; `telemetry` shows it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

mod at_hand;
mod event;
mod labels;
mod slow;
mod spread;
mod timing;

pub use at_hand::{Passes, Visits};
pub use event::{Event, Trail};
use labels::known_error;
pub use labels::{
    AddressOutcome, AddressReason, AddressState, By, Call, Failure, Outcome, PoolCall, Reason, Refresh, Side,
    Step, StoreCall,
};
pub use slow::{Slow, SlowCalls};
pub use spread::Spread;
pub use timing::Timing;

/// A counter that many threads use on the way of each request.
pub type Busy = Counter<u64, Spread>;

/// The counts of one gate.
#[derive(Debug, Default)]
pub struct Tally {
    /// Logins, by how far they came.
    pub login_steps: Family<Step, Counter>,
    /// Logins that came to nothing, by cause.
    pub login_failures: Family<Failure, Counter>,
    /// Sessions that were ended before their time, by whom.
    pub sign_outs: Family<By, Counter>,
    /// Refreshes of sessions.
    pub refreshes: Family<Refresh, Counter>,
    /// Calls to the provider.
    pub pool_calls: Family<PoolCall, Counter>,
    /// How long those took.
    pub pool_seconds: SlowCalls,
    /// Bearer tokens that did not count.
    pub bearer_failures: Family<Reason, Counter>,
    /// Passes that requests brought, by what became of opening them.
    pub passes: Passes,
    /// Requests with a pass that opened, by what came of the session in it.
    pub visits: Visits,
    /// From a request's leaving for the upstream to its answer's head.
    pub upstream_seconds: Timing,
    /// Requests that the upstream left without a usable answer.
    pub upstream_faults: Family<Reason, Counter>,
    /// Addresses of upstreams with several, by whether they are asked.
    pub upstream_addresses: Family<AddressState, Gauge>,
    /// Requests that failed at an address, whether or not another answered.
    pub upstream_address_failures: Family<AddressReason, Counter>,
    /// Addresses that were left out.
    pub upstream_ejections: Family<AddressReason, Counter>,
    /// Checks of addresses.
    pub upstream_checks: Family<AddressOutcome, Counter>,
    /// Names of addresses that were resolved.
    pub upstream_resolutions: Family<AddressOutcome, Counter>,
    /// Requests that wait for a connection to the upstream.
    pub upstream_waiting: Gauge,
    /// Connections that are open, by side.
    pub open_connections: Family<Side, Gauge>,
    /// Connections that were refused, by what is full.
    pub refused_connections: Family<Reason, Counter>,
    /// Connections that were opened.
    pub connections: Family<Side, Counter>,
    /// WebSockets and event streams that are open.
    pub open_streams: Gauge,
    /// TLS handshakes on the front.
    pub handshakes: Family<Outcome, Counter>,
    /// Calls to the shared store.
    pub store_calls: Family<StoreCall, Counter>,
    /// How long those took.
    pub store_seconds: Slow,
    /// Panics. Each ended one connection or one piece of work, and no more.
    pub panics: Counter,
    /// Where what must be accounted for is written down.
    pub trail: Trail,
}

/// One more connection, or one that waits, for as long as it lives.
#[derive(Debug)]
pub struct Connected(Gauge);

// === impl Tally ===

impl Tally {
    /// A tally that shows what is bound to happen from the start on, so that the first time is an increase.
    pub fn new() -> Self {
        let tally = Self::default();
        for step in ["begun", "restarted", "stale", "signed_in"] {
            drop(tally.login_steps.get_or_create(&Step { step }));
        }
        for by in ["user", "user_everywhere", "login", "operator"] {
            drop(tally.sign_outs.get_or_create(&By { by }));
        }
        for outcome in ["renewed", "joined", "shared"] {
            drop(tally.refreshes.get_or_create(&Refresh { outcome, reason: "" }));
        }
        // A secret that the pool does not take any more may show in one call alone.
        for call in ["code", "refresh"] {
            let refused = PoolCall { call, outcome: "refused", error: "invalid_client" };
            drop(tally.pool_calls.get_or_create(&refused));
        }
        for side in ["front", "upstream"] {
            drop(tally.open_connections.get_or_create(&Side { side }));
            drop(tally.connections.get_or_create(&Side { side }));
        }
        for reason in ["connections", "connections_per_address"] {
            drop(tally.refused_connections.get_or_create(&Reason { reason }));
        }
        tally
    }

    /// A login came to this step.
    pub fn login(&self, step: &'static str) {
        self.login_steps.get_or_create(&Step { step }).inc();
    }

    /// A login came to nothing. `said`: what the pool called it.
    pub fn login_failed(&self, cause: &'static str, said: Option<&str>) {
        let error = said.map_or("", known_error);
        self.login_failures.get_or_create(&Failure { cause, error }).inc();
    }

    /// A session was ended before its time.
    pub fn signed_out(&self, by: &'static str) {
        self.sign_outs.get_or_create(&By { by }).inc();
    }

    /// A refresh ended so.
    pub fn refreshed(&self, outcome: &'static str, reason: &'static str) {
        self.refreshes.get_or_create(&Refresh { outcome, reason }).inc();
    }

    /// A call to the provider ended so, after `seconds`. `error`: the OAuth code that it was refused with.
    pub fn pool_called(&self, call: &'static str, outcome: &'static str, error: Option<&str>, seconds: f64) {
        let error = error.map_or("", known_error);
        self.pool_calls.get_or_create(&PoolCall { call, outcome, error }).inc();
        self.pool_seconds.0.get_or_create(&Call { call }).observe(seconds);
    }

    /// A bearer token did not count.
    pub fn bearer_failed(&self, reason: &'static str) {
        self.bearer_failures.get_or_create(&Reason { reason }).inc();
    }

    /// The upstream gave no usable answer.
    pub fn upstream_failed(&self, reason: &'static str) {
        self.upstream_faults.get_or_create(&Reason { reason }).inc();
    }

    /// A connection was refused, because this is full.
    pub fn refused_connection(&self, reason: &'static str) {
        self.refused_connections.get_or_create(&Reason { reason }).inc();
    }

    /// So many addresses behind this one are asked, and so many left out; `None`: it is none any more.
    pub fn upstream_addresses(&self, upstream: &str, address: &str, counts: Option<(usize, usize)>) {
        let of = |state| AddressState { upstream: upstream.into(), address: address.into(), state };
        let Some((asked, left_out)) = counts else {
            for state in ["in", "out"] {
                self.upstream_addresses.remove(&of(state));
            }
            return;
        };
        for (state, count) in [("in", asked), ("out", left_out)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.upstream_addresses.get_or_create(&of(state)).set(count);
        }
        // From the start on, so that the first time is an increase.
        let (upstream, address, reason) = (upstream.into(), address.into(), "upstream_connect");
        let first = AddressReason { upstream, address, reason };
        drop(self.upstream_address_failures.get_or_create(&first));
        drop(self.upstream_ejections.get_or_create(&first));
    }

    /// A request to an address failed.
    pub fn upstream_address_failed(&self, upstream: &str, address: &str, reason: &'static str) {
        let labels = AddressReason { upstream: upstream.into(), address: address.into(), reason };
        self.upstream_address_failures.get_or_create(&labels).inc();
    }

    /// An address is left out from now on.
    pub fn upstream_ejected(&self, upstream: &str, address: &str, reason: &'static str) {
        let labels = AddressReason { upstream: upstream.into(), address: address.into(), reason };
        self.upstream_ejections.get_or_create(&labels).inc();
    }

    /// A check of an address ended so.
    pub fn upstream_checked(&self, upstream: &str, address: &str, outcome: &'static str) {
        let labels = AddressOutcome { upstream: upstream.into(), address: address.into(), outcome };
        self.upstream_checks.get_or_create(&labels).inc();
    }

    /// A name led somewhere, or nowhere.
    pub fn upstream_resolved(&self, upstream: &str, address: &str, outcome: bool) {
        let outcome = if outcome { "ok" } else { "failed" };
        let labels = AddressOutcome { upstream: upstream.into(), address: address.into(), outcome };
        self.upstream_resolutions.get_or_create(&labels).inc();
    }

    /// A handshake ended so.
    pub fn shook_hands(&self, outcome: &'static str) {
        self.handshakes.get_or_create(&Outcome { outcome }).inc();
    }

    /// A call to the store ended so, after `seconds`; `None`: it was asked to wait.
    pub fn store_called(&self, call: &'static str, outcome: &'static str, seconds: Option<f64>) {
        self.store_calls.get_or_create(&StoreCall { call, outcome }).inc();
        if let Some(seconds) = seconds {
            self.store_seconds.0.observe(seconds);
        }
    }

    /// A request waits for the upstream for as long as what is returned lives.
    pub fn waits(&self) -> Connected {
        self.upstream_waiting.inc();
        Connected(self.upstream_waiting.clone())
    }

    /// A connection is open on this side for as long as what is returned lives.
    pub fn connected(&self, side: &'static str) -> Connected {
        self.connections.get_or_create(&Side { side }).inc();
        let open = self.open_connections.get_or_create(&Side { side }).clone();
        open.inc();
        Connected(open)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn what_a_pool_says_is_a_label_only_where_it_is_known() {
        let tally = Tally::new();
        for n in 0..1000 {
            tally.login_failed("pool_error", Some(&format!("made-up-{n}")));
            tally.pool_called("code", "refused", Some(&format!("made-up-{n}")), 0.1);
        }
        tally.pool_called("code", "refused", Some("invalid_grant"), 0.1);
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("failures", "", tally.login_failures.clone());
        registry.register("calls", "", tally.pool_calls.clone());
        encode(&mut text, &registry).unwrap();
        for call in ["code", "refresh"] {
            let rejected = format!("call=\"{call}\",outcome=\"refused\",error=\"invalid_client\"}} 0\n");
            assert!(text.contains(&rejected), "there before it happens: {text}");
        }
        let happened =
            |line: &&str| !line.starts_with('#') && !line.ends_with(" 0") && !line.contains("invalid_client");
        assert_eq!(text.lines().filter(happened).count(), 3, "{text}");
        assert!(
            text.contains("error=\"other\"} 1000") && text.contains("error=\"invalid_grant\"} 1"),
            "{text}"
        );
    }

    #[test]
    fn a_connection_is_open_for_as_long_as_it_lives() {
        let tally = Tally::new();
        let open = || tally.open_connections.get_or_create(&Side { side: "front" }).get();
        let (one, two) = (tally.connected("front"), tally.connected("front"));
        assert_eq!(open(), 2);
        drop((one, two));
        assert_eq!((open(), tally.connections.get_or_create(&Side { side: "front" }).get()), (0, 2));
    }
}
