//! The cleartext listener beside TLS: sends browsers to https. Forwards nothing, reads and sets no cookie.
//!
//! Threats: an address of the client's choosing in `Location`, so only public origins stand there; and a POST that
//! a redirect would quietly send again, its body read by anyone on the way the first time, so it is refused.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;

use crate::ask::{Ask, Kind, Sender};
use crate::body::Answer;
use crate::config::settings::Config;
use crate::listen::{Handler, Lost, Peer};
use crate::refusal::Refusal;
use crate::reply::{self, Context, Language, Reply};
use crate::rule::path::PathRefusal;
use crate::telemetry::{Record, Telemetry};

/// Answers the cleartext listener.
pub struct Redirect {
    /// For the public origins, and the limits that hold here as well; a request goes by what it is at its head.
    pub config: Arc<ArcSwap<Config>>,
    /// Records and metrics.
    pub telemetry: Arc<Telemetry>,
}

// === impl Redirect ===

impl Handler for Redirect {
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let config = self.config.load_full();
        let mut context = self.context(&config, &request);
        let (telemetry, request_id) = (self.telemetry.clone(), context.request_id.clone());
        let mut record = Record::begin(telemetry, request_id, request.method(), &peer);
        let (head, _) = request.into_parts();
        let mut answer = match Self::destination(&config, &head, peer, &mut record) {
            Ok(to) => reply::from_reply(Reply::Moved(to), &context),
            Err(refusal) => {
                record.refused(refusal.code());
                context.hear(&head.headers);
                reply::from_refusal(&refusal, &context)
            }
        };
        // Whoever was here once goes elsewhere from now on.
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        record.end(answer.status());
        answer
    }

    fn is_balancer(&self, address: IpAddr) -> bool {
        self.config.load().is_balancer(address)
    }

    fn lost(&self, why: Lost) {
        self.telemetry.metrics.lost(why);
    }
}

impl Redirect {
    /// The same target at the public origin that Host names, whatever its port; at the first one otherwise.
    fn destination(
        config: &Config,
        head: &http::request::Parts,
        peer: Peer,
        record: &mut Record,
    ) -> Result<String, Refusal> {
        if peer.target_was_cut {
            return Err(Refusal::Path(PathRefusal::Byte));
        }
        let sender = Sender { address: peer.address.ip(), nameless: peer.nameless };
        let ask = Ask::read(head, sender, false, config)?;
        let client = HeaderValue::try_from(ask.client.to_string()).map_err(|_| Refusal::Host)?;
        let ask = Rc::new(ask);
        record.asked(&ask, &client);
        if !matches!(ask.method, Method::GET | Method::HEAD) {
            return Err(Refusal::Cleartext);
        }
        let origins = &config.origins;
        let named = origins.iter().find(|origin| origin.host == ask.host);
        let origin = named.or(origins.first()).ok_or(Refusal::Misdirected)?;
        record.moved();
        Ok(format!("{origin}{}", ask.target()))
    }

    fn context(&self, config: &Config, request: &Request<Incoming>) -> Context {
        Context {
            kind: Kind::of(request.method(), request.headers()),
            method: request.method().clone(),
            request_id: self.telemetry.request_id(),
            auth_prefix: config.auth_prefix.clone(),
            bearer: false,
            templates: config.pages.templates.clone(),
            target: None,
            cookies: vec![],
            language: Language::default(),
        }
    }
}
