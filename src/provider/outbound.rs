//! Calls to the provider: bounded in time and size, never following a redirect.
//!
//! Threat: a discovery document or token endpoint that sends the gate elsewhere (SSRF), or answers without
//! end. The answer of a redirect is simply not the answer that was asked for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::clock::Stopwatch;
use crate::tally::Tally;
use crate::tls::{self, TlsError};

/// A client for the provider's endpoints.
#[derive(Clone)]
pub struct Outbound {
    shortcut: Option<(String, String)>,
    tally: Arc<Tally>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why a call gave no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum OutboundFault {
    /// Name, connection, TLS or a connection that broke.
    #[error("{0}")]
    Unreachable(String),
    /// Longer than [`TIMEOUT`].
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Larger than [`MAX_ANSWER`].
    #[error("the answer is larger than {MAX_ANSWER} bytes")]
    TooLarge,
}

// === impl Outbound ===

impl Outbound {
    /// A client that trusts the system's roots, or those of `ca_file` alone.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client(ca_file)?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self { shortcut: None, tally: Arc::default(), client })
    }

    /// The same client, whose calls to the first origin go to the second.
    pub fn with_shortcut(self, shortcut: Option<(String, String)>) -> Self {
        Self { shortcut, ..self }
    }

    /// The same client, whose calls are counted there.
    pub fn counting(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// Where its calls are counted.
    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// One request and its whole answer, whatever its status.
    pub async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OutboundFault> {
        let request = self.rerouted(request).map(|body| Full::new(Bytes::from(body)));
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    OutboundFault::TooLarge
                } else {
                    OutboundFault::Unreachable(error.to_string())
                }
            })?;
            Ok(Response::from_parts(head, body.to_bytes().to_vec()))
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or(Err(OutboundFault::Timeout))
    }

    fn rerouted(&self, mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
        let text = request.uri().to_string();
        let there = self.shortcut.as_ref().and_then(|(from, to)| {
            let rest = text.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            format!("{to}{rest}").parse().ok()
        });
        if let Some(uri) = there {
            *request.uri_mut() = uri;
        }
        request
    }

    /// The body of a GET, if the answer is a 200.
    pub async fn get(&self, url: &str) -> Result<Result<Vec<u8>, http::StatusCode>, OutboundFault> {
        let request = Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|error| OutboundFault::Unreachable(error.to_string()))?;
        let answer = self.exchange(request).await?;
        Ok(if answer.status() == http::StatusCode::OK {
            Ok(answer.into_body())
        } else {
            Err(answer.status())
        })
    }

    /// The body of a GET that was answered with a 200; else why not, with the address. Counted as this `call`.
    pub async fn get_ok(&self, call: &'static str, url: &str) -> Result<Vec<u8>, String> {
        let watch = Stopwatch::start();
        let answer = self.get(url).await;
        let outcome = match &answer {
            Ok(Ok(_)) => "ok",
            Ok(Err(_)) => "refused",
            Err(fault) => fault.outcome(),
        };
        self.tally.pool_called(call, outcome, None, watch.taken().as_secs_f64());
        match answer {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(status)) => Err(format!("{url} answered {status}")),
            Err(error) => Err(format!("{url}: {error}")),
        }
    }
}

// === impl OutboundFault ===

impl OutboundFault {
    /// How metrics name it.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout => "timeout",
            Self::TooLarge => "bad_answer",
        }
    }
}

/// The whole chain of causes: "connection refused" is what helps, not "client error".
fn unreachable(error: &dyn std::error::Error) -> OutboundFault {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    OutboundFault::Unreachable(text)
}

/// For a whole exchange. Cognito answers in well under a second.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Discovery, key set and token answers are a few KiB.
pub const MAX_ANSWER: usize = 256 * 1024;
