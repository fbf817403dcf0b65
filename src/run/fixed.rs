//! What a running process cannot change: what it has bound, started or connected by. ★

use crate::config::settings::{Config, Limits, Tls};

/// The keys in which `next` differs from `now` and that count at a start alone.
pub(super) fn fixed(now: &Config, next: &Config) -> Vec<&'static str> {
    let redirect = |tls: &Option<Tls>| tls.as_ref().and_then(|tls| tls.redirect_listen);
    let parser = |limits: &Limits| {
        let Limits { target, header_bytes, header_count, .. } = *limits;
        (
            target,
            header_bytes,
            header_count,
            limits.header_timeout,
            limits.idle_timeout,
            limits.body_idle_timeout,
        )
    };
    let log = |config: &Config| (config.log.format, config.log.level.clone(), config.log.audit_chain);
    let differ = [
        ("listen", now.listen != next.listen),
        ("admin_listen", now.admin_listen != next.admin_listen),
        ("control_socket", now.control_socket != next.control_socket),
        ("workers", now.workers != next.workers),
        ("tls, as a whole", now.tls.is_some() != next.tls.is_some()),
        ("tls.redirect_listen", redirect(&now.tls) != redirect(&next.tls)),
        ("the provider: its pool or issuer, its client_id", !now.provider.is_the_same(&next.provider)),
        ("session.store and what belongs to it", now.session.store != next.session.store),
        (
            "limits: target, header_bytes, header_count, header_timeout, idle_timeout, body_idle_timeout",
            parser(&now.limits) != parser(&next.limits),
        ),
        ("log: format, level, audit_chain", log(now) != log(next)),
        ("telemetry", now.traces != next.traces),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
