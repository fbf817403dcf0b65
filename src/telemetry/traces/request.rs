//! What a trace tells of a request: its own span and the upstream's, from what the access record knows.

use std::time::Instant;

use super::Traced;
use crate::trace::{Kind, Span, Trace, Value};

/// A request that has been answered, as its access record has it.
pub struct Seen<'a> {
    /// As in the record.
    pub method: &'a str,
    /// As in the record.
    pub host: Option<&'a str>,
    /// Never the query.
    pub path: Option<&'a str>,
    /// As in the record.
    pub client: String,
    /// The rule's name.
    pub rule: Option<&'a str>,
    /// As in the record.
    pub decision: &'static str,
    /// As in the record.
    pub reason: &'static str,
    /// As in the record.
    pub request_id: &'a str,
    /// 0: the client went away.
    pub status: u16,
    /// The upstream's own status.
    pub upstream_status: Option<u16>,
    /// When the head had come.
    pub begun: Instant,
    /// When the request went to the upstream.
    pub left: Option<Instant>,
    /// When the answer left.
    pub ended: Instant,
}

impl Traced {
    /// Tells the collector, where this is recorded.
    pub fn end(self, seen: &Seen<'_>) {
        let Some(trace) = self.trace.clone() else { return };
        if let Some(left) = seen.left {
            trace.tell(self.forwarded(&trace, seen, left));
        }
        trace.tell(self.asked(&trace, seen));
    }

    fn asked(self, trace: &Trace, seen: &Seen<'_>) -> Span {
        let method = known(seen.method);
        // Few names, so that traces can be told by them: a path is none (semantic conventions, HTTP server).
        let what = seen.rule.unwrap_or(if seen.decision == "own" { seen.reason } else { seen.decision });
        let mut attributes = vec![
            ("http.request.method", Value::Word(method)),
            ("client.address", Value::Text(seen.client.clone())),
            ("rolegate.decision", Value::Word(seen.decision)),
            ("rolegate.reason", Value::Word(seen.reason)),
            ("rolegate.request_id", Value::Text(seen.request_id.to_owned())),
        ];
        let texts = [("server.address", seen.host), ("url.path", seen.path), ("rolegate.rule", seen.rule)];
        attributes.extend(texts.into_iter().filter_map(|(name, text)| Some((name, Value::Text(cut(text?))))));
        let failure = status(&mut attributes, Some(seen.status).filter(|status| *status != 0));
        let failed = failure.is_some();
        attributes.extend(failure);
        Span {
            trace_id: trace.id(),
            span_id: trace.span_id(),
            parent_id: self.parent.map(|parent| parent.span_id),
            state: self
                .outgoing
                .state
                .as_ref()
                .and_then(|state| state.to_str().ok())
                .unwrap_or_default()
                .into(),
            name: format!("{} {}", if method == "_OTHER" { "HTTP" } else { method }, cut(what)).into(),
            kind: Kind::Server,
            begun: trace.at(seen.begun),
            ended: trace.at(seen.ended),
            attributes,
            failed,
        }
    }

    fn forwarded(&self, trace: &Trace, seen: &Seen<'_>, left: Instant) -> Span {
        let mut attributes = vec![("http.request.method", Value::Word(known(seen.method)))];
        let failure = match seen.upstream_status {
            Some(code) => status(&mut attributes, Some(code)),
            None => Some(("error.type", Value::Word(seen.reason))),
        };
        let failed = failure.is_some();
        attributes.extend(failure);
        Span {
            trace_id: trace.id(),
            span_id: self.forward_id,
            parent_id: Some(trace.span_id()),
            state: String::new(),
            name: "forward".into(),
            kind: Kind::Client,
            begun: trace.at(left),
            ended: trace.at(seen.ended),
            attributes,
            failed,
        }
    }
}

/// The status, and that it is a fault where it is one.
fn status(attributes: &mut Vec<(&'static str, Value)>, status: Option<u16>) -> Option<(&'static str, Value)> {
    let Some(code) = status else { return Some(("error.type", Value::Word("client_gone"))) };
    attributes.push(("http.response.status_code", Value::Number(code.into())));
    (code >= 500).then(|| ("error.type", Value::Text(code.to_string())))
}

/// Anybody can make up a method; those that are known are few.
fn known(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// A path may be as long as a target: a queue of them must not be without bound.
fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

const LONGEST_TEXT: usize = 1024;
