//! One request, head to answer: every step is one call, in the order in which it must happen.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Incoming;

use crate::ask::{Ask, Kind, Sender, is_part_of_a_page, is_prefetch};
use crate::authorize::{Decision, cover, decide};
use crate::body::Answer;
use crate::caller::{Caller, Callers};
use crate::clock;
use crate::config::settings::Config;
use crate::forward::fault::Blame;
use crate::forward::upgrade::{Websocket, is_websocket};
use crate::forward::{self, Blueprint, Fault, Forward, Plan};
use crate::gateway::{self, Asked};
use crate::listen::Peer;
use crate::login::{Login, OwnPage, Visitor};
use crate::refusal::Refusal;
use crate::reply::{self, Context, Language};
use crate::rule::Rules;
use crate::rule::path::PathRefusal;
use crate::session::cookie::Jar;
use crate::site::Site;
use crate::streams::Open;
use crate::telemetry::{Record, Telemetry};
use crate::tls::client_certificate::ClientCertificate;
use crate::tls::clients::NoCertificate;
use crate::trace;
use crate::vouch::Vouch;

mod allowed;
mod pages;
mod plan;
mod spoken;
pub mod worker;

use spoken::Spoken;
use worker::Current;

/// A worker's gate, as one configuration has it.
pub struct Gate {
    shared: Arc<Shared>,
    /// For what outlives its request: that is decided anew by what counts then.
    current: Current,
    forward: Forward,
    spoken: Spoken,
}

/// What all workers share of one configuration: read-only, or with its own lock inside.
pub struct Shared {
    /// The configuration.
    pub config: Arc<Config>,
    /// The rules.
    pub rules: Arc<Rules>,
    /// One for each public origin.
    pub sites: Vec<Site>,
    /// How people come in.
    pub callers: Callers,
    /// The gate's own pages.
    pub login: Login,
    /// What the upstream is handed beside X-User and X-Roles.
    pub vouch: Vouch,
    /// How requests are sent on.
    pub forward: Blueprint,
    /// Records and metrics.
    pub telemetry: Arc<Telemetry>,
}

/// What is known of a request on its way through, for its answer and its record.
struct Trip {
    context: Context,
    record: Record,
    /// What was asked, where a page about it may lead back there.
    ask: Option<Rc<Ask>>,
    /// The client's address.
    client: HeaderValue,
    /// A gateway asks, and is told what would be done.
    asked: Option<Asked>,
}

// === impl Gate ===

impl Gate {
    fn new(shared: Arc<Shared>, current: Current, forward: Forward) -> Self {
        Self { shared, current, forward, spoken: Spoken::default() }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let mut trip = self.begin(&request, &peer);
        let traced = trip.record.traced();
        let (mut head, body) = request.into_parts();
        let passed = {
            let passing = std::pin::pin!(self.pass((&mut head, body), &peer, &mut trip));
            trace::follow(traced, passing).await
        };
        let answer = match passed {
            Ok(answer) => answer,
            Err(refusal) => {
                trip.record.refused(refusal.code());
                let context = &mut trip.context;
                context.target = context.target.take().or(trip.ask.take().map(|ask| ask.target()));
                context.hear(&head.headers);
                reply::from_refusal(&refusal, &trip.context)
            }
        };
        if let Some(reply::TemplateFailed(why)) = answer.extensions().get() {
            tracing::warn!(%why, "a page's template failed, and the built-in page was shown");
        }
        trip.record.end(answer.status());
        answer
    }

    /// The way of a request. What is not clearly allowed is refused; nothing is forwarded but at the end.
    async fn pass(
        &self,
        (head, body): (&mut http::request::Parts, Incoming),
        mut peer: &Peer,
        trip: &mut Trip,
    ) -> Result<Answer, Refusal> {
        let stand_in;
        if let Some(gateway) = gateway::asks(head, sender(peer), &self.shared.config) {
            (*head, stand_in) = self.asked(gateway, head.clone(), peer, trip)?;
            peer = &stand_in;
        }
        let (ask, shown) = self.read(head, peer, trip)?;
        let site = ask.origin.map(|index| &self.shared.sites[index]);
        // On a host that is no public origin cookies are not read.
        let jar = site.map(|site| Jar::read(&head.headers, &site.names)).unwrap_or_default();
        let page = OwnPage::of(&ask, &self.shared.config.auth_prefix);
        let unasked = page.is_some() && (is_prefetch(&head.headers) || is_part_of_a_page(&head.headers));
        let request_id = &trip.context.request_id.clone();
        let visitor = site.map(|site| Visitor { ask: &ask, site, jar: &jar, unasked, request_id });

        if let Some(page) = page {
            let carried = self.shared.callers.carried(&head.headers, None);
            // In a box, as all that is rare: every request is moved about with room for it.
            return Box::pin(self.own_page(page, (carried, &head.headers), visitor.as_ref(), &ask, trip))
                .await;
        }
        let found = cover(&self.shared.rules, &ask).map_err(Refusal::Path)?;
        trip.record.covered(&found);
        trip.context.bearer = self.shared.callers.hear_tokens(Some(&found));
        let carried = self.shared.callers.carried(&head.headers, Some(&found));
        // Where nothing is asked of anyone, nobody waits for the pool.
        let needs = self.shared.vouch.needs(&found);
        let renew = !found.is_public();
        let step = trace::step("caller");
        let come = self.shared.callers.come(carried, visitor.as_ref(), renew, needs).await;
        step.end(None);
        let caller = come.inspect_err(|refusal| trip.record.turned_away(refusal))?;
        trip.context.cookies = caller.cookies.clone();
        let person = caller.person();
        let now = clock::now();
        let decision = decide(&found, person.as_ref(), &ask, now);
        trip.record.decided(&decision, person.as_ref(), caller.session());
        match decision {
            Decision::Forward | Decision::ForwardAnonymous => {
                let person = person.as_ref().filter(|_| decision == Decision::Forward);
                let shown = shown.filter(|_| decision == Decision::Forward);
                let known = person.map(|person| (person, &caller, caller.handed(carried)));
                let plan = self.plan(&ask, &found, (known, shown), trip)?;
                if let Some(asked) = trip.asked {
                    return self.allow(asked, &head.headers, plan, trip);
                }
                let open = |head: &HeaderMap| {
                    let opener = person.map(|_| &caller);
                    let still = || self.still(&ask, opener, person, peer);
                    let open = self.shared.callers.open(opener, (site, head), still);
                    match shown.map(|certificate| certificate.until().saturating_sub(clock::now())) {
                        Some(left) => open.at_most(Duration::from_secs(left.saturating_add(1))),
                        None => open,
                    }
                };
                self.send((head, body), plan, (&caller, open), trip).await
            }
            // A session that only an outage keeps from counting is not sent to sign in anew.
            Decision::Login | Decision::Challenge if let Some(outage) = caller.outage => Err(outage.into()),
            Decision::Login | Decision::StepUp(_) => {
                let visitor = visitor.as_ref().ok_or(Refusal::Misdirected)?;
                self.answered(self.shared.login.send_to_pool(visitor), &head.headers, trip)
            }
            Decision::Elsewhere => Ok(self.elsewhere(&ask, trip)),
            refused => Err(refused.refusal(person.as_ref())),
        }
    }

    /// The head as what it asks, or a refusal; nothing else looks at a header that decides.
    fn read<'p>(
        &self,
        head: &http::request::Parts,
        peer: &'p Peer,
        trip: &mut Trip,
    ) -> Result<(Rc<Ask>, Option<&'p ClientCertificate>), Refusal> {
        let ask = self.ask(head, peer).inspect_err(|refusal| {
            trip.context.kind = Kind::of(&head.method, &head.headers);
            if *refusal == Refusal::HeadTooLarge {
                trip.context.target = Ask::target_of(head);
                // Most often it is cookies that grew too many; ours must not keep a browser out.
                let forget = |site: &Site| site.names.forget_all(&Jar::read(&head.headers, &site.names));
                trip.context.cookies = self.shared.sites.iter().flat_map(forget).collect();
            }
        })?;
        let shown = shown(&self.shared.config, peer);
        let ask = ask.with_certificate(matches!(shown, Ok(Some(_))));
        let ask = Rc::new(match trip.asked {
            Some(asked) => asked.about(ask),
            None => ask,
        });
        trip.context.kind = ask.kind;
        if ask.client != peer.address.ip().to_canonical() {
            trip.client = HeaderValue::try_from(ask.client.to_string()).map_err(|_| Refusal::Host)?;
        }
        trip.record.asked(&ask, &trip.client);
        trip.ask = Some(ask.clone());
        Ok((ask, shown?.filter(|_| trip.asked.is_none())))
    }

    fn ask(&self, head: &http::request::Parts, peer: &Peer) -> Result<Ask, Refusal> {
        match forward::headers::framing_faults(&head.headers) {
            Some(forward::headers::EXPECTATION) => return Err(Refusal::Expectation),
            Some(fault) => return Err(Refusal::Framing(fault)),
            None if peer.target_was_cut => return Err(Refusal::Path(PathRefusal::Byte)),
            None if peer.crowds => return Err(Refusal::Crowded),
            None => {}
        }
        let websocket = is_websocket(head) == Websocket::Yes;
        Ask::read(head, sender(peer), websocket, &self.shared.config)
    }

    async fn send(
        &self,
        request: (&mut http::request::Parts, Incoming),
        plan: Plan,
        (caller, open): (&Caller, impl FnOnce(&HeaderMap) -> Open),
        trip: &mut Trip,
    ) -> Result<Answer, Refusal> {
        trip.record.leaves();
        let relayed = self.forward.send(request, plan, open).await;
        // An upstream may take its time: what was decided before it was asked must not come after what is newer.
        if caller.is_outdated(&self.shared.callers.sessions) {
            trip.context.cookies.clear();
        }
        let relayed = relayed.map_err(|fault| {
            trip.record.fails(fault.reason());
            match fault.blame() {
                // What clients bring about is counted and recorded; a line for each would be theirs to write.
                Blame::Client | Blame::UpstreamBusy => {
                    tracing::debug!(reason = fault.reason(), %fault, "a request did not reach its end");
                }
                _ => tracing::warn!(reason = fault.reason(), %fault, "the upstream gave no answer"),
            }
            Refusal::of_fault(&fault)
        })?;
        trip.record.comes_back(relayed.upstream_status);
        let mut answer = relayed.answer;
        for cookie in &trip.context.cookies {
            answer.headers_mut().append(SET_COOKIE, cookie.clone());
        }
        Ok(answer)
    }

    fn begin(&self, request: &Request<Incoming>, peer: &Peer) -> Trip {
        let request_id = self.shared.telemetry.request_id();
        let telemetry = self.shared.telemetry.clone();
        let mut record = Record::begin(telemetry, request_id.clone(), request.method(), peer);
        record.trace(request.headers(), || !peer.nameless && self.shared.config.trusts(peer.address.ip()));
        Trip {
            ask: None,
            client: peer.spelled.clone(),
            asked: None,
            context: Context {
                kind: Kind::Other,
                method: request.method().clone(),
                request_id,
                auth_prefix: self.shared.config.auth_prefix.clone(),
                bearer: self.shared.callers.hear_tokens(None),
                target: None,
                cookies: vec![],
                templates: self.shared.config.pages.templates.clone(),
                language: Language::default(),
            },
            record,
        }
    }
}

/// Who hands a request over.
fn sender(peer: &Peer) -> Sender {
    Sender { address: peer.address.ip(), nameless: peer.nameless }
}

/// The certificate of a client that showed one, if it counts still.
fn shown<'p>(config: &Config, peer: &'p Peer) -> Result<Option<&'p ClientCertificate>, Refusal> {
    let Some(asked) = config.client_certificates() else { return Ok(None) };
    let still = asked.clients.still(peer.certificate.as_deref(), clock::now());
    still.map_err(|NoCertificate| Refusal::ClientCertificate)
}

// === impl Refusal ===

impl Refusal {
    fn of_fault(fault: &Fault) -> Self {
        let reason = fault.reason();
        match fault.blame() {
            Blame::Client if matches!(fault, Fault::RequestBodyTooLarge) => Self::BodyTooLarge,
            Blame::Client => Self::Body { reason, slow: matches!(fault, Fault::RequestBodyTimeout) },
            Blame::UpstreamBusy => Self::UpstreamBusy,
            blame => Self::Upstream { reason, slow: blame == Blame::UpstreamSlow },
        }
    }
}
