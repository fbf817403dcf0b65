//! One question to a gate over its control socket; every failure says what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use crate::control::words::Refused;

/// Why there is no answer that counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Nobody listens.
    #[error("nobody listens at {0}: is the gate running, with this control_socket?")]
    Nobody(PathBuf),
    /// The socket is another user's.
    #[error("{0} is not for this user: ask as the user that the gate runs as, or as root")]
    NotOurs(PathBuf),
    /// The system's reason.
    #[error("{0}: {1}")]
    System(PathBuf, io::Error),
    /// Nothing came back.
    #[error("{0} gave no answer in {secs} seconds; ask again: to end twice does no harm", secs = PATIENCE.as_secs())]
    Slow(PathBuf),
    /// What came back is not from a gate of this version.
    #[error("{0} gave no answer that can be read: {1}")]
    Unreadable(PathBuf, String),
    /// The gate's own words.
    #[error("{0}")]
    Refused(String),
    /// Nobody reads what is printed.
    #[error("standard output: {0}")]
    Output(io::Error),
}

/// Asks.
pub(super) fn get<A: DeserializeOwned>(socket: &Path, target: &str) -> Result<A, Failure> {
    ask(socket, Method::GET, target, Vec::new())
}

/// Asks for something to be done.
pub(super) fn post<A: DeserializeOwned>(
    socket: &Path,
    target: &str,
    body: &impl Serialize,
) -> Result<A, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| unreadable(socket, &error))?;
    ask(socket, Method::POST, target, body)
}

fn ask<A: DeserializeOwned>(
    socket: &Path,
    method: Method,
    target: &str,
    body: Vec<u8>,
) -> Result<A, Failure> {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, "rolegate")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| unreadable(socket, &error))?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::System(socket.to_path_buf(), error))?;
    let answered =
        runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange(socket, request)).await });
    let (well, bytes) = answered.map_err(|_| Failure::Slow(socket.to_path_buf()))??;
    if well {
        return serde_json::from_slice(&bytes).map_err(|error| unreadable(socket, &error));
    }
    match serde_json::from_slice::<Refused>(&bytes) {
        Ok(refused) => Err(Failure::Refused(refused.detail)),
        Err(error) => Err(unreadable(socket, &error)),
    }
}

async fn exchange(socket: &Path, request: Request<Full<Bytes>>) -> Result<(bool, Bytes), Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| refused(socket, error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreadable(socket, &error))?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| unreadable(socket, &error))?;
    let well = answer.status().is_success();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| Failure::Unreadable(socket.to_path_buf(), error.to_string()))?;
    Ok((well, body.to_bytes()))
}

fn refused(socket: &Path, error: io::Error) -> Failure {
    let socket = socket.to_path_buf();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::Nobody(socket),
        io::ErrorKind::PermissionDenied => Failure::NotOurs(socket),
        _ => Failure::System(socket, error),
    }
}

fn unreadable(socket: &Path, error: &impl std::fmt::Display) -> Failure {
    Failure::Unreadable(socket.to_path_buf(), error.to_string())
}

/// For one question: a gate waits for its store less long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Some hundred thousand sessions.
const LARGEST: usize = 256 * 1024 * 1024;
