//! What a running process cannot change: what it has bound, started or connected by. ★

use std::path::Path;

use crate::config::settings::{Config, Tls};

/// The keys in which `next` differs from `now` and that count at a start alone.
pub(super) fn fixed(now: &Config, next: &Config) -> Vec<&'static str> {
    let redirect = |tls: &Option<Tls>| tls.as_ref().and_then(|tls| tls.redirect_listen);
    let ((was, is), (old, new)) = ((&now.limits, &next.limits), (&now.provider, &next.provider));
    let store = |config: &Config| config.session.store.clone().map(|store| store.without_secrets());
    let traces = |config: &Config| config.traces.clone().map(|traces| traces.without_secrets());
    let differ = [
        ("listen", now.listen != next.listen),
        ("admin_listen", now.admin_listen != next.admin_listen),
        ("control_socket", now.control_socket != next.control_socket),
        ("workers", now.workers != next.workers),
        ("[tls] as a whole", now.tls.is_some() != next.tls.is_some()),
        ("tls.redirect_listen", redirect(&now.tls) != redirect(&next.tls)),
        ("the provider's issuer or user_pool_id", old.kind != new.kind || old.issuer != new.issuer),
        ("the provider's additional_issuers", old.additional_issuers != new.additional_issuers),
        ("the provider's client_id", old.client_id != new.client_id),
        ("the provider's way in dev", old.shortcut != new.shortcut),
        ("session.store or a key that begins so", store(now) != store(next)),
        ("limits.target", was.target != is.target),
        ("limits.header_bytes", was.header_bytes != is.header_bytes),
        ("limits.header_count", was.header_count != is.header_count),
        ("limits.header_timeout", was.header_timeout != is.header_timeout),
        ("limits.idle_timeout", was.idle_timeout != is.idle_timeout),
        ("limits.body_idle_timeout", was.body_idle_timeout != is.body_idle_timeout),
        ("http2_cleartext", now.http2_cleartext != next.http2_cleartext),
        ("limits.http2_streams", was.http2.streams != is.http2.streams),
        ("limits.http2_window", was.http2.window != is.http2.window),
        ("limits.http2_send_buffer", was.http2.send_buffer != is.http2.send_buffer),
        ("limits.http2_ping", was.http2.ping != is.http2.ping),
        ("log.format", now.log.format != next.log.format),
        ("log.level", now.log.level != next.log.level),
        ("log.audit_chain", now.log.audit_chain != next.log.audit_chain),
        ("telemetry", traces(now) != traces(next)),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// What files of these keys hold counts from the next start on; until then what they held does. `is_new`: whether a
/// file holds something else than when the configuration was last read.
pub(super) fn late(now: &Config, next: &Config, is_new: impl Fn(&Path) -> bool) -> Vec<&'static str> {
    let store_bundle = next.session.store.as_ref().and_then(|store| store.tls.as_ref()?.ca_file.as_deref());
    let collectors_bundle = next.traces.as_ref().and_then(|traces| traces.ca_file.as_deref());
    let differ = [
        ("session.store's passwords or certificate", now.session.store != next.session.store),
        ("session.store_ca_file", store_bundle.is_some_and(&is_new)),
        ("telemetry.otlp_headers_file", now.traces != next.traces),
        ("telemetry.otlp_ca_file", collectors_bundle.is_some_and(&is_new)),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Overrides};

    fn with(change: &[(&str, &str)]) -> Config {
        let mut text = "public_url = \"https://app.test\"\nupstream = \"http://127.0.0.1:8080\"\n\
            required_roles = [\"user\"]\nworkers = 1\n[cognito]\nuser_pool_id = \"eu-central-1_AbCdEf123\"\n\
            client_id = \"1h57kf5cpq17m0eml12EXAMPLE\"\n[session]\n\
            keys = [\"3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\"]\nstore = \"redis://127.0.0.1:1\"\n\
            store_user = \"gate\"\nstore_password = \"one-of-the-store\"\n[limits]\ntarget = 8192\n\
            header_timeout = \"10s\"\nhttp2_streams = 100\nhttp2_window = 131072\n\
            http2_send_buffer = 131072\nhttp2_ping = \"30s\"\n[log]\nlevel = \"info\"\naccess = true\n"
            .to_owned();
        for (now, next) in change {
            assert!(text.contains(now), "{now}");
            text = text.replace(now, next);
        }
        config::from_text("a.toml", &text, &[], &Overrides::default())
            .unwrap_or_else(|told| panic!("{told}"))
            .config
    }

    #[test]
    fn what_only_a_restart_changes_is_named_by_its_key() {
        let cases = [
            ("header_timeout = \"10s\"", "header_timeout = \"9s\"", "limits.header_timeout"),
            ("target = 8192", "target = 4096", "limits.target"),
            ("level = \"info\"", "level = \"debug\"", "log.level"),
            ("1h57kf5cpq17m0eml12EXAMPLE", "2h57kf5cpq17m0eml12EXAMPLE", "the provider's client_id"),
            ("AbCdEf123", "AbCdEf124", "the provider's issuer or user_pool_id"),
            ("127.0.0.1:1", "127.0.0.1:2", "session.store or a key that begins so"),
            ("workers = 1", "workers = 2", "workers"),
            ("workers = 1", "workers = 1\nhttp2_cleartext = true", "http2_cleartext"),
            ("http2_streams = 100", "http2_streams = 101", "limits.http2_streams"),
            ("http2_window = 131072", "http2_window = 262144", "limits.http2_window"),
            ("http2_send_buffer = 131072", "http2_send_buffer = 262144", "limits.http2_send_buffer"),
            ("http2_ping = \"30s\"", "http2_ping = \"off\"", "limits.http2_ping"),
        ];
        for (now, next, key) in cases {
            assert_eq!(fixed(&with(&[]), &with(&[(now, next)])), [key]);
        }
        assert_eq!(
            fixed(&with(&[]), &with(&[("access = true", "access = false"), ("\"user\"", "\"all\"")])),
            [""; 0]
        );
    }

    #[test]
    fn a_password_of_the_store_that_is_rotated_keeps_nothing_from_being_taken() {
        let (now, next) = (with(&[]), with(&[("one-of-the-store", "two-of-the-store")]));
        assert_eq!(fixed(&now, &next), [""; 0]);
        assert_eq!(late(&now, &next, |_| false), ["session.store's passwords or certificate"]);
        assert_eq!(late(&now, &now, |_| true), [""; 0], "there is no bundle");
    }
}
