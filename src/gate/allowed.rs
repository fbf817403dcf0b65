//! A gateway's question: the way of every request, but that the last step is told instead of done.

use std::net::SocketAddr;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use super::{Gate, Trip};
use crate::ask::Kind;
use crate::body::Answer;
use crate::config::settings::{Gateway, GatewayKind};
use crate::forward::Plan;
use crate::gateway::{Asked, Question, not_the_clients};
use crate::listen::Peer;
use crate::refusal::Refusal;
use crate::reply::{self, Reply};

impl Gate {
    /// The request that a gateway asks about, and whom it comes from, in the place of its question.
    pub(super) fn asked(
        &self,
        gateway: &Gateway,
        head: Parts,
        peer: &Peer,
        trip: &mut Trip,
    ) -> Result<(Parts, Box<Peer>), Refusal> {
        trip.context.kind = Kind::of(&head.method, &head.headers);
        trip.record.asked_by_gateway(gateway.kind.as_str(), &head.method);
        let Question { head, client, asked } =
            Question::read(head, peer.address.ip(), gateway, &self.shared.config)?;
        trip.record.asked_by_gateway(asked.kind.as_str(), &head.method);
        trip.asked = Some(asked);
        trip.client = HeaderValue::try_from(client.to_string()).map_err(|_| Refusal::Host)?;
        // Nothing else that the head says of its way here is read any more.
        let peer = Peer {
            address: SocketAddr::new(client, 0),
            spelled: trip.client.clone(),
            nameless: true,
            ..peer.clone()
        };
        Ok((head, Box::new(peer)))
    }

    /// The request may pass; the gateway sends it on, with what an upstream would be told.
    pub(super) fn allow(
        &self,
        asked: Asked,
        head: &HeaderMap,
        plan: Plan,
        trip: &Trip,
    ) -> Result<Answer, Refusal> {
        if !asked.plain {
            return Err(Refusal::Gateway("gateway_path"));
        }
        let cookies = self.forward.cookies(head);
        let mut handed = plan.identity;
        match asked.kind {
            GatewayKind::Envoy => {
                let absent = |name: &HeaderName| !handed.iter().any(|(there, _)| there == name);
                let mut remove: Vec<_> = not_the_clients(&self.shared.config).filter(absent).collect();
                remove.extend(cookies.is_none().then_some(COOKIE));
                remove.extend(plan.drops_authorization.then_some(AUTHORIZATION).filter(absent));
                let remove: Vec<_> = remove.iter().map(HeaderName::as_str).collect();
                let remove = HeaderValue::try_from(remove.join(",")).map_err(|_| Refusal::Unwritable)?;
                handed.push((REMOVE, remove));
            }
            // It has a variable for the first line of a header only, and cookies are several.
            GatewayKind::Nginx => {
                for (at, line) in trip.context.cookies.iter().enumerate() {
                    let name = HeaderName::try_from(format!("x-rolegate-set-cookie-{}", at + 1));
                    handed.push((name.map_err(|_| Refusal::Unwritable)?, line.clone()));
                }
            }
            GatewayKind::ForwardAuth => {}
        }
        // The gate's own stay here.
        handed.extend(cookies.map(|cookies| (COOKIE, cookies)));
        Ok(reply::from_reply(Reply::Allowed(handed), &trip.context))
    }
}

/// What Envoy takes off a request before it sends it on.
const REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
