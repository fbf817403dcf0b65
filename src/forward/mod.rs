//! Sends an allowed request to the upstream and relays the answer; decides nothing about who may.
//!
//! One [`Forward`] a worker: its connections are shared with no other thread, so nothing here locks on the way of a request.

use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header, request};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use crate::background::Background;
use crate::body::{Answer, Body};
use crate::config::settings::{Config, Destination, Limits, Upstream};
use crate::streams::Open;
use crate::tally::Tally;

pub mod answer;
mod cap;
mod choice;
mod connect;
pub mod fault;
pub mod frames;
pub mod headers;
mod health;
mod http2;
mod kept;
pub mod plan;
mod pool;
mod relay;
mod splice;
mod tend;
pub mod upgrade;
mod upstream;

use choice::{Means, Seat, Several, Target, Written};
use connect::Connector;
use kept::Kept;
use upstream::Group;

pub use answer::Cacheability;
pub use cap::Caps;
pub use fault::{Fault, SetupError};
pub use headers::{OwnCookies, Scrub};
pub use plan::{Forwarded, Plan};

/// What sends requests on, without a connection yet: made once a configuration, for all workers.
pub struct Blueprint {
    scrub: Scrub,
    targets: Vec<Way>,
    limits: Limits,
    tally: Arc<Tally>,
    /// What goes on beside requests, once this counts.
    tasks: Mutex<tend::Tasks>,
}

/// One upstream, for all workers.
struct Way {
    to: Destination,
    written: Arc<[Written]>,
    /// What is known of its addresses; `None`: there is one, and always that one.
    group: Option<Arc<Group>>,
}

/// What sends requests on. One per worker.
pub struct Forward {
    scrub: Rc<Scrub>,
    /// In the configuration's order; a [`Plan`] says which.
    targets: Vec<Target>,
    limits: Limits,
    timers: Rc<relay::Timers>,
}

/// An upstream's answer, ready to leave.
pub struct Relayed {
    /// The answer; its body streams.
    pub answer: Answer,
    /// The status the upstream gave.
    pub upstream_status: u16,
}

// === impl Blueprint ===

impl Blueprint {
    /// Prepares connections to `config.upstreams`; reads the certificates of an `https` one. Connects to nothing.
    pub fn new(
        config: &Config,
        own_cookies: OwnCookies,
        identity_names: &[HeaderName],
        caps: &Caps,
    ) -> Result<Self, SetupError> {
        let way = |to: &Destination| {
            let written = |upstream: &Upstream| {
                let calls_itself = own_host(upstream)?;
                let own_host = if to.pass_host { None } else { Some(calls_itself.clone()) };
                let connector = Connector::new(upstream, to, &config.limits, caps)?;
                Ok(Written { connector, own_host, calls_itself })
            };
            let written = to.addresses.iter().map(written).collect::<Result<_, SetupError>>()?;
            Ok(Way { to: to.clone(), written, group: None })
        };
        let blueprint = Self {
            scrub: Scrub::new(own_cookies, identity_names),
            targets: config.upstreams.iter().map(way).collect::<Result<_, SetupError>>()?,
            limits: config.limits.clone(),
            tally: Arc::default(),
            tasks: Mutex::default(),
        };
        Ok(blueprint.counting(&Arc::default()))
    }

    /// The same, whose connections are counted there.
    pub fn counting(mut self, tally: &Arc<Tally>) -> Self {
        for way in &mut self.targets {
            let group = |spread| Arc::new(Group::new(&way.to, spread, tally.clone()));
            way.group = way.to.spread.as_ref().map(group);
        }
        Self { tally: tally.clone(), ..self }
    }

    /// The same, knowing of addresses what the one `before` knows.
    pub fn knowing(mut self, before: &Self) -> Self {
        for way in &mut self.targets {
            let same = before.targets.iter().find(|other| other.to.name == way.to.name);
            let Some((spread, known)) = way.to.spread.as_ref().zip(same.and_then(|same| same.group.as_ref()))
            else {
                continue;
            };
            let fresh = Group::new(&way.to, spread, self.tally.clone());
            way.group = Some(Arc::new(fresh.knowing(known, spread.resolve.is_some())));
        }
        self
    }

    /// From now on this is what counts: names are followed and addresses checked, by tasks of their own.
    pub fn begin(&self, background: &Background) {
        self.begin_with(background, &tend::system());
    }

    fn begin_with(&self, background: &Background, resolver: &tend::Resolver) {
        let mut tasks = tend::Tasks::default();
        for Way { to, written, group } in &self.targets {
            let (Some(group), Some(spread)) = (group, &to.spread) else { continue };
            let tended = to.addresses.iter().zip(written.iter()).map(|(address, written)| tend::Tended {
                connector: written.connector.clone(),
                host: written.calls_itself.clone(),
                name: address.host_to_resolve().map(|(host, port)| (host.to_owned(), port)),
            });
            let tended: Vec<_> = tended.collect();
            group.begins();
            if let Some(every) = spread.resolve {
                tasks.resolve(group, &tended, every, resolver, background);
            }
            if let Some(check) = &spread.check {
                tasks.check(group, &tended, check, background);
            }
        }
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
    }

    /// Another one counts from now on.
    pub fn end(&self) {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tend::Tasks::default();
        self.targets.iter().filter_map(|way| way.group.as_ref()).for_each(|group| group.ends());
    }

    /// For the worker that calls this. It goes on with the connections of the one `before` where the way to an
    /// upstream is the same.
    pub fn forward(&self, before: Option<&Forward>) -> Forward {
        let means = Means { idle_time: self.limits.upstream_idle, tally: self.tally.clone() };
        let known: Vec<_> =
            before.into_iter().flat_map(|before| &before.targets).flat_map(Target::seats).collect();
        let target = |Way { to, written, group }: &Way| match (group, &to.spread) {
            (Some(group), Some(spread)) => {
                let (group, written) = (group.clone(), written.clone());
                Target::Several(Several::new(group, spread.balance, written, &known, means.clone()))
            }
            // An upstream has an address, or there is none of it.
            _ => Target::One(Seat::new(None, &written[0], &known, &means)),
        };
        Forward {
            scrub: Rc::new(self.scrub.clone()),
            targets: self.targets.iter().map(target).collect(),
            limits: self.limits.clone(),
            timers: Rc::default(),
        }
    }
}

// === impl Forward ===

impl Forward {
    /// What of a client's cookies an upstream is sent.
    pub fn cookies(&self, client: &HeaderMap) -> Option<HeaderValue> {
        self.scrub.cookies(client)
    }

    /// Sends a request as `plan` has it, and returns once the upstream's answer has begun. Where that is a WebSocket or
    /// an event stream, `open` says of the request's headers how long it may be; nothing else asks. Where nothing came of
    /// it, `client` is as it was; else its headers have gone into what was sent.
    pub async fn send(
        &self,
        (client, body): (&mut request::Parts, Incoming),
        plan: Plan,
        open: impl FnOnce(&HeaderMap) -> Open,
    ) -> Result<Relayed, Fault> {
        // hyper would take a 2xx to it for a tunnel.
        if client.method == Method::CONNECT {
            return Err(Fault::Tunnel);
        }
        let tunnel = if plan.upgrade { upgrade::Tunnel::begin(client) } else { None };
        // Rules and targets are of one configuration; were they not, nothing is sent anywhere.
        let target = self.targets.get(plan.upstream).ok_or(Fault::NoUpstream)?;
        let kept = Kept::of(&client.headers);
        let head = std::mem::take(&mut client.headers);
        let sent = self.attempt((head, &kept, client), body, target, &plan, (tunnel, open)).await;
        if sent.is_err() {
            client.headers = kept.head();
        }
        sent
    }

    async fn attempt(
        &self,
        (head, kept, client): (HeaderMap, &Kept, &request::Parts),
        body: Incoming,
        target: &Target,
        plan: &Plan,
        (tunnel, open): (Option<upgrade::Tunnel>, impl FnOnce(&HeaderMap) -> Open),
    ) -> Result<Relayed, Fault> {
        let method = &client.method;
        let (empty, length) = (body.is_end_stream(), body.size_hint().exact());
        if length.zip(self.limits.body).is_some_and(|(length, most)| length > most) {
            return Err(Fault::RequestBodyTooLarge);
        }
        let mut attempt = target.attempt();
        let bounds = (self.limits.body_idle_timeout, self.limits.body);
        let (mut upload, progress) = relay::Upload::new(body, client.version, bounds, &self.timers);
        let (mut head, mut fresh_only) = (Some(head), false);

        loop {
            let mut lease = attempt.take(fresh_only).await?;
            let host = attempt.own_host().unwrap_or(&plan.host);
            let mut outgoing = Request::new(upload);
            *outgoing.method_mut() = method.clone();
            *outgoing.uri_mut() = plan.target.clone().into();
            let head = head.take().unwrap_or_else(|| kept.head());
            *outgoing.headers_mut() = self.scrub.outgoing(head, host, plan, tunnel.is_some());
            if lease.speaks_http2() {
                if tunnel.is_some() {
                    return Err(Fault::NoUpgrade);
                }
                http2::dressed(&mut outgoing, &plan.target, lease.scheme(), kept.lines(&header::TE))
                    .ok_or(Fault::NoUpstream)?;
            } else {
                frame(&mut outgoing, empty, length);
            }

            let sent = {
                let (time, timers) = (self.limits.response_timeout, &self.timers);
                relay::await_head(lease.send(outgoing), &progress, time, timers).await
            };
            let error = match sent {
                None => {
                    lease.doubt();
                    attempt.failed(&Fault::ResponseTimeout);
                    return Err(Fault::ResponseTimeout);
                }
                Some(Ok(response)) => {
                    attempt.answered();
                    return self.relay(response, (lease, progress), (method, kept), plan, (tunnel, open));
                }
                Some(Err(error)) => error,
            };
            upload = match lease.after(error, method, (empty, fresh_only)) {
                pool::After::Again(unsent) => unsent,
                pool::After::Over(error) => {
                    let fault = Fault::from_send(error, &progress);
                    attempt.failed(&fault);
                    return Err(fault);
                }
            };
            fresh_only = true;
        }
    }

    fn relay(
        &self,
        mut response: http::Response<Incoming>,
        (mut lease, progress): (pool::Lease, Rc<relay::Progress>),
        (method, kept): (&Method, &Kept),
        plan: &Plan,
        (tunnel, open): (Option<upgrade::Tunnel>, impl FnOnce(&HeaderMap) -> Open),
    ) -> Result<Relayed, Fault> {
        let status = response.status();
        let switched = if status == http::StatusCode::SWITCHING_PROTOCOLS {
            // RFC 9110 §15.2.2: only to a client that asked, and only to what it asked for.
            let tunnel = tunnel.ok_or(Fault::BadAnswer("upgrade_unasked"))?;
            Some(tunnel.check(response.headers()).map_err(Fault::BadAnswer)?)
        } else {
            None
        };
        if let Some(seconds) = answer::keep_alive_timeout(response.headers()) {
            lease.keep_at_most(seconds);
        }
        if answer::closes(response.version(), response.headers()) {
            lease.spoil();
        }
        // A browser asks again for an event stream that has ended, and is decided on anew. Everything else is one
        // answer, which may come to its end.
        let is_call = lease.speaks_http2() && answer::is_grpc(response.headers());
        progress.conversing.set(is_call);
        let is_events =
            !response.body().is_end_stream() && (is_call || answer::is_event_stream(response.headers()));
        let mut open = (switched.is_some() || is_events).then(|| open(&kept.head()));
        if let Some(switched) = switched
            && let Some(open) = open.take()
        {
            let held = lease.count();
            switched.splice(&mut response, open, self.limits.stream_idle, &plan.request_id, held);
            lease.spoil();
        }
        let (mut parts, body) = response.into_parts();
        let asked = answer::Asked { head: *method == Method::HEAD, status };
        self.scrub.fit(&mut parts.headers, asked, plan).map_err(Fault::BadAnswer)?;
        if status == http::StatusCode::SWITCHING_PROTOCOLS {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        // The upstream's version and reason phrase are between it and us.
        parts.version = Version::HTTP_11;
        parts.extensions.clear();

        let body = if body.is_end_stream() {
            lease.finish();
            Body::Empty
        } else {
            let time = match open {
                Some(_) => self.limits.stream_idle,
                None => Some(self.limits.body_idle_timeout),
            };
            let download = relay::Download::new(body, lease, self.scrub.clone(), (time, &self.timers), open);
            Body::stream(if is_call { download.of_call() } else { download })
        };
        Ok(Relayed { answer: http::Response::from_parts(parts, body), upstream_status: status.as_u16() })
    }
}

/// Says how the body is framed where hyper would guess: it takes a GET of unknown length for an empty one,
/// and leaves out the length of an empty POST (RFC 9110 §8.6).
fn frame(outgoing: &mut Request<relay::Upload>, empty: bool, length: Option<u64>) {
    let method = outgoing.method();
    if empty {
        if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
            outgoing.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    } else if let Some(length) = length {
        outgoing.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    } else {
        outgoing.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

fn own_host(upstream: &Upstream) -> Result<HeaderValue, SetupError> {
    let text = match upstream {
        Upstream::Http { host, port: 80, .. } | Upstream::Https { host, port: 443, .. } => host.clone(),
        Upstream::Http { host, port, .. } | Upstream::Https { host, port, .. } => format!("{host}:{port}"),
        Upstream::Unix(_) => "localhost".to_owned(),
    };
    HeaderValue::try_from(&text).map_err(|_| SetupError::Host(text))
}

/// Now, by the clock that the timers of this module go by.
#[allow(clippy::disallowed_methods, reason = "timers of the upstream, never a decision")]
fn now() -> Instant {
    Instant::now()
}

/// The same in milliseconds since it was first asked for; never 0.
fn millis() -> health::Millis {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let since = now().duration_since(*FIRST.get_or_init(now));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests;
