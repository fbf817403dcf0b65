//! The admin listener: `/livez`, `/readyz`, `/metrics`. GET only; it changes nothing.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use http::header::HOST;
use http::{Method, Request};
use hyper::body::Incoming;

use super::Telemetry;
use crate::body::Answer;
use crate::listen::{Handler, Peer};
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
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Answer {
        if request.method() != Method::GET {
            return reply::not_found();
        }
        if !request.headers().get(HOST).is_none_or(|host| is_of_ones_own_network(host.as_bytes())) {
            return reply::not_asked_by_name();
        }
        let unready = if !self.provider.ready() {
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
                self.telemetry.metrics.render(unready.is_none(), self.telemetry.records_lost()),
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            _ => reply::not_found(),
        }
    }
}

/// Names that nobody can register, below which a network's own are.
const PRIVATE: [&str; 6] = [".local", ".localhost", ".internal", ".svc", ".lan", ".home.arpa"];

/// Whether a `Host` is an address, or a name that no page in the world can have.
///
/// Threat: a page of `evil.example` whose name is made to lead here (DNS rebinding) reads what only machines should;
/// a browser then says the page's name. Scrapers and probes say an address, or a name of their own network.
fn is_of_ones_own_network(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    if host.starts_with('[') {
        return true;
    }
    let name =
        host.rsplit_once(':').map_or(host, |(name, _)| name).trim_end_matches('.').to_ascii_lowercase();
    name.parse::<Ipv4Addr>().is_ok() || !name.contains('.') || PRIVATE.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::is_of_ones_own_network;

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
        ] {
            assert!(is_of_ones_own_network(own.as_bytes()), "{own}");
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
            assert!(!is_of_ones_own_network(others.as_bytes()), "{others}");
        }
        assert!(!is_of_ones_own_network(b"\xff"));
    }
}
