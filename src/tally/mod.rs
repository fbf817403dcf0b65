//! What is counted as it happens, and what is told of it: everything may reach it, nothing decides by it. ★
//!
//! Labels are `&'static str` or come from the configuration: nothing that a client sends can become one. Whoever
//! counts is handed the tally when it is made, or has one of its own that nobody reads; `telemetry` shows it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

mod event;
mod spread;
mod timing;

pub use event::{Event, Trail};
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

/// `{step}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Step {
    /// `begun`, `restarted`, `stale`, `signed_in`.
    pub step: &'static str,
}

/// `{cause, error}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Failure {
    /// The refusal's code.
    pub cause: &'static str,
    /// What the pool called it in the callback; empty where it said nothing.
    pub error: &'static str,
}

/// `{by}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct By {
    /// `user`, `user_everywhere`, `login`, `operator`.
    pub by: &'static str,
}

/// `{outcome, reason}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refresh {
    /// `renewed`, `rejected`, `outage`, `joined`, `shared`.
    pub outcome: &'static str,
    /// Why not; empty otherwise.
    pub reason: &'static str,
}

/// `{call, outcome, error}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolCall {
    /// `code`, `refresh`, `revoke`, `discovery`, `keys`.
    pub call: &'static str,
    /// `ok`, `refused`, `unreachable`, `timeout`, `bad_answer`.
    pub outcome: &'static str,
    /// The OAuth error code, where there is one: of those that are known, or `other`.
    pub error: &'static str,
}

/// `{call}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Call {
    /// As in [`PoolCall`].
    pub call: &'static str,
}

/// `{reason}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// A stable code.
    pub reason: &'static str,
}

/// `{upstream, address, state}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AddressState {
    /// The upstream's name in the configuration.
    pub upstream: String,
    /// The address as the configuration has it: what its name leads to is counted there.
    pub address: String,
    /// `in` or `out`.
    pub state: &'static str,
}

/// `{upstream, address, reason}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AddressReason {
    /// As in [`AddressState`].
    pub upstream: String,
    /// As there.
    pub address: String,
    /// A stable code.
    pub reason: &'static str,
}

/// `{upstream, address, outcome}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AddressOutcome {
    /// As in [`AddressState`].
    pub upstream: String,
    /// As there.
    pub address: String,
    /// `ok`, or a stable code.
    pub outcome: &'static str,
}

/// `{side}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Side {
    /// `front` or `upstream`.
    pub side: &'static str,
}

/// `{outcome}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `ok`, or a stable code.
    pub outcome: &'static str,
}

/// `{call, outcome}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StoreCall {
    /// `session`, `index`, `log`.
    pub call: &'static str,
    /// `ok`, or a stable code.
    pub outcome: &'static str,
}

/// What became of opening a pass. Each is at hand: there is one a request.
#[derive(Debug, Clone)]
pub struct Passes {
    /// All of them, to be shown.
    pub all: Family<Outcome, Busy>,
    /// The key that seals now had sealed it.
    pub current: Busy,
    /// An older key had.
    pub older: Busy,
    /// No key of ours opens it, or what it holds is no session.
    pub unreadable: Busy,
    /// It opens, and was called off.
    pub called_off: Busy,
}

/// What came of a session that a pass names.
#[derive(Debug, Clone)]
pub struct Visits {
    /// All of them, to be shown.
    pub all: Family<Outcome, Busy>,
    /// It counts.
    pub served: Busy,
    /// It is over, or cannot be refreshed any more.
    pub over: Busy,
    /// The pool cannot be reached, and it needs that.
    pub pool_outage: Busy,
    /// The store cannot be reached, and it needs that.
    pub store_outage: Busy,
    /// The browser does not keep the tokens that go with it.
    pub tokens_not_kept: Busy,
    /// What a refresh brought does not fit into cookies.
    pub too_large: Busy,
}

/// A time that is measured now and then.
#[derive(Debug, Clone)]
pub struct Slow(pub Histogram);

/// The same of each kind of call.
#[derive(Debug, Clone)]
pub struct SlowCalls(pub Family<Call, Histogram, fn() -> Histogram>);

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

impl Default for Passes {
    fn default() -> Self {
        let all = Family::<Outcome, Busy>::default();
        let of = |outcome| all.get_or_create_owned(&Outcome { outcome });
        Self {
            current: of("current_key"),
            older: of("older_key"),
            unreadable: of("unreadable"),
            called_off: of("called_off"),
            all: all.clone(),
        }
    }
}

impl Default for Visits {
    fn default() -> Self {
        let all = Family::<Outcome, Busy>::default();
        let of = |outcome| all.get_or_create_owned(&Outcome { outcome });
        Self {
            served: of("served"),
            over: of("over"),
            pool_outage: of("pool_outage"),
            store_outage: of("store_outage"),
            tokens_not_kept: of("tokens_not_kept"),
            too_large: of("too_large"),
            all: all.clone(),
        }
    }
}

impl Default for Slow {
    fn default() -> Self {
        Self(slow())
    }
}

impl Default for SlowCalls {
    fn default() -> Self {
        Self(Family::new_with_constructor(slow))
    }
}

/// For calls that leave this machine.
fn slow() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// One of the codes that OAuth and OpenID Connect have, or `other`: what a pool or a callback says is text from outside.
fn known_error(said: &str) -> &'static str {
    const KNOWN: [&str; 17] = [
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_token",
        "login_required",
        "server_error",
        "slow_down",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
        "unsupported_token_type",
    ];
    KNOWN.into_iter().find(|known| *known == said).unwrap_or("other")
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
