//! A new connection to the upstream: TCP, TLS over it, or a unix socket; speaks no HTTP.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::cap::{Cap, Caps, Permit};
use super::fault::{Fault, SetupError};
use crate::config::settings::{Destination, Limits, Upstream};
use crate::gather;
use crate::tls;

/// Knows how to reach one upstream.
#[derive(Clone)]
pub(super) struct Connector {
    upstream: Upstream,
    /// Where its name was found to lead; `None`: it is looked up for each connection.
    at: Option<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    patience: Duration,
    cap: Arc<Cap>,
}

/// A connection, and whether anything was ever heard on it since it was last asked something.
pub(super) struct Stream {
    inner: Transport,
    heard: Heard,
    /// Told when the first bytes come.
    first: Option<oneshot::Sender<()>>,
    /// Given back when the socket is closed, whoever has it then.
    _permit: Option<Permit>,
}

/// Shared with whoever must know whether an answer had begun. Atomic only because hyper wants `Send` of what
/// may be upgraded; it never leaves its thread.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<AtomicBool>);

enum Transport {
    Tcp(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    Unix(UnixStream),
}

// === impl Connector ===

impl Connector {
    /// For `upstream`, one of the addresses of `to`.
    pub(super) fn new(
        upstream: &Upstream,
        to: &Destination,
        limits: &Limits,
        caps: &Caps,
    ) -> Result<Self, SetupError> {
        let tls = match upstream {
            Upstream::Https { host, ca_file, http2, .. } => {
                let name = to.server_name.as_deref().unwrap_or(bare(host));
                let name =
                    ServerName::try_from(name.to_owned()).map_err(|_| SetupError::Host(name.to_owned()))?;
                let own = to.certificate.as_ref().map(|certificate| certificate.key().clone());
                let mut config = tls::client_as(ca_file.as_deref(), own)?;
                config.alpn_protocols = vec![if *http2 { H2 } else { b"http/1.1" }.to_vec()];
                Some((TlsConnector::from(Arc::new(config)), name))
            }
            Upstream::Http { .. } | Upstream::Unix(_) => None,
        };
        let cap = caps.of(upstream, limits);
        Ok(Self { upstream: upstream.clone(), at: None, tls, patience: limits.connect_timeout, cap })
    }

    /// The same, by this address of its name alone.
    pub(super) fn at(&self, address: SocketAddr) -> Self {
        Self { at: Some(address), ..self.clone() }
    }

    /// Whether connections of `other` are as good as ours. Not over TLS: what is trusted there may have changed.
    pub(super) fn leads_the_same_way(&self, other: &Self) -> bool {
        self.tls.is_none()
            && self.upstream == other.upstream
            && self.at == other.at
            && self.patience == other.patience
            && Arc::ptr_eq(&self.cap, &other.cap)
    }

    /// What bounds all workers' connections to there.
    pub(super) fn cap(&self) -> Arc<Cap> {
        self.cap.clone()
    }

    /// Whether HTTP/2 is spoken there, and nothing else.
    pub(super) fn speaks_http2(&self) -> bool {
        matches!(self.upstream, Upstream::Http { http2: true, .. } | Upstream::Https { http2: true, .. })
    }

    /// The scheme of what is asked over it.
    pub(super) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// A new connection, ready to speak, within the patience there is for all of it.
    pub(super) async fn connect(&self) -> Result<Stream, Fault> {
        match timeout(self.patience, self.reach()).await {
            Ok(reached) => {
                Ok(Stream { inner: reached?, heard: Heard::default(), first: None, _permit: None })
            }
            Err(_) => Err(Fault::ConnectTimeout),
        }
    }

    /// What belongs to making a connection, within the patience for it.
    pub(super) async fn within_patience<T>(&self, step: impl Future<Output = T>) -> Result<T, Fault> {
        timeout(self.patience, step).await.map_err(|_| Fault::ConnectTimeout)
    }

    async fn reach(&self) -> Result<Transport, Fault> {
        let (host, port) = match &self.upstream {
            Upstream::Unix(path) => {
                return UnixStream::connect(path).await.map(Transport::Unix).map_err(Fault::Connect);
            }
            Upstream::Http { host, port, .. } | Upstream::Https { host, port, .. } => (bare(host), *port),
        };
        let tcp = self.dial(host, port).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Fault::ConnectTimeout,
            _ => Fault::Connect(error),
        })?;
        // Heads and the last piece of a body would otherwise wait for an acknowledgement.
        let _ = tcp.set_nodelay(true);
        let Some((connector, name)) = &self.tls else { return Ok(Transport::Tcp(tcp)) };
        let tls = connector.connect(name.clone(), tcp).await.map_err(Fault::Tls)?;
        if self.speaks_http2() && tls.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(Fault::Tls(io::Error::other("HTTP/2 was not agreed on (ALPN h2)")));
        }
        Ok(Transport::Tls(Box::new(tls)))
    }

    /// The first address that answers. Each has its share of the patience, so that one that swallows packets
    /// does not keep the next from being tried.
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = match self.at {
            Some(address) => vec![address],
            None => tokio::net::lookup_host((host, port)).await?.collect(),
        };
        let share = self.patience / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

/// Where a name leads.
pub(super) async fn addresses(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// HTTP/2 in ALPN (RFC 9113 §3.2).
const H2: &[u8] = b"h2";

/// A host as the resolver and TLS want it: an IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

// === impl Heard ===

impl Heard {
    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub(super) fn anything(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Stream ===

impl Stream {
    pub(super) fn heard(&self) -> Heard {
        self.heard.clone()
    }

    pub(super) fn held_by(self, permit: Permit) -> Self {
        Self { _permit: Some(permit), ..self }
    }

    /// Resolves when the first bytes come, or none can come any more.
    pub(super) fn first_heard(&mut self) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.first = Some(tell);
        told
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.inner {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if buffer.filled().len() > before {
            self.heard.0.store(true, Ordering::Relaxed);
            self.first = None;
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Transport::Tcp(stream) => gather::poll_write(stream, cx, pieces),
            // It copies into a record of its own.
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Transport::Unix(stream) => gather::poll_write(stream, cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Transport::Tcp(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
            Transport::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
