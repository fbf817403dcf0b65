//! Counters that say why, as a scrape reads them. Labels come from fixed sets and the configuration: nothing that a
//! client sends becomes one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::decided::{Decided, RequestLabels};
use super::traces::SpanCounts;
use crate::clock;
use crate::listen::Lost;
use crate::tally::{Busy, Event, Tally, Timing};

/// The gate's metrics.
pub struct Metrics {
    registry: Registry,
    tally: Arc<Tally>,
    decided: Decided,
    duration: Timing,
    ready: Gauge,
    lines_lost: Family<LostLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    /// What became of spans.
    pub spans: SpanCounts,
    connections_lost: Family<ConnectionLabels, Counter>,
    store_heard: Gauge,
    untold: Gauge,
    config_successful: Gauge,
    config_success: Gauge<u64, AtomicU64>,
    config_generation: Family<GenerationLabels, Gauge>,
    certificates: Family<CertificateLabels, Gauge<u64, AtomicU64>>,
}

/// What a scrape asks of the moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// Whether logins can begin and tokens be verified.
    pub ready: bool,
    /// Access records that were lost.
    pub records_lost: u64,
    /// Audit lines that were lost.
    pub audit_lost: u64,
    /// Lines of the log that were lost.
    pub log_lost: u64,
    /// Where there is a store: whether it is heard, and how many sign-outs it was not told of.
    pub store: Option<(bool, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    what: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LostLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GenerationLabels {
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    index: u64,
}

// === impl Metrics ===

impl Metrics {
    /// The metrics that show `tally`, and what is counted here.
    pub fn new(tally: Arc<Tally>) -> Self {
        let mut registry = Registry::with_prefix("rolegate");
        let requests = Family::<RequestLabels, Busy>::default();
        let metrics = Self {
            decided: Decided::new(requests.clone()),
            duration: Timing::default(),
            ready: Gauge::default(),
            lines_lost: Family::default(),
            spans: SpanCounts::default(),
            connections_lost: Family::default(),
            reloads: Family::default(),
            store_heard: Gauge::default(),
            untold: Gauge::default(),
            config_successful: Gauge::default(),
            config_success: Gauge::default(),
            config_generation: Family::default(),
            certificates: Family::default(),
            registry: Registry::default(),
            tally: tally.clone(),
        };
        let r = &mut registry;
        r.register("requests", "Requests by decision, reason, rule and class of status", requests);
        let (seconds, timing) = ("From a request's head to its answer's head", metrics.duration.clone());
        r.register_with_unit("answer", seconds, Unit::Seconds, timing);
        r.register("ready", "Whether logins can begin and tokens be verified", metrics.ready.clone());
        let lost = "Lines that standard output or standard error was too slow or too full for";
        r.register("lines_lost", lost, metrics.lines_lost.clone());
        let reloads = "What was read again while the gate runs, by outcome";
        r.register("reloads", reloads, metrics.reloads.clone());
        let heard = "Whether the shared store was heard within two seconds; 1 where there is none";
        r.register("store_heard", heard, metrics.store_heard.clone());
        let untold = "Sign-outs that other gates have not been told of";
        r.register("revocations_untold", untold, metrics.untold.clone());
        let successful = "Whether the configuration was taken when it was last read";
        r.register("config_last_reload_successful", successful, metrics.config_successful.clone());
        let success = "When the configuration was last taken, since 1970";
        let gauge = metrics.config_success.clone();
        r.register_with_unit("config_last_reload_success_timestamp", success, Unit::Seconds, gauge);
        let generation = "Which configuration counts: the beginning of its digest";
        r.register("config_generation", generation, metrics.config_generation.clone());
        let until = "The last second in which a certificate of [tls] counts, since 1970";
        let gauge = metrics.certificates.clone();
        r.register_with_unit("certificate_not_after_timestamp", until, Unit::Seconds, gauge);
        let build: Family<Vec<(&'static str, &'static str)>, Gauge> = Family::default();
        build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
        r.register("build_info", "Which version this is; always 1", build);
        let started: Gauge<u64, AtomicU64> = Gauge::default();
        started.set(clock::now());
        r.register_with_unit("start_time", "When the gate was started, since 1970", Unit::Seconds, started);
        let lost = "Connections that ended without an answer";
        r.register("connections_lost", lost, metrics.connections_lost.clone());
        r.register("spans_sent", "Spans that the collector took", metrics.spans.sent.clone());
        r.register("spans_lost", "Spans that it did not take, or not in time", metrics.spans.lost.clone());
        show(r, &tally);
        // From the start on, so that the first time is an increase.
        for kind in ["access", "audit", "log"] {
            drop(metrics.lines_lost.get_or_create(&LostLabels { kind }));
        }
        for what in ["configuration", "certificates", "client_secret", "session_keys"] {
            for outcome in ["taken", "refused"] {
                drop(metrics.reloads.get_or_create(&ReloadLabels { what, outcome }));
            }
        }
        for why in [Lost::ProxyHeader, Lost::Panic] {
            drop(metrics.connections_lost.get_or_create(&ConnectionLabels { why: why.as_str() }));
        }
        metrics.config_taken(None);
        Self { registry, ..metrics }
    }

    /// Counts one answered request. `rule`: what covered it, if it came so far.
    pub fn decided(
        &self,
        (decision, reason): (&'static str, &'static str),
        rule: Option<&str>,
        status: u16,
        taken: Duration,
    ) {
        self.decided.count(decision, reason, rule.unwrap_or("none"), class(status));
        self.duration.observe(taken);
    }

    /// What has been counted elsewhere.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Counts and writes down one change while the gate runs: `taken`, or `refused` and all as it was.
    pub fn reloaded(&self, what: &'static str, outcome: &'static str) {
        self.reloads.get_or_create(&ReloadLabels { what, outcome }).inc();
        let event = match outcome {
            "refused" => Event::failure("reload", "refused"),
            _ => Event::success("reload").because(outcome),
        };
        self.tally.trail.tell(&event.with("what", what));
    }

    /// The configuration counts from now on; `digest`: in hexadecimal, where it is known.
    pub fn config_taken(&self, digest: Option<&str>) {
        self.config_successful.set(1);
        self.config_success.set(clock::now());
        self.config_generation.clear();
        if let Some(digest) = digest {
            let hash = digest.chars().take(16).collect();
            self.config_generation.get_or_create(&GenerationLabels { hash }).set(1);
        }
    }

    /// What was read is what counts already: nothing is wrong with it any more.
    pub fn config_well(&self) {
        self.config_successful.set(1);
    }

    /// A new configuration was read, and the old one stays.
    pub fn config_refused(&self) {
        self.config_successful.set(0);
    }

    /// These certificates are shown from now on, in the configuration's order: the last second in which each counts.
    pub fn certificates(&self, not_after: impl IntoIterator<Item = u64>) {
        self.certificates.clear();
        for (index, until) in (0_u64..).zip(not_after) {
            self.certificates.get_or_create(&CertificateLabels { index }).set(until);
        }
    }

    /// Counts one connection that ended without an answer.
    pub fn lost(&self, why: Lost) {
        self.connections_lost.get_or_create(&ConnectionLabels { why: why.as_str() }).inc();
    }

    /// The text that a scrape reads.
    pub fn render(&self, moment: Moment) -> String {
        self.ready.set(i64::from(moment.ready));
        let lost = [("access", moment.records_lost), ("audit", moment.audit_lost), ("log", moment.log_lost)];
        for (kind, now) in lost {
            self.lines_lost.get_or_create(&LostLabels { kind }).inner().store(now, Ordering::Relaxed);
        }
        let (heard, untold) = moment.store.unwrap_or((true, 0));
        self.store_heard.set(i64::from(heard));
        self.untold.set(i64::try_from(untold).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Fails only if writing to a String does.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Registers what is counted in the tally.
fn show(r: &mut Registry, tally: &Tally) {
    r.register("login_steps", "Logins by how far they came", tally.login_steps.clone());
    r.register("login_failures", "Logins that came to nothing, by cause", tally.login_failures.clone());
    r.register("sign_outs", "Sessions ended before their time, by whom", tally.sign_outs.clone());
    r.register("refreshes", "Refreshes of sessions by outcome", tally.refreshes.clone());
    r.register("pool_calls", "Calls to the user pool by outcome", tally.pool_calls.clone());
    let pool = "How long calls to the user pool took";
    r.register_with_unit("pool_call", pool, Unit::Seconds, tally.pool_seconds.0.clone());
    let bearer = "Bearer tokens that did not count, by reason";
    r.register("bearer_failures", bearer, tally.bearer_failures.clone());
    r.register("passes", "Passes that came, by what became of opening them", tally.passes.all.clone());
    r.register("visits", "Sessions that came, by what became of them", tally.visits.all.clone());
    let upstream = "From a request's leaving for the upstream to its answer's head";
    r.register_with_unit("upstream_answer", upstream, Unit::Seconds, tally.upstream_seconds.clone());
    let faults = "Requests that the upstream left without a usable answer";
    r.register("upstream_faults", faults, tally.upstream_faults.clone());
    let addresses = "Addresses of upstreams with several, by whether they are asked";
    r.register("upstream_addresses", addresses, tally.upstream_addresses.clone());
    let failures = "Requests that failed at an address, whether or not another answered";
    r.register("upstream_address_failures", failures, tally.upstream_address_failures.clone());
    r.register("upstream_ejections", "Addresses that were left out", tally.upstream_ejections.clone());
    r.register("upstream_checks", "Checks of addresses by outcome", tally.upstream_checks.clone());
    let resolutions = "Names of addresses that were resolved";
    r.register("upstream_resolutions", resolutions, tally.upstream_resolutions.clone());
    let waiting = "Requests that wait for a connection to the upstream";
    r.register("upstream_waiting", waiting, tally.upstream_waiting.clone());
    r.register("open_connections", "Connections that are open", tally.open_connections.clone());
    r.register("connections", "Connections that were opened", tally.connections.clone());
    r.register("open_streams", "WebSockets and event streams that are open", tally.open_streams.clone());
    let refused = "Connections that were refused, by the limit that was reached";
    r.register("connections_refused", refused, tally.refused_connections.clone());
    r.register("tls_handshakes", "TLS handshakes by outcome", tally.handshakes.clone());
    r.register("store_calls", "Calls to the shared store by outcome", tally.store_calls.clone());
    let store = "How long calls to the shared store took";
    r.register_with_unit("store_call", store, Unit::Seconds, tally.store_seconds.0.clone());
    r.register("panics", "Panics; each ended one connection or one piece of work", tally.panics.clone());
}

fn class(status: u16) -> &'static str {
    match status {
        0 => "none",
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(metrics: &Metrics) -> usize {
        metrics.render(Moment::default()).lines().filter(|line| !line.starts_with('#')).count()
    }

    #[test]
    fn rules_beyond_a_bound_are_counted_together() {
        let metrics = Metrics::new(Arc::default());
        let rule = |n: usize| {
            let name = format!("rules[{n}] /{n}/**");
            metrics.decided(("forward", "allowed"), Some(&name), 200, Duration::from_millis(1));
        };
        let before = counted(&metrics);
        (0..10_000).for_each(rule);
        let after = counted(&metrics);
        assert!(after - before <= 1001, "{} series more", after - before);
        let text = metrics.render(Moment::default());
        let other = text.lines().find(|line| line.contains("rule=\"other\"")).unwrap();
        assert!(other.ends_with(&format!(" {}", 10_000 - 1000)), "{other}");
        // Those that were there first go on as themselves.
        rule(0);
        let first = "rule=\"rules[0] /0/**\",class=\"2xx\"} 2";
        assert!(metrics.render(Moment::default()).contains(first));
    }

    #[test]
    fn a_certificate_that_is_gone_is_not_shown_any_more() {
        let metrics = Metrics::new(Arc::default());
        metrics.certificates([100, 200]);
        metrics.certificates([300]);
        let text = metrics.render(Moment::default());
        let lines: Vec<_> =
            text.lines().filter(|line| line.contains("not_after") && !line.starts_with('#')).collect();
        assert_eq!(lines, ["rolegate_certificate_not_after_timestamp_seconds{index=\"0\"} 300"]);
    }

    #[test]
    fn one_generation_is_shown_and_a_refused_one_leaves_it() {
        let metrics = Metrics::new(Arc::default());
        metrics.config_taken(Some("0123456789abcdef0123"));
        metrics.config_taken(Some("fedcba9876543210fedc"));
        metrics.config_refused();
        let text = metrics.render(Moment::default());
        assert!(text.contains("rolegate_config_generation{hash=\"fedcba9876543210\"} 1\n"), "{text}");
        assert!(!text.contains("0123456789abcdef"));
        assert!(text.contains("rolegate_config_last_reload_successful 0\n"));
    }
}
