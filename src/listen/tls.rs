//! TLS on a fresh connection: the handshake, before HTTP sees a byte. Decides nothing by what a client says in it.
//!
//! Threat: handshakes that never end, and floods of them. Each has a time, and a worker only so many at once:
//! one more pushes the oldest out, which a client that means it has finished long before.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Stopping;
use crate::tally::Tally;
use crate::tls::certificate::Certificate;
use crate::tls::client_certificate::ClientCertificate;
use crate::tls::clients::Clients;

/// What a listener shows, asks and speaks. The same for all workers, so that a session goes on at another one.
pub struct Tls {
    config: Arc<ServerConfig>,
    clients: Option<Arc<Clients>>,
    timeout: Duration,
    at_once: usize,
    tally: Arc<Tally>,
}

/// What a listener shows and speaks now: what is exchanged here counts from the next handshake on.
pub type Shown = Arc<ArcSwap<Tls>>;

/// One worker's handshakes.
pub(super) struct Handshakes {
    tls: Shown,
    /// The oldest first; what is dropped here is given up there.
    begun: RefCell<VecDeque<oneshot::Sender<()>>>,
}

/// A connection that speaks TLS.
pub(super) struct Spoken {
    pub(super) stream: TlsStream<TcpStream>,
    /// What the client showed.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    /// HTTP/2 was agreed on.
    pub(super) http2: bool,
}

/// Why a connection did not come to speak TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfinished {
    #[error("the handshake took too long")]
    Late,
    #[error("too many handshakes at once; this was the oldest")]
    Crowded,
    #[error("stopping")]
    Stopping,
    #[error("the client spoke HTTP in cleartext")]
    Cleartext,
    #[error("{0}")]
    Failed(#[from] io::Error),
}

/// The certificates, as a client's wish chooses among them.
#[derive(Debug)]
struct ByName(Vec<Certificate>);

// === impl Unfinished ===

impl Unfinished {
    /// How metrics name it.
    fn code(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Crowded => "crowded",
            Self::Stopping => "stopping",
            Self::Cleartext => "cleartext",
            Self::Failed(_) => "failed",
        }
    }
}

// === impl Tls ===

impl Tls {
    /// Shows the first of `certificates` whose names cover the one that a client asks for, else the first. A client is
    /// asked for one of its own if there are `clients`. TLS 1.2 is spoken unless `only_1_3`; on it `protocols`, the best
    /// first. A handshake may take `timeout`.
    pub fn new(
        certificates: Vec<Certificate>,
        clients: Option<Arc<Clients>>,
        only_1_3: bool,
        protocols: &[&[u8]],
        timeout: Duration,
    ) -> Result<Self, rustls::Error> {
        let versions: &[_] = if only_1_3 {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(match &clients {
                Some(clients) => clients.verifier(),
                None => WebPkiClientVerifier::no_client_auth(),
            })
            .with_cert_resolver(Arc::new(ByName(certificates)));
        // Whoever offers protocols and none of these is told so, and nothing is guessed (RFC 7301 §3.2).
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        // Sessions go on without a handshake, and nothing of them is kept here. Its keys are made anew every few hours.
        // A ticket brings back the certificate that the client showed, and nobody verifies that again: so its keys, and
        // what is kept of sessions without tickets, are of these settings alone. Under others every client shakes hands.
        config.ticketer = Ticketer::new()?;
        Ok(Self { config: Arc::new(config), clients, timeout, at_once: AT_ONCE, tally: Arc::default() })
    }

    /// The same, whose handshakes are counted there.
    pub fn counting(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }
}

// === impl Handshakes ===

impl Handshakes {
    pub(super) fn new(tls: Shown) -> Self {
        Self { tls, begun: RefCell::default() }
    }

    /// The connection's stream once both sides speak TLS.
    pub(super) async fn finish(
        &self,
        stream: TcpStream,
        stopping: &mut Stopping,
    ) -> Result<Spoken, Unfinished> {
        let pushed_out = self.begin();
        let finished = tokio::select! {
            finished = self.shake(stream) => finished,
            _ = pushed_out => Err(Unfinished::Crowded),
            () = stopping.last_call() => Err(Unfinished::Stopping),
            () = tokio::time::sleep(self.tls.load().timeout) => Err(Unfinished::Late),
        };
        self.tls.load().tally.shook_hands(finished.as_ref().map_or_else(Unfinished::code, |_| "ok"));
        finished
    }

    async fn shake(&self, mut stream: TcpStream) -> Result<Spoken, Unfinished> {
        let mut first = [0];
        // No record of TLS begins with a letter, every method does.
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            stream.write_all(CLEARTEXT).await?;
            // What lies here unread would turn the end into a reset, which may overtake the answer.
            let _ = stream.try_read(&mut [0; 16 * 1024]);
            stream.shutdown().await?;
            return Err(Unfinished::Cleartext);
        }
        let tls = self.tls.load_full();
        let stream = TlsAcceptor::from(tls.config.clone()).accept(stream).await?;
        let clients = tls.clients.as_ref();
        let shown = clients.zip(stream.get_ref().1.peer_certificates());
        let certificate = shown.and_then(|(clients, chain)| clients.shown(chain)).map(Arc::new);
        let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok(Spoken { stream, certificate, http2 })
    }

    /// A place among the handshakes; what is returned resolves when it is taken away.
    fn begin(&self) -> oneshot::Receiver<()> {
        let (place, pushed_out) = oneshot::channel();
        let at_once = self.tls.load().at_once;
        let mut begun = self.begun.borrow_mut();
        if begun.len() >= at_once {
            begun.retain(|place| !place.is_closed());
        }
        if begun.len() >= at_once {
            begun.pop_front();
        }
        begun.push_back(place);
        pushed_out
    }
}

// === impl ByName ===

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Self(certificates) = self;
        let can_sign = |certificate: &&Certificate| {
            certificate.key().key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let name = hello.server_name();
        let named = name.and_then(|name| certificates.iter().filter(can_sign).find(|own| own.covers(name)));
        named.or_else(|| certificates.iter().find(can_sign)).map(|own| own.key().clone())
    }
}

/// What is spoken on TLS, the best first: what `workers` has a server for. HTTP/3 is not, so nothing advertises it.
pub const PROTOCOLS: &[&[u8]] = &[HTTP2, HTTP1];

/// The same where HTTP/2 is switched off.
pub const HTTP1_ALONE: &[&[u8]] = &[HTTP1];

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What an honest crowd needs: at a round trip of half a second, a thousand new clients a second.
const AT_ONCE: usize = 512;

/// For whoever writes http:// before a port that speaks TLS. Bare, as what the parser refuses.
const CLEARTEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    cache-control: no-store\r\nconnection: close\r\ncontent-length: 49\r\n\r\n\
    This port speaks TLS: the address needs https://\n";

#[cfg(test)]
mod tests;
