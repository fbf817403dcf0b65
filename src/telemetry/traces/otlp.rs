//! Spans as OTLP has them; as much of its stable messages as a gate has to say.

use std::sync::OnceLock;

use prost::Message as _;

use crate::clock;
use crate::trace::{Kind, Span, Value};

/// The request that tells a collector of `spans`.
pub(super) fn encode(spans: &[Span], service: &str) -> Vec<u8> {
    let attributes = [
        ("service.name", Value::Text(service.to_owned())),
        ("service.version", Value::Word(VERSION)),
        ("service.instance.id", Value::Text(instance().to_owned())),
    ];
    let resource = messages::Resource { attributes: attributes.iter().map(attribute).collect() };
    let scope = messages::InstrumentationScope { name: "rolegate".into(), version: VERSION.into() };
    let spans = messages::ScopeSpans { scope: Some(scope), spans: spans.iter().map(told).collect() };
    let all = messages::ResourceSpans { resource: Some(resource), scope_spans: vec![spans] };
    messages::ExportTraceServiceRequest { resource_spans: vec![all] }.encode_to_vec()
}

/// How many spans an answer says were not taken; none, where it says nothing that can be read.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer = messages::ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

fn told(span: &Span) -> messages::Span {
    messages::Span {
        trace_id: span.trace_id.to_vec(),
        span_id: span.span_id.to_vec(),
        trace_state: span.state.clone(),
        parent_span_id: span.parent_id.map(Vec::from).unwrap_or_default(),
        name: span.name.clone().into_owned(),
        kind: match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
        },
        start_time_unix_nano: span.begun,
        end_time_unix_nano: span.ended,
        attributes: span.attributes.iter().map(attribute).collect(),
        status: span.failed.then_some(messages::Status { code: ERROR }),
        // Bits 8 and 9 say whether the parent is another process's, where that is known.
        flags: HAS_IS_REMOTE
            | if span.kind == Kind::Server && span.parent_id.is_some() { IS_REMOTE } else { 0 },
    }
}

fn attribute((name, value): &(&'static str, Value)) -> messages::KeyValue {
    use messages::any_value::Value as Any;
    let value = match value {
        Value::Word(word) => Any::Text((*word).to_owned()),
        Value::Text(text) => Any::Text(text.clone()),
        Value::Number(number) => Any::Number(*number),
    };
    messages::KeyValue { key: (*name).to_owned(), value: Some(messages::AnyValue { value: Some(value) }) }
}

/// This process, so that replicas can be told apart.
fn instance() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let bytes = clock::random::<16>().unwrap_or_default();
        format!("{:032x}", u128::from_be_bytes(bytes))
    })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`.
const HAS_IS_REMOTE: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const IS_REMOTE: u32 = 0x200;

/// `opentelemetry/proto/{collector/trace,trace,resource,common}/v1`, in their names; numbers of fields never change.
mod messages {
    use prost::{Message, Oneof};

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ExportTraceServiceRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) resource_spans: Vec<ResourceSpans>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ExportTraceServiceResponse {
        #[prost(message, optional, tag = "1")]
        pub(super) partial_success: Option<ExportTracePartialSuccess>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ExportTracePartialSuccess {
        #[prost(int64, tag = "1")]
        pub(super) rejected_spans: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub(super) resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub(super) scope_spans: Vec<ScopeSpans>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub(super) attributes: Vec<KeyValue>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ScopeSpans {
        #[prost(message, optional, tag = "1")]
        pub(super) scope: Option<InstrumentationScope>,
        #[prost(message, repeated, tag = "2")]
        pub(super) spans: Vec<Span>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct InstrumentationScope {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) version: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) span_id: Vec<u8>,
        #[prost(string, tag = "3")]
        pub(super) trace_state: String,
        #[prost(bytes = "vec", tag = "4")]
        pub(super) parent_span_id: Vec<u8>,
        #[prost(string, tag = "5")]
        pub(super) name: String,
        #[prost(int32, tag = "6")]
        pub(super) kind: i32,
        #[prost(fixed64, tag = "7")]
        pub(super) start_time_unix_nano: u64,
        #[prost(fixed64, tag = "8")]
        pub(super) end_time_unix_nano: u64,
        #[prost(message, repeated, tag = "9")]
        pub(super) attributes: Vec<KeyValue>,
        #[prost(message, optional, tag = "15")]
        pub(super) status: Option<Status>,
        #[prost(fixed32, tag = "16")]
        pub(super) flags: u32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Status {
        #[prost(int32, tag = "3")]
        pub(super) code: i32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct KeyValue {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<AnyValue>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct AnyValue {
        #[prost(oneof = "any_value::Value", tags = "1, 3")]
        pub(super) value: Option<any_value::Value>,
    }

    pub(super) mod any_value {
        use super::Oneof;

        #[derive(Clone, PartialEq, Oneof)]
        pub(in super::super) enum Value {
            #[prost(string, tag = "1")]
            Text(String),
            #[prost(int64, tag = "3")]
            Number(i64),
        }
    }
}
