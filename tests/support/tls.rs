//! The client's side of TLS: one that can be told what to offer, and a tunnel for what speaks cleartext.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::PATIENCE;

/// The authority of the front's certificates.
pub const FRONT_CA: &str = include_str!("../fixtures/tls/front-ca.pem");

/// What a client offers.
#[derive(Clone)]
pub struct Offer {
    config: ClientConfig,
    /// The name asked for and verified.
    name: String,
}

/// A connection of such a client.
pub struct Tls {
    session: ClientConnection,
    stream: TcpStream,
}

// === impl Offer ===

impl Offer {
    /// For this name, all versions, no word of protocols, trusting [`FRONT_CA`] alone.
    pub fn to(name: &str) -> Self {
        Self::of(name, rustls::ALL_VERSIONS)
    }

    /// The same with these versions.
    pub fn of(name: &str, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(FRONT_CA.as_bytes()).unwrap()).unwrap();
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(versions)
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        Self { config, name: name.to_owned() }
    }

    /// Offers these protocols.
    pub fn protocols(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Shows this certificate, whatever the server asks for.
    pub fn showing(mut self, chain: &str, key: &str) -> Self {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        self.config.client_auth_cert_resolver = Arc::new(shown);
        self
    }

    /// Names nobody in the handshake.
    pub fn nameless(mut self) -> Self {
        self.config.enable_sni = false;
        self
    }

    /// Connects and shakes hands to the end, or says how it ended.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Tls> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        self.over(stream)
    }

    /// The same on an open connection.
    pub fn over(&self, mut stream: TcpStream) -> io::Result<Tls> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = self.session();
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        // A server of TLS 1.3 may still refuse what it was shown: that is said in its first flight.
        Ok(Tls { session, stream })
    }

    /// The beginning of a handshake, nothing sent.
    pub fn session(&self) -> ClientConnection {
        let name = ServerName::try_from(self.name.clone()).unwrap();
        ClientConnection::new(Arc::new(self.config.clone()), name).unwrap()
    }

    /// An address that speaks cleartext and is this client toward `target`.
    pub fn tunnel(&self, target: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (config, name) = (Arc::new(self.config.clone()), self.name.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((mut client, _)) = listener.accept().await {
                    let (config, name) = (config.clone(), ServerName::try_from(name.clone()).unwrap());
                    tokio::spawn(async move {
                        client.set_nodelay(true)?;
                        let stream = tokio::net::TcpStream::connect(target).await?;
                        stream.set_nodelay(true)?;
                        let mut gate = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
                        tokio::io::copy_bidirectional(&mut client, &mut gate).await
                    });
                }
            });
        });
        address
    }
}

// === impl Tls ===

impl Tls {
    /// What was agreed on.
    pub fn session(&self) -> &ClientConnection {
        &self.session
    }

    /// The certificate shown.
    pub fn certificate(&self) -> CertificateDer<'_> {
        self.session.peer_certificates().unwrap()[0].clone()
    }

    /// What is written to it is sent, and what comes is read from it.
    pub fn into_stream(self) -> StreamOwned<ClientConnection, TcpStream> {
        StreamOwned::new(self.session, self.stream)
    }

    /// Writes all of it and reads to the end; an end without TLS' own goodbye is an error.
    pub fn ask(self, request: &str) -> io::Result<String> {
        let mut stream = self.into_stream();
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// Reads to the end of a connection; `None` if it is still open when patience ends.
pub fn rest(stream: &mut TcpStream) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => Some(rest),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Some(rest),
        Err(_) => None,
    }
}
