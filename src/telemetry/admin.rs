//! The admin listener: `/livez`, `/readyz`, `/metrics`. GET only; it changes nothing.

use std::sync::{Arc, OnceLock};

use http::{Method, Request};
use hyper::body::Incoming;

use super::{Moment, Telemetry};
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
