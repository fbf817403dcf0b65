//! One connection to one server, used by many at once; its work is done on the background's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::fault::EngineFault;
use crate::background::Background;
use crate::config::settings::StoreAddress;

/// How lines are made: TLS or not, and who we are.
pub(super) struct Dial {
    tls: Option<TlsConnector>,
    login: RedisConnectionInfo,
    timeout: Duration,
    background: Background,
}

/// A connection that is signed in. Clones share it; it is closed when the last is gone.
#[derive(Clone)]
pub(super) struct Line(Arc<Wire>);

struct Wire {
    connection: MultiplexedConnection,
    /// Moves the bytes; finished: the server hung up.
    driver: JoinHandle<()>,
    server: StoreAddress,
    id: u64,
}

/// Requests that wait for one to be written; more would only hide that the server is slow.
const QUEUED: usize = 512;

// === impl Dial ===

impl Dial {
    pub(super) fn new(
        tls: Option<TlsConnector>,
        login: RedisConnectionInfo,
        timeout: Duration,
        background: Background,
    ) -> Self {
        Self { tls, login, timeout, background }
    }

    pub(super) fn background(&self) -> &Background {
        &self.background
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks something that belongs to making a line, within the timeout.
    pub(super) async fn once(&self, line: &Line, command: &Cmd) -> Result<Value, EngineFault> {
        let answer = timeout(self.timeout, line.ask(command)).await;
        let server = line.server();
        answer
            .map_err(|_| EngineFault::timeout(format!("{server}: no answer in time")))?
            .map_err(|error| EngineFault::of(server, &error))
    }

    /// Connects, shakes hands and signs in, each within the timeout: whoever waits for it has a bound of their own,
    /// and a server that is slow to greet would otherwise never be reached.
    pub(super) async fn to(&self, server: &StoreAddress) -> Result<Line, EngineFault> {
        let late = |step: &str| EngineFault::timeout(format!("{server}: {step}"));
        let connecting = TcpStream::connect((server.host.as_str(), server.port));
        let stream = timeout(self.timeout, connecting).await.map_err(|_| late("no connection in time"))?;
        let unreachable =
            |error: std::io::Error| EngineFault::unreachable(format!("{server}: {}", error.kind()));
        let stream =
            stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)).map_err(unreachable)?;
        let Some(tls) = &self.tls else { return self.greet(server, stream).await };
        let name = ServerName::try_from(server.host.clone()).map_err(|_| {
            EngineFault::unreachable(format!("{server}: not a name that a certificate could have"))
        })?;
        let shaken = timeout(self.timeout, tls.connect(name, stream));
        let stream = shaken.await.map_err(|_| late("no TLS handshake in time"))?;
        // What rustls says is about certificates and protocols; it quotes neither key nor password.
        let stream = stream.map_err(|error| EngineFault::unreachable(format!("{server}: TLS: {error}")))?;
        self.greet(server, stream).await
    }

    async fn greet<S>(&self, server: &StoreAddress, stream: S) -> Result<Line, EngineFault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        static LINES: AtomicU64 = AtomicU64::new(1);
        // The bounds are ours: the library's own would be a second, hidden one (0.5 s).
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_pipeline_buffer_size(QUEUED);
        let greeting = MultiplexedConnection::new_with_config(&self.login, stream, config);
        let (connection, driver) = timeout(self.timeout, greeting)
            .await
            .map_err(|_| EngineFault::timeout(format!("{server}: no greeting in time")))?
            .map_err(|error| EngineFault::of(server, &error))?;
        let driver = self.background.spawn(driver);
        let id = LINES.fetch_add(1, Ordering::Relaxed);
        Ok(Line(Arc::new(Wire { connection, driver, server: server.clone(), id })))
    }
}

// === impl Line ===

impl Line {
    /// Asks and waits, for as long as it takes.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        command.query_async(&mut self.0.connection.clone()).await
    }

    /// The same at a node that is about to take the key over (`ASK`).
    pub(super) async fn ask_newcomer(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut both = Pipeline::with_capacity(2);
        both.cmd("ASKING").ignore().add_command(command.clone());
        let answers: Vec<Value> = both.query_async(&mut self.0.connection.clone()).await?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    /// Whether the server has not hung up, as far as we know.
    pub(super) fn is_open(&self) -> bool {
        !self.0.driver.is_finished()
    }

    /// Which server.
    pub(super) fn server(&self) -> &StoreAddress {
        &self.0.server
    }

    /// Tells this line from every other.
    pub(super) fn id(&self) -> u64 {
        self.0.id
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
