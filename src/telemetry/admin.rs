//! The admin listener: `/livez`, `/readyz`, `/metrics`. GET only; it changes nothing.

use std::sync::Arc;

use http::{Method, Request};
use hyper::body::Incoming;

use super::Telemetry;
use crate::body::Answer;
use crate::listen::{Handler, Peer};
use crate::provider::Provider;
use crate::reply;

/// Answers the admin listener.
pub struct Admin {
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// Whether it is ready.
    pub provider: Arc<Provider>,
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Answer {
        if request.method() != Method::GET {
            return reply::not_found();
        }
        let ready = self.provider.ready();
        match request.uri().path() {
            "/livez" => reply::plain(true, "ok\n".into(), "text/plain; charset=utf-8"),
            "/readyz" if ready => reply::plain(true, "ready\n".into(), "text/plain; charset=utf-8"),
            "/readyz" => reply::plain(
                false,
                "not ready: the provider's discovery document or keys have not been read yet\n".into(),
                "text/plain; charset=utf-8",
            ),
            "/metrics" => reply::plain(
                true,
                self.telemetry.metrics.render(ready, self.telemetry.records_lost()),
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
            _ => reply::not_found(),
        }
    }
}
