//! The admin listener: `/livez`, `/readyz`, `/metrics`. GET only; it changes nothing.
//!
//! Threat: a page in a browser of the same network that has its own name point here (DNS rebinding) reads what nobody
//! outside should. It needs a name for that, so names that anybody could own are not answered to.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;

use super::{Moment, Telemetry};
use crate::body::Answer;
use crate::config::settings::Config;
use crate::listen::{Handler, Leaving, Peer};
use crate::provider::Provider;
use crate::reply;
use crate::session::store::Store;

/// Answers the admin listener.
pub struct Admin {
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// Whether it is ready.
    pub provider: Arc<Provider>,
    /// And that, where there is one.
    pub store: Arc<OnceLock<Arc<Store>>>,
    /// And whether it is still to be sent anybody.
    pub leaving: Leaving,
    /// For the names that it may have.
    pub config: Arc<ArcSwap<Config>>,
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Answer {
        if !is_asked_for(request.headers(), &self.config.load().admin_hosts) {
            return reply::another_host("no host of this listener: name it in admin_hosts\n".into());
        }
        if !PATHS.contains(&request.uri().path()) {
            return reply::not_found();
        }
        if request.method() != Method::GET {
            return reply::only_get();
        }
        let unready = if self.leaving.has_begun() {
            Some("draining: the gate is about to stop\n")
        } else if !self.provider.ready() {
            Some("not ready: the provider's discovery document or keys have not been read yet\n")
        } else if self.store.get().is_some_and(|store| !store.may_begin()) {
            Some("not ready: the store (session.store) has not been heard yet\n")
        } else {
            None
        };
        match request.uri().path() {
            "/livez" => reply::plain(true, "ok\n".into(), "text/plain; charset=utf-8"),
            "/readyz" => reply::plain(
                unready.is_none(),
                unready.unwrap_or("ready\n").into(),
                "text/plain; charset=utf-8",
            ),
            "/metrics" => reply::plain(
                true,
                self.telemetry.metrics.render(Moment {
                    ready: unready.is_none(),
                    store: self.store.get().map(|store| (store.is_heard(), store.untold())),
                    ..self.telemetry.moment()
                }),
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            _ => reply::not_found(),
        }
    }
}

/// Whether Host is an address, a name that only a private network can have, or one that is `named`. Probes that know
/// none send none; browsers always do.
fn is_asked_for(headers: &HeaderMap, named: &[String]) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => return true,
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        _ => None,
    };
    let Some(host) = host else { return false };
    let host = host.host().to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.strip_suffix('.').unwrap_or(&host);
    bare.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || PRIVATE.iter().any(|suffix| name.ends_with(suffix))
        || named.iter().any(|known| known == name)
}

const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];
/// Ends of names that the public DNS does not have (RFC 6761, RFC 6762, ICANN's resolution 2024.07.29.06), and what a
/// Kubernetes service is called.
const PRIVATE: [&str; 4] = [".localhost", ".local", ".internal", ".svc"];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn is_own(host: &[u8]) -> bool {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_bytes(host).unwrap())]);
        is_asked_for(&headers, &["metrics.example.com".into()])
    }

    #[test]
    fn a_name_that_anybody_could_register_is_not_of_ones_own_network() {
        for own in [
            "10.1.2.3:4181",
            "127.0.0.1",
            "[::1]:4181",
            "[fd00::1]",
            "localhost:4181",
            "gate:4181",
            "rolegate-admin.app.svc:4181",
            "10-1-2-3.app.pod.cluster.local",
            "ip-10-1-2-3.eu-central-1.compute.internal:4181",
            "GATE.LOCAL.",
            "Metrics.example.com:4181",
        ] {
            assert!(is_own(own.as_bytes()), "{own}");
        }
        for others in [
            "evil.example",
            "evil.example:4181",
            "127.0.0.1.evil.example",
            "1.2.3.4.5",
            "0x7f.1",
            "notlocal.example",
            "local.evil.example:4181",
            "evillocal.example.",
        ] {
            assert!(!is_own(others.as_bytes()), "{others}");
        }
        assert!(!is_own(b"\xff"));
    }
}
