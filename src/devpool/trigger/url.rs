//! A Lambda runtime interface emulator, as SAM and the AWS base images have it: the event as a POST.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/images-test.html>

use ::http::header::{CONTENT_TYPE, HOST};
use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Failure, MOST_BYTES};

/// Where a function is: plain HTTP, as the emulator speaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::devpool) struct Address {
    authority: String,
    host: String,
    port: u16,
    target: String,
}

// === impl Address ===

impl Address {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = ::url::Url::parse(text).ok().filter(|url| url.scheme() == "http")?;
        let port = url.port_or_known_default()?;
        let host = url.host_str()?;
        Some(Self {
            authority: format!("{host}:{port}"),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            target: match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
        })
    }

    pub(super) async fn invoke(&self, event: &Value) -> Result<Value, Failure> {
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::Invocation(format!("{} could not be reached: {error}", self.authority))
        };
        let stream =
            TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(&error))?;
        let request = Request::post(&self.target)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(event.to_string())))
            .map_err(|error| unreachable(&error))?;
        let conversation = async {
            let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
            read(answer).await
        };
        // The connection ends with the answer that it carries.
        tokio::pin!(connection, conversation);
        let mut open = true;
        loop {
            tokio::select! {
                answer = &mut conversation => return answer,
                _ = &mut connection, if open => open = false,
            }
        }
    }
}

async fn read(answer: Response<Incoming>) -> Result<Value, Failure> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MOST_BYTES).collect().await;
    let body =
        body.map_err(|error| Failure::Output(format!("the answer could not be read: {error}")))?.to_bytes();
    if !head.status.is_success() {
        return Err(Failure::Invocation(format!("the function's address answered {}", head.status)));
    }
    let value: Value =
        serde_json::from_slice(&body).map_err(|_| Failure::Output("the answer is no JSON".into()))?;
    // A function that failed is a 200 of the emulator's with this member.
    match value.get("errorMessage").and_then(Value::as_str) {
        Some(message) if value.get("response").is_none() => Err(Failure::Function(message.to_owned())),
        _ => Ok(value),
    }
}
