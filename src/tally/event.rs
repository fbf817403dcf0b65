//! What must be accounted for: who signed in, was refused, left, changed; and the way to where it is written down. ★

use std::net::IpAddr;
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::{Map, Value};

/// Something that must be accounted for. Holds no token, no cookie, no query and no claim but user, `sub` and roles.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// `login`, `refused`, `logout`, `refresh`, `roles`, `reload`, `started`, `stopped`.
    event: &'static str,
    /// `success` or `failure`.
    outcome: &'static str,
    /// A stable code: why it failed, or what kind of success it was.
    reason: Option<&'static str>,
    user: Option<String>,
    sub: Option<String>,
    session: Option<String>,
    /// The rule's name in the configuration.
    rule: Option<String>,
    client: Option<IpAddr>,
    request_id: Option<String>,
    /// What only some events have.
    #[serde(skip_serializing_if = "Map::is_empty")]
    detail: Map<String, Value>,
    #[serde(skip)]
    plenty: bool,
}

/// The way to where events are written down; until somebody takes them they go nowhere.
#[derive(Default)]
pub struct Trail(OnceLock<Sink>);

type Sink = Box<dyn Fn(&Event) + Send + Sync>;

// === impl Event ===

impl Event {
    /// Something that went well.
    pub fn success(event: &'static str) -> Self {
        Self::new(event, "success")
    }

    /// Something that did not, for this reason.
    pub fn failure(event: &'static str, reason: &'static str) -> Self {
        Self::new(event, "failure").because(reason)
    }

    fn new(event: &'static str, outcome: &'static str) -> Self {
        Self {
            event,
            outcome,
            reason: None,
            user: None,
            sub: None,
            session: None,
            rule: None,
            client: None,
            request_id: None,
            detail: Map::new(),
            plenty: false,
        }
    }

    /// For this reason, or of this kind.
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Of this person.
    pub fn of(self, user: &str, sub: &str) -> Self {
        Self { user: Some(user.into()), sub: Some(sub.into()), ..self }
    }

    /// Of this session. Its id opens nothing.
    pub fn session(self, id: &str) -> Self {
        Self { session: Some(id.into()), ..self }
    }

    /// By this rule.
    pub fn rule(self, name: &str) -> Self {
        Self { rule: Some(name.into()), ..self }
    }

    /// At this request.
    pub fn at(self, client: IpAddr, request_id: &str) -> Self {
        Self { client: Some(client), request_id: Some(request_id.into()), ..self }
    }

    /// With this besides.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.into(), value.into());
        self
    }

    /// One of very many, at somebody's will: where there is no room for all, others come first.
    pub fn plenty(self) -> Self {
        Self { plenty: true, ..self }
    }

    /// Whether it is.
    pub fn is_plenty(&self) -> bool {
        self.plenty
    }
}

// === impl Trail ===

impl Trail {
    /// From now on events go there. Only the first who asks gets them.
    pub fn lead(&self, sink: impl Fn(&Event) + Send + Sync + 'static) {
        drop(self.0.set(Box::new(sink)));
    }

    /// Writes `event` down.
    pub fn tell(&self, event: &Event) {
        if let Some(sink) = self.0.get() {
            sink(event);
        }
    }
}

impl std::fmt::Debug for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trail")
    }
}
