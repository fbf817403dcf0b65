//! The operator's desk: lists and ends sessions, at the control socket alone.
//!
//! Whoever reaches the socket may do all of it: its file is the gate's own user's. Every end is written to the log.

mod ending;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Serialize;

use crate::background::Background;
use crate::body::Answer;
use crate::listen::unix::Caller;
use crate::listen::{Bounds, Handler, Peer};
use crate::reply::{self, Fared};
use crate::session::store::Noted;
use crate::session::visit::Sessions;
use words::{Ask, END, Entry, Listed, Refused, SESSIONS, Whom};

/// Answers the control socket.
#[derive(Clone)]
pub struct Desk {
    /// Those of this gate.
    pub sessions: Arc<Sessions>,
    /// Where an end goes on if whoever asked for it goes away.
    pub background: Background,
}

/// A desk with somebody before it.
pub struct Control {
    desk: Desk,
    caller: Caller,
}

/// Why it is not done: how it fared, and words that say what to do.
#[derive(Debug)]
struct Refusal(Fared, String);

/// What a connection may do: the command asks at once, and briefly.
pub fn bounds() -> Bounds {
    Bounds {
        header_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        write_timeout: PATIENCE,
        parser_headers: 32,
        // The least that the parser takes.
        head_bytes: 8192,
        parser_buffer: 8192,
        ..Bounds::default()
    }
}

// === impl Control ===

impl Control {
    /// `caller` comes to `desk`.
    pub fn new(desk: Desk, caller: Caller) -> Self {
        Self { desk, caller }
    }

    async fn list(&self, query: &str) -> Result<String, Refusal> {
        let whom = asked_for(query)?;
        let store = self.desk.sessions.store().ok_or_else(|| no_store("listing sessions"))?;
        let listed = match &whom {
            Some(Whom::Sub(sub)) => store.sessions_of(sub).await,
            _ => store.all_sessions().await,
        };
        let mut noted = listed.map_err(|fault| outage(&fault))?;
        if let Some(Whom::User(user)) = &whom {
            noted.retain(|noted| noted.user == *user);
        }
        json(&Listed { sessions: noted.into_iter().map(Entry::from).collect() })
    }

    async fn end(&self, body: Incoming) -> Result<String, Refusal> {
        let Ask { end: whom } = read(body).await?;
        let (desk, caller) = (self.desk.clone(), self.caller);
        // An end that has begun is finished, whether or not anybody waits for it.
        let busy = self.desk.background.begin();
        let ending = self.desk.background.spawn(async move {
            let _busy = busy;
            ending::end(&desk, caller, &whom).await
        });
        json(
            &ending
                .await
                .map_err(|_| Refusal(Fared::Failed, "it broke off: see the gate's log".into()))??,
        )
    }
}

impl Handler for Control {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        let done = match (&head.method, head.uri.path()) {
            (&Method::GET, SESSIONS) => self.list(head.uri.query().unwrap_or_default()).await,
            (&Method::POST, END) => self.end(body).await,
            (_, SESSIONS) => Err(Refusal(Fared::Method("GET"), "this is for GET".into())),
            (_, END) => Err(Refusal(Fared::Method("POST"), "this is for POST".into())),
            _ => Err(Refusal(Fared::Unknown, format!("there are {SESSIONS} and {END}"))),
        };
        match done {
            Ok(text) => reply::control(Fared::Well, text),
            Err(Refusal(fared, detail)) => {
                let refused = Refused { error: fared.code().into(), detail };
                reply::control(fared, serde_json::to_string(&refused).unwrap_or_default())
            }
        }
    }
}

// === impl Entry ===

impl From<Noted> for Entry {
    fn from(noted: Noted) -> Self {
        let Noted { id, user, sub, begun, refreshed, ends, .. } = noted;
        Self { id, user, sub, begun, refreshed, ends }
    }
}

/// Of whom a list is to be: of all, if nobody is named.
fn asked_for(query: &str) -> Result<Option<Whom>, Refusal> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let whom = match pairs.next() {
        None => None,
        Some((name, value)) if name == "user" => Some(Whom::User(value.into_owned())),
        Some((name, value)) if name == "sub" => Some(Whom::Sub(value.into_owned())),
        Some(_) => return Err(Refusal(Fared::Malformed, "a list is by user or by sub".into())),
    };
    match pairs.next() {
        None => Ok(whom),
        Some(_) => Err(Refusal(Fared::Malformed, "a list is of one user, one sub, or all".into())),
    }
}

async fn read(body: Incoming) -> Result<Ask, Refusal> {
    let body = tokio::time::timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await;
    let body = body.map_err(|_| Refusal(Fared::TooSlow, "the request did not come in time".into()))?;
    let bytes = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal(Fared::TooLarge, format!("more than {LARGEST} bytes"))
        } else {
            Refusal(Fared::Malformed, "the request broke off".into())
        }
    })?;
    serde_json::from_slice(&bytes.to_bytes())
        .map_err(|error| Refusal(Fared::Malformed, format!("nothing that can be ended: {error}")))
}

fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|error| Refusal(Fared::Failed, error.to_string()))
}

fn no_store(what: &str) -> Refusal {
    Refusal(
        Fared::NoStore,
        format!("{what} needs session.store: without it a gate does not know its sessions"),
    )
}

fn outage(fault: &impl std::fmt::Display) -> Refusal {
    Refusal(Fared::StoreOutage, format!("the store (session.store) cannot be asked: {fault}"))
}

/// Until a request is there.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request's body.
const LARGEST: usize = 16 * 1024;
