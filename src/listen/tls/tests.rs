//! A listener with TLS in this very process, and clients that mean it, or do not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, HandshakeKind};

use super::*;
use crate::body::{Answer, Body};
use crate::listen::workers::{self, Workers};
use crate::listen::{self, Bounds, Handler, Peer, Stop};
use crate::tls::clients::Authorities;

struct Hello;

impl Handler for Hello {
    async fn answer(&self, _: http::Request<hyper::body::Incoming>, _: Peer) -> Answer {
        http::Response::new(Body::from("hello".to_owned()))
    }
}

/// A listener of one worker that takes this many handshakes at once.
struct Stage {
    address: SocketAddr,
    stop: Stop,
    workers: Arc<Workers>,
}

impl Stage {
    fn new(at_once: usize, timeout: Duration) -> Self {
        Self::of(Tls { at_once, ..tls(None, timeout) })
    }

    fn of(tls: Tls) -> Self {
        let shown = Arc::new(ArcSwap::from_pointee(tls));
        let workers = workers::spawn("worker", 1, |_| Ok(Hello), &Bounds::default(), Some(&shown)).unwrap();
        let workers = Arc::new(workers);
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = listen::stop::pair();
        let feeding = workers.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(feeding.feed(listener, stopping)).unwrap();
        });
        Self { address, stop, workers }
    }

    /// A connection on which nothing has been said.
    fn silent(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn is_answered(&self) -> bool {
        self.answers(&Arc::new(client())).is_some()
    }

    /// How the handshake went, if the request after it was answered.
    fn answers(&self, client: &Arc<ClientConfig>) -> Option<HandshakeKind> {
        let name = rustls::pki_types::ServerName::try_from("app.test").unwrap();
        let client = rustls::ClientConnection::new(client.clone(), name).unwrap();
        let mut stream = rustls::StreamOwned::new(client, self.silent());
        stream.write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        // The goodbye of TLS is there as well: without it this would be an error.
        stream.read_to_string(&mut answer).unwrap();
        let well = answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello");
        stream.conn.handshake_kind().filter(|_| well)
    }
}

fn tls(clients: Option<Arc<Clients>>, timeout: Duration) -> Tls {
    let app = Certificate::read(
        include_bytes!("../../../tests/fixtures/tls/app.pem"),
        include_bytes!("../../../tests/fixtures/tls/app.key"),
    );
    Tls::new(vec![app.unwrap()], clients, false, crate::listen::tls::PROTOCOLS, timeout).unwrap()
}

fn client() -> ClientConfig {
    crate::tls::client(Some("tests/fixtures/tls/front-ca.pem".as_ref())).unwrap()
}

/// Whether the gate has closed it, within the patience.
fn is_closed(mut stream: &TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let open = stream.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    open
}

#[test]
fn one_handshake_too_many_pushes_out_the_oldest() {
    let stage = Stage::new(2, Duration::from_secs(600));
    let silent: Vec<_> = (0..4).map(|_| stage.silent()).collect();
    assert!(is_closed(&silent[0]) && is_closed(&silent[1]));
    // Those that are done have left their place.
    assert!(stage.is_answered());
    assert!(is_closed(&silent[2]));
    assert!(stage.is_answered() && stage.is_answered());
    assert!(is_open(&silent[3]), "handshakes that are done push nobody out");
}

#[test]
fn a_handshake_that_says_nothing_ends_in_time() {
    // Enough for a handshake on a machine that is busy.
    let stage = Stage::new(2, Duration::from_secs(1));
    assert!(is_closed(&stage.silent()));
    let mut begun = stage.silent();
    begun.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
    assert!(is_closed(&begun));
    assert!(stage.is_answered());
}

/// A ticket brings a client's certificate back unverified: under other settings it may have been revoked.
#[test]
fn a_ticket_counts_under_the_settings_it_was_given_under_and_no_others() {
    let authorities = include_bytes!("../../../tests/fixtures/tls/clients/ca.pem");
    let authorities = Authorities::read(authorities).unwrap();
    let clients = Arc::new(Clients::new(&authorities, None, false).unwrap());
    let one = Stage::of(tls(Some(clients.clone()), PATIENCE));
    let other = Stage::of(tls(Some(clients), PATIENCE));
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(front_ca())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = Arc::new(config);
        assert_eq!(one.answers(&client), Some(HandshakeKind::Full));
        assert_eq!(one.answers(&client), Some(HandshakeKind::Resumed));
        assert_eq!(other.answers(&client), Some(HandshakeKind::Full));
        assert_eq!(other.answers(&client), Some(HandshakeKind::Resumed));
    }
}

fn front_ca() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    let ca = include_bytes!("../../../tests/fixtures/tls/front-ca.pem");
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
    roots
}

#[test]
fn a_stop_does_not_wait_for_handshakes() {
    let stage = Stage::new(2, Duration::from_secs(600));
    let (first, second, third) = (stage.silent(), stage.silent(), stage.silent());
    // By the third the others have arrived.
    assert!(is_closed(&first));
    stage.stop.begin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, stage.stop.done()).await });
    assert!(done.is_ok() && is_closed(&second) && is_closed(&third));
    drop(stage.workers);
}

const PATIENCE: Duration = Duration::from_secs(20);
