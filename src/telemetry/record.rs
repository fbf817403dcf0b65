//! The access record: what was asked, what was decided and why, one JSON object a request.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Telemetry;
use super::line::{Line, name};
use super::traces::{Seen, Traced};
use crate::ask::Ask;
use crate::authorize::{Decision, Person, Why};
use crate::listen::Peer;
use crate::login::OwnPage;
use crate::refusal::Refusal;
use crate::rule::Found;
use crate::session::Session;
use crate::tally::Event;
use crate::trace::Trace;
use crate::trace::context::Outgoing;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// A record in the making. It never holds a query (codes and tokens travel there), a cookie or a token.
pub struct Record {
    request_id: HeaderValue,
    client: IpAddr,
    /// The same as text.
    client_text: HeaderValue,
    method: Method,
    /// Host and path are in it.
    ask: Option<Rc<Ask>>,
    rule: Option<Arc<str>>,
    /// What asked, where a gateway did.
    gateway: Option<&'static str>,
    /// `forward`, `allow`, `login`, `challenge`, `forbid`, `redirect`, `own` or `refuse`.
    decision: &'static str,
    /// A stable code.
    reason: &'static str,
    who: Known,
    /// 0: the client went away before there was one.
    status: u16,
    upstream_status: Option<u16>,
    /// From the head's arrival to the answer's head.
    duration_us: u64,
    /// Of that, waiting for the upstream's head.
    upstream_us: Option<u64>,
    telemetry: Arc<Telemetry>,
    begun: Instant,
    left: Option<Instant>,
    /// Whatever the upstream did, it is waited for no longer.
    came_back: bool,
    traced: Option<Box<Traced>>,
}

/// Who asked.
enum Known {
    Nobody,
    Session(Arc<Session>),
    /// By a bearer token.
    Speaker {
        user: String,
        sub: String,
    },
}

// === impl Known ===

impl Known {
    fn user(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::Session(session) => Some(&session.user),
            Self::Speaker { user, .. } => Some(user),
        }
    }

    fn sub(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::Session(session) => Some(&session.sub),
            Self::Speaker { sub, .. } => Some(sub),
        }
    }

    /// The session's id, which opens nothing; none for a bearer token.
    fn session(&self) -> Option<&str> {
        match self {
            Self::Session(session) => Some(&session.id),
            Self::Nobody | Self::Speaker { .. } => None,
        }
    }
}

// === impl Record ===

impl Record {
    /// A record of a request that has just arrived.
    pub fn begin(telemetry: Arc<Telemetry>, request_id: HeaderValue, method: &Method, peer: &Peer) -> Self {
        Self {
            request_id,
            client: peer.address.ip(),
            client_text: peer.spelled.clone(),
            method: method.clone(),
            ask: None,
            rule: None,
            gateway: None,
            decision: "refuse",
            reason: "unread",
            who: Known::Nobody,
            status: 0,
            upstream_status: None,
            duration_us: 0,
            upstream_us: None,
            telemetry,
            begun: now(),
            left: None,
            came_back: false,
            traced: None,
        }
    }

    /// The request came with `head`, from a `trusted` peer or anybody: its place in a trace, where there are traces.
    pub fn trace(&mut self, head: &HeaderMap, trusted: impl FnOnce() -> bool) {
        if let Some(traces) = &self.telemetry.traces {
            self.traced = traces.begin(head, trusted(), self.begun).map(Box::new);
        }
    }

    /// Its trace, where it is recorded.
    pub fn traced(&self) -> Option<Trace> {
        self.traced.as_ref()?.trace()
    }

    /// What the upstream is told of the trace, where there are traces.
    pub fn outgoing(&self) -> Option<Outgoing> {
        Some(self.traced.as_ref()?.outgoing.clone())
    }

    /// The head had a single meaning, and is from this address.
    pub fn asked(&mut self, ask: &Rc<Ask>, client: &HeaderValue) {
        (self.client, self.client_text) = (ask.client, client.clone());
        self.ask = Some(ask.clone());
    }

    /// A gateway of this kind asks about a request with this method.
    pub fn asked_by_gateway(&mut self, kind: &'static str, method: &Method) {
        self.gateway = Some(kind);
        self.method = method.clone();
    }

    /// One of the gate's own pages answers.
    pub fn own_page(&mut self, page: OwnPage) {
        self.decision = "own";
        self.reason = match page {
            OwnPage::Start => "start",
            OwnPage::Callback => "callback",
            OwnPage::SignOut => "signout",
            OwnPage::UserInfo => "userinfo",
            OwnPage::Keys => "keys",
            OwnPage::Auth => "auth",
            OwnPage::Unknown => "unknown",
        };
    }

    /// This covers it.
    pub fn covered(&mut self, found: &Found<'_>) {
        self.rule = Some(found.name().clone());
    }

    /// Nothing could be decided: whoever came is nobody.
    pub fn turned_away(&mut self, refusal: &Refusal) {
        self.decision = match refusal {
            Refusal::Bearer(_) => "challenge",
            Refusal::Nameless(_) => "forbid",
            _ => "refuse",
        };
        if let Refusal::Bearer(reason) | Refusal::Nameless(reason) = refusal {
            self.telemetry.metrics.tally().bearer_failed(reason);
        }
    }

    /// The decision has been made, about this person, whose `session` it is if it is one's.
    pub fn decided(
        &mut self,
        decision: &Decision<'_>,
        person: Option<&Person<'_>>,
        session: Option<&Arc<Session>>,
    ) {
        self.decision = match (decision.name(), self.gateway) {
            // What becomes of it then is the gateway's affair.
            ("forward", Some(_)) => "allow",
            (name, _) => name,
        };
        self.reason = match decision {
            Decision::Forward if person.is_none() => "public",
            Decision::Forward => "allowed",
            Decision::ForwardAnonymous => "preflight",
            Decision::Login | Decision::Challenge => "login_required",
            Decision::WrongToken => "token_use",
            Decision::StepUp(_) | Decision::Stronger(_) => "insufficient_user_authentication",
            Decision::Elsewhere => "other_host",
            Decision::Misdirected => "misdirected",
            Decision::Forbid(Why::Missing(_)) => "role_missing",
            Decision::Forbid(Why::Method) => "method_not_named",
            Decision::Forbid(Why::Address) => "address",
            Decision::Forbid(Why::Certificate) => "client_certificate",
            Decision::Forbid(Why::Origin) => "origin",
        };
        self.who = match (session, person) {
            (Some(session), _) => Known::Session(session.clone()),
            (None, Some(person)) => {
                Known::Speaker { user: person.user.to_owned(), sub: person.sub.to_owned() }
            }
            (None, None) => Known::Nobody,
        };
        if let Decision::WrongToken = decision {
            self.telemetry.metrics.tally().bearer_failed("token_use");
        }
    }

    /// A request in cleartext is sent to the same address with TLS.
    pub fn moved(&mut self) {
        self.decision = "redirect";
        self.reason = "cleartext";
    }

    /// The answer is a refusal, for this reason.
    pub fn refused(&mut self, reason: &'static str) {
        self.reason = reason;
    }

    /// The request goes to the upstream.
    pub fn leaves(&mut self) {
        self.left = Some(now());
    }

    /// The upstream's head has come.
    pub fn comes_back(&mut self, status: u16) {
        self.upstream_status = Some(status);
        self.came_back = true;
    }

    /// It gave none that could be passed on.
    pub fn fails(&mut self, reason: &'static str) {
        self.telemetry.metrics.tally().upstream_failed(reason);
        self.came_back = true;
    }

    /// Whoever is known and was refused is accounted for; the rest is in the access records.
    fn account_for_refusal(&self) {
        if self.decision != "forbid" {
            return;
        }
        let mut event = Event::failure("refused", self.reason).at(self.client, self.request_id()).plenty();
        if let (Some(user), Some(sub)) = (self.who.user(), self.who.sub()) {
            event = event.of(user, sub);
        }
        if let Some(session) = self.who.session() {
            event = event.session(session);
        }
        if let Some(rule) = &self.rule {
            event = event.rule(rule);
        }
        self.telemetry.tell(&event);
    }

    fn seen(&self, ended: Instant) -> Seen<'_> {
        Seen {
            method: self.method(),
            host: self.ask.as_ref().map(|ask| &*ask.host),
            path: self.ask.as_ref().map(|ask| ask.path.as_str()),
            client: self.client.to_string(),
            rule: self.rule.as_deref(),
            decision: self.decision,
            reason: self.reason,
            request_id: self.request_id(),
            status: self.status,
            upstream_status: self.upstream_status,
            begun: self.begun,
            left: self.left,
            ended,
        }
    }

    fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// Not more of it than any method that means something: it is whatever the client wrote.
    fn method(&self) -> &str {
        let method = self.method.as_str();
        method.get(..32).unwrap_or(method)
    }

    fn write(&self, text: &mut String) {
        let mut line = Line::begin(text);
        let ask = self.ask.as_ref();
        line.now(name!("time"))
            .said(name!("kind"), "access")
            .text(name!("request_id"), Some(self.request_id()))
            .text(name!("client"), self.client_text.to_str().ok())
            .text(name!("method"), Some(self.method()))
            .text(name!("host"), ask.map(|ask| &*ask.host))
            .text(name!("path"), ask.map(|ask| ask.path.as_str()))
            .text(name!("rule"), self.rule.as_deref())
            .said(name!("decision"), self.decision)
            .said(name!("reason"), self.reason)
            .text(name!("user"), self.who.user())
            .text(name!("sub"), self.who.sub())
            .text(name!("session"), self.who.session())
            .number(name!("status"), Some(self.status.into()))
            .number(name!("upstream_status"), self.upstream_status.map(u64::from))
            .number(name!("duration_us"), Some(self.duration_us))
            .number(name!("upstream_us"), self.upstream_us);
        if self.gateway.is_some() {
            line.text(name!("gateway"), self.gateway);
        }
        line.end();
    }

    /// The answer leaves: the record is complete, and is written as it goes out of scope.
    pub fn end(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

impl Drop for Record {
    /// Written here and nowhere else: a client that goes away takes its request with it, but not its record.
    fn drop(&mut self) {
        if self.status == 0 {
            self.reason = "client_gone";
        }
        let end = now();
        let taken = end.saturating_duration_since(self.begun);
        let waited = self.left.map(|left| end.saturating_duration_since(left));
        (self.duration_us, self.upstream_us) = (micros(taken), waited.map(micros));
        if self.came_back {
            self.telemetry.metrics.tally().upstream_seconds.observe(waited.unwrap_or_default());
        }
        let decided = (self.decision, self.reason);
        self.telemetry.metrics.decided(decided, self.rule.as_deref(), self.status, taken);
        self.account_for_refusal();
        if let Some(traced) = self.traced.take() {
            traced.end(&self.seen(end));
        }
        if let Some(records) = self.telemetry.access() {
            records.access(|line| self.write(line));
        }
    }
}

fn micros(taken: Duration) -> u64 {
    u64::try_from(taken.as_micros()).unwrap_or(u64::MAX)
}

#[allow(clippy::disallowed_methods, reason = "how long something took, never a decision")]
fn now() -> Instant {
    Instant::now()
}
