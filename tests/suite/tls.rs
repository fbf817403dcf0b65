//! IDP-06 and FWD-11: a pool and an upstream over TLS, with certificates that count and others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use crate::support::pool::{FakePool, POOL_ID};
use crate::support::tls::FRONT_CA;
use crate::support::upstream::Recorder;
use crate::support::wire::Wire;
use crate::support::world::{Setup, Who};

const CA: &str = include_str!("../fixtures/tls/ca.pem");

pub fn a_pool_without_a_certificate_that_counts_is_none() {
    let good = (include_str!("../fixtures/tls/good.pem"), include_str!("../fixtures/tls/good.key"));
    let expired = (include_str!("../fixtures/tls/expired.pem"), include_str!("../fixtures/tls/expired.key"));
    let other = (include_str!("../fixtures/tls/other.pem"), include_str!("../fixtures/tls/other.key"));
    let cleartext = |document: &mut Value| {
        let token = document["token_endpoint"].as_str().unwrap().replacen("https:", "http:", 1);
        document["token_endpoint"] = token.into();
    };
    for (what, certificate, ca, tamper, ready) in [
        ("well", good, true, None, true),
        ("of an unknown authority", good, false, None, false),
        ("expired", expired, true, None, false),
        ("for another name", other, true, None, false),
        ("well, with an endpoint in cleartext", good, true, Some(&cleartext), false),
    ] {
        let pool = FakePool::start();
        let address = in_front_of(pool.address, certificate);
        let (plain, secure) = (pool.origin(), format!("https://{address}"));
        let tamper = tamper.copied();
        let to = secure.clone();
        pool.tamper_discovery(move |document| {
            *document = serde_json::from_str(&document.to_string().replace(&plain, &to)).unwrap();
            if let Some(tamper) = tamper {
                tamper(document);
            }
        });
        let mut setup = Setup::bench().unready();
        setup.provider = setup.provider.replace("{issuer}", &format!("{secure}/{POOL_ID}"));
        if ca {
            setup.provider += "ca_file = \"{folder}/ca.pem\"\n";
            setup.files.push(("ca.pem".into(), CA.as_bytes().to_vec()));
        }
        let gate = setup.try_start_with(&pool, &Recorder::start()).unwrap();
        let said = gate.stderr().wait(|line| {
            let (well, not) = (line.contains("provider is ready"), line.contains("provider is not ready"));
            (well || not).then(|| (well, line.to_owned()))
        });
        let (well, line) = said.unwrap_or_else(|| panic!("{what}: {}", gate.stderr().all()));
        assert_eq!(well, ready, "{what}: {line}");
        assert_eq!(gate.admin("/readyz").status == 200, ready, "{what}: {line}");
    }
}

/// The upstream's certificate is looked at as the pool's is, and nothing turns that off.
pub fn an_upstream_without_a_certificate_that_counts_gets_nothing() {
    let good = (include_str!("../fixtures/tls/good.pem"), include_str!("../fixtures/tls/good.key"));
    let expired = (include_str!("../fixtures/tls/expired.pem"), include_str!("../fixtures/tls/expired.key"));
    let other = (include_str!("../fixtures/tls/other.pem"), include_str!("../fixtures/tls/other.key"));
    let future = (include_str!("../fixtures/tls/future.pem"), include_str!("../fixtures/tls/future.key"));
    let own =
        (include_str!("../fixtures/tls/store-client.pem"), include_str!("../fixtures/tls/store-client.key"));
    for (what, certificate, ca, complaint) in [
        ("well", good, Some(CA), None),
        ("of an unknown authority", good, None, Some("UnknownIssuer")),
        ("of another authority", good, Some(FRONT_CA), Some("UnknownIssuer")),
        ("expired", expired, Some(CA), Some("certificate expired")),
        ("for another name", other, Some(CA), Some("certificate not valid for name")),
        ("of the far future", future, Some(FRONT_CA), Some("certificate not valid yet")),
        ("signed by itself", own, Some(CA), Some("invalid peer certificate")),
    ] {
        let upstream = Recorder::start();
        let secure = in_front_of(upstream.address, certificate);
        let mut setup = Setup::bench();
        setup.upstream = format!("https://{secure}");
        if let Some(ca) = ca {
            setup = setup.top("upstream_ca_file = \"{folder}/ca.pem\"");
            setup.files.push(("ca.pem".into(), ca.as_bytes().to_vec()));
        }
        let world = setup.start_with(FakePool::start(), upstream);
        for who in [Who::Nobody, Who::User] {
            let head = "GET /public/x HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n{session}\r\n";
            let mut wire = Wire::connect(world.gate.public);
            wire.write(&world.fill(&world.session(who), head));
            let answer = wire.answer(false).unwrap();
            let Some(complaint) = complaint else {
                assert_eq!(answer.status, 200, "{what}: {answer:#?}");
                continue;
            };
            assert_eq!(answer.status, 502, "{what}: {answer:#?}");
            let line = world.gate.stderr().wait(|line| {
                let ours = line.contains("the upstream gave no answer") && line.contains("upstream_tls");
                ours.then(|| line.to_owned())
            });
            let line = line.unwrap_or_else(|| panic!("{what}: {}", world.gate.stderr().all()));
            assert!(line.contains(complaint), "{what}: {line}");
        }
        assert_eq!(world.upstream.count() > 0, complaint.is_none(), "{what}");
    }
    for key in [
        "upstream_insecure = true",
        "upstream_skip_verify = true",
        "ssl_upstream_insecure_skip_verify = true",
    ] {
        let refused = Setup::bench().top(key).try_start_with(&FakePool::start(), &Recorder::start());
        assert_eq!(refused.err().and_then(|refused| refused.code), Some(78), "{key}");
    }
}

/// TLS in front of a listener: one request after another, each with its whole answer.
pub(crate) fn in_front_of(target: SocketAddr, (certificate, key): (&str, &str)) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut client = StreamOwned::new(connection, stream);
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = client.read(&mut piece) {
                    head.extend_from_slice(&piece[..count]);
                    if head.ends_with(b"\r\n\r\n") {
                        let mut wire = Wire::connect(target);
                        wire.write(&head);
                        let answered = wire.answer(false).is_ok();
                        if !answered || client.write_all(&wire.received).is_err() {
                            return;
                        }
                        head.clear();
                    }
                }
            });
        }
    });
    address
}
