//! Certificates that are renewed while the gate runs.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::support::tls::Offer;

const APP: &str = include_str!("../../fixtures/tls/app.pem");
const APP_KEY: &str = include_str!("../../fixtures/tls/app.key");
const API: &str = include_str!("../../fixtures/tls/api.pem");
const API_KEY: &str = include_str!("../../fixtures/tls/api.key");

#[test]
fn a_renewed_certificate_is_shown_from_the_next_handshake_on_and_no_connection_ends() {
    let mut setup =
        Setup::bench().tables("[tls]\ncert_file = \"{folder}/tls.crt\"\nkey_file = \"{folder}/tls.key\"\n");
    for (name, content) in [("tls.crt", APP), ("tls.key", APP_KEY)] {
        setup.files.push((name.into(), content.as_bytes().to_vec()));
    }
    let world = setup.start();
    let address = world.gate.public;
    let connect = |name: &str| Offer::to(name).connect(address).unwrap();
    let before = connect("app.test");
    assert_eq!(before.certificate(), CertificateDer::from_pem_slice(APP.as_bytes()).unwrap());
    let write = |name: &str, text: &str| std::fs::write(world.gate.folder().join(name), text).unwrap();

    // The certificate comes before its key does: half of a pair is nothing to take.
    let from = world.gate.stderr().count();
    write("tls.crt", API);
    let line = said(&world.gate, from, REFUSED);
    assert!(line.contains("tls."), "{line}");
    assert_eq!(count(&world.gate, "certificates", "refused"), 1);
    assert_eq!(connect("app.test").certificate(), before.certificate());
    let from = world.gate.stderr().count();
    write("tls.key", API_KEY);
    said(&world.gate, from, TAKEN);
    assert_eq!(connect("api.test").certificate(), CertificateDer::from_pem_slice(API.as_bytes()).unwrap());
    assert_eq!(count(&world.gate, "certificates", "taken"), 1);
    // What was connected before is none the worse for it.
    let answer = before.ask("GET /public/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
