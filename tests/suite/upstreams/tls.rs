//! TLS toward an upstream: its own authority, a certificate to show there, and the name that it must have.

use std::net::{SocketAddr, TcpListener};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

const CLIENTS_CA: &str = include_str!("../../fixtures/tls/clients/ca.pem");
const CLIENT: &str = include_str!("../../fixtures/tls/clients/good.pem");
const CLIENT_KEY: &str = include_str!("../../fixtures/tls/clients/client.key");
const SERVER: &str = include_str!("../../fixtures/tls/api.pem");
const SERVER_KEY: &str = include_str!("../../fixtures/tls/api.key");

/// Is `api.test`, and asks clients for a certificate. Answers each request with how many certificates it was shown, and
/// for whom.
fn asks_for_a_certificate() -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CLIENTS_CA.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let chain = CertificateDer::pem_slice_iter(SERVER.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(SERVER_KEY.as_bytes()).unwrap())
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(rustls::StreamOwned::new(session, stream));
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).unwrap_or(0) == 0 {
                        return;
                    }
                }
                let shown = stream.get_ref().conn.peer_certificates().map_or(0, <[_]>::len);
                let told =
                    format!("shown {shown} to {}", stream.get_ref().conn.server_name().unwrap_or("nobody"));
                let length = told.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{told}");
                let stream = stream.get_mut();
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            });
        }
    });
    address
}

fn asked(keys: &str) -> Answer {
    let address = format!("https://{}", asks_for_a_certificate());
    let mut setup = app(&[address], keys);
    for (name, content) in
        [("ca.pem", crate::support::tls::FRONT_CA), ("client.pem", CLIENT), ("client.key", CLIENT_KEY)]
    {
        setup.files.push((name.into(), content.as_bytes().to_vec()));
    }
    let world = setup.start();
    get(&mut wire(&world), "/public/x")
}

#[test]
fn an_upstream_with_its_own_authority_is_shown_a_certificate_and_must_have_the_name() {
    let (ca, own, name) = (
        "ca_file = \"{folder}/ca.pem\"\n",
        "client_certificate_file = \"{folder}/client.pem\"\nclient_key_file = \"{folder}/client.key\"\n",
        "server_name = \"api.test\"\n",
    );
    let answer = asked(&format!("{ca}{own}{name}"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "shown 1 to api.test"), "{answer:#?}");
    for (what, keys) in [
        ("nothing to show", format!("{ca}{name}")),
        ("the address is no name of it", format!("{ca}{own}")),
        ("another name", format!("{ca}{own}server_name = \"other.test\"\n")),
        ("the system's authorities", format!("{own}{name}")),
    ] {
        let answer = asked(&keys);
        assert_eq!(answer.status, 502, "{what}: {answer:#?}");
    }
}
