//! TLS on a fresh connection: the handshake, before HTTP sees a byte. Decides nothing by what a client says in it.
//!
//! Threat: handshakes that never end, and floods of them. Each has a time, and a worker only so many at once:
//! one more pushes the oldest out, which a client that means it has finished long before.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Stopping;
use crate::tally::Tally;
use crate::tls::certificate::Certificate;

/// What a listener shows and speaks. The same for all workers, so that a session goes on at another one.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    timeout: Duration,
    at_once: usize,
    tally: Arc<Tally>,
}

/// One worker's handshakes.
pub(super) struct Handshakes {
    tls: Tls,
    /// The oldest first; what is dropped here is given up there.
    begun: RefCell<VecDeque<oneshot::Sender<()>>>,
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
    /// Shows the first of `certificates` whose names cover the one that a client asks for, else the first. TLS 1.2
    /// is spoken unless `only_1_3`. A handshake may take `timeout`.
    pub fn new(
        certificates: Vec<Certificate>,
        only_1_3: bool,
        timeout: Duration,
    ) -> Result<Self, rustls::Error> {
        let versions: &[_] = if only_1_3 {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByName(certificates)));
        // Whoever offers protocols and not this one is told so, and nothing is guessed (RFC 7301 §3.2).
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Sessions go on without a handshake, and nothing of them is kept here. Its keys are made anew every few hours.
        config.ticketer = Ticketer::new()?;
        Ok(Self { config: Arc::new(config), timeout, at_once: AT_ONCE, tally: Arc::default() })
    }

    /// The same, whose handshakes are counted there.
    pub fn counting(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }
}

// === impl Handshakes ===

impl Handshakes {
    pub(super) fn new(tls: Tls) -> Self {
        Self { tls, begun: RefCell::default() }
    }

    /// The connection's stream once both sides speak TLS.
    pub(super) async fn finish(
        &self,
        stream: TcpStream,
        stopping: &mut Stopping,
    ) -> Result<TlsStream<TcpStream>, Unfinished> {
        let pushed_out = self.begin();
        let finished = tokio::select! {
            finished = self.shake(stream) => finished,
            _ = pushed_out => Err(Unfinished::Crowded),
            () = stopping.begun() => Err(Unfinished::Stopping),
            () = tokio::time::sleep(self.tls.timeout) => Err(Unfinished::Late),
        };
        self.tls.tally.shook_hands(finished.as_ref().map_or_else(Unfinished::code, |_| "ok"));
        finished
    }

    async fn shake(&self, mut stream: TcpStream) -> Result<TlsStream<TcpStream>, Unfinished> {
        let mut first = [0];
        // No record of TLS begins with a letter, every method does.
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
            stream.write_all(CLEARTEXT).await?;
            // What lies here unread would turn the end into a reset, which may overtake the answer.
            let _ = stream.try_read(&mut [0; 16 * 1024]);
            stream.shutdown().await?;
            return Err(Unfinished::Cleartext);
        }
        Ok(TlsAcceptor::from(self.tls.config.clone()).accept(stream).await?)
    }

    /// A place among the handshakes; what is returned resolves when it is taken away.
    fn begin(&self) -> oneshot::Receiver<()> {
        let (place, pushed_out) = oneshot::channel();
        let mut begun = self.begun.borrow_mut();
        if begun.len() >= self.tls.at_once {
            begun.retain(|place| !place.is_closed());
        }
        if begun.len() >= self.tls.at_once {
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

/// What an honest crowd needs: at a round trip of half a second, a thousand new clients a second.
const AT_ONCE: usize = 512;

/// For whoever writes http:// before a port that speaks TLS. Bare, as what the parser refuses.
const CLEARTEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    cache-control: no-store\r\nconnection: close\r\ncontent-length: 49\r\n\r\n\
    This port speaks TLS: the address needs https://\n";

#[cfg(test)]
mod tests;
