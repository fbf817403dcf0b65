//! `[tls]`: certificates that can be served now, for the hosts that browsers use. ★

use std::net::SocketAddr;
use std::path::Path;

pub(super) mod clients;

use super::network;
use super::{Contents, Context};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::secret::Secret;
use crate::config::settings::{Origin, Tls, TlsVersion};
use crate::tls::certificate::{Certificate, CertificateError};

/// The table. `own` are the gate's other listeners.
pub(super) fn tls(
    raw: Option<&raw::Tls>,
    origins: &[Origin],
    own: [SocketAddr; 2],
    cx: &mut Context<'_>,
) -> Option<Tls> {
    let raw = raw?;
    let table = Key::of("tls");
    cleartext_origins(origins, cx);
    let redirect_listen = redirect_listen(raw.redirect_listen.as_deref(), &table, own, cx);

    let further = raw.certificates.as_deref().unwrap_or_default();
    let mut certificates = Vec::new();
    // With a list alone, its first is the one that is shown where no name fits.
    if raw.cert_file.is_some() || raw.key_file.is_some() || further.is_empty() {
        certificates.push(pair(raw.cert_file.as_deref(), raw.key_file.as_deref(), &table, cx));
    }
    for (at, further) in further.iter().enumerate() {
        let key = table.name("certificates").index(at);
        certificates.push(pair(further.cert_file.as_deref(), further.key_file.as_deref(), &key, cx));
    }
    let clients = clients::clients(raw, cx);
    let certificates = certificates.into_iter().collect::<Option<Vec<_>>>()?;
    uncovered(&certificates, origins, cx);
    Some(Tls {
        certificates,
        min_version: match raw.min_version {
            Some(raw::TlsVersion::V1_3) => TlsVersion::V1_3,
            Some(raw::TlsVersion::V1_2) | None => TlsVersion::V1_2,
        },
        http2: raw.http2.unwrap_or(true),
        redirect_listen,
        clients,
    })
}

/// The listener speaks TLS alone, so nobody could reach an origin in cleartext.
fn cleartext_origins(origins: &[Origin], cx: &mut Context<'_>) {
    for origin in origins.iter().filter(|origin| !origin.secure()) {
        cx.error(
            &Key::of("public_url"),
            &format!("{origin} is cleartext, and with [tls] the gate speaks TLS alone"),
            &format!("write \"https://{}:…\", or take [tls] away", origin.host),
        );
    }
}

fn redirect_listen(
    text: Option<&str>,
    table: &Key,
    own: [SocketAddr; 2],
    cx: &mut Context<'_>,
) -> Option<SocketAddr> {
    let key = table.name("redirect_listen");
    let address = network::listen(Some(text?), &key, 80, cx);
    if let Some(other) = ["listen", "admin_listen"].into_iter().zip(own).find(|(_, own)| *own == address)
        && address.port() != 0
    {
        cx.error(&key, &format!("the same address as {}", other.0), "give it a port of its own");
    }
    Some(address)
}

/// A chain and its key, read and judged. `table` is where the two keys stand.
fn pair(cert: Option<&str>, key: Option<&str>, table: &Key, cx: &mut Context<'_>) -> Option<Certificate> {
    let (cert_key, key_key) = (table.name("cert_file"), table.name("key_file"));
    if cert.is_none() {
        cx.missing(&cert_key, "name the PEM file with the certificate and those that lead to its authority; where TLS ends at a balancer, leave [tls] out");
    }
    if key.is_none() {
        cx.missing(&key_key, "name the PEM file with the certificate's private key");
    }
    let chain = cert.and_then(|name| read(name, &cert_key, cx));
    let secret = key.and_then(|name| read(name, &key_key, cx));
    let (cert, certificate) = (cert?, belonging((&cert_key, cert?, chain?), (&key_key, key?, secret?), cx)?);
    in_time(&certificate, &cx.path(cert), &cert_key, cx);
    Some(certificate)
}

/// A certificate to show to a server that asks for one.
pub(super) fn shown(cert: (&Key, &str), key: (&Key, &str), cx: &mut Context<'_>) -> Option<Certificate> {
    let chain = read(cert.1, cert.0, cx);
    let secret = read(key.1, key.0, cx);
    belonging((cert.0, cert.1, chain?), (key.0, key.1, secret?), cx)
}

/// Both files have been read: do they make a certificate with its key?
fn belonging(
    (cert_key, cert, chain): (&Key, &str, Contents),
    (key_key, key, secret): (&Key, &str, Contents),
    cx: &mut Context<'_>,
) -> Option<Certificate> {
    if secret.world_readable {
        let shown = cx.path(key).display().to_string();
        cx.warning(
            key_key,
            &format!("{shown} can be read by every user of this machine"),
            "chmod o-r the file",
        );
    }
    let secret = Secret::new(secret.bytes);
    match Certificate::read(&chain.bytes, secret.expose()) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            let (at, name, fix) = explained(&error, (cert_key, cert), (key_key, key));
            let shown = cx.path(name).display().to_string();
            cx.error(at, &format!("{shown} {error}"), fix);
            None
        }
    }
}

fn read(name: &str, key: &Key, cx: &mut Context<'_>) -> Option<Contents> {
    let path = cx.path(name);
    match (cx.around.read)(&path) {
        Ok(contents) => Some(contents),
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            cx.error(key, &message, "check the name and the rights");
            None
        }
    }
}

/// Which key and file an error is about, and what to do.
fn explained<'a>(
    error: &CertificateError,
    cert: (&'a Key, &'a str),
    key: (&'a Key, &'a str),
) -> (&'a Key, &'a str, &'static str) {
    let ((at, name), fix) = match error {
        CertificateError::NoCertificate => (cert, "name a PEM file with -----BEGIN CERTIFICATE-----"),
        CertificateError::Unreadable(_) => (cert, "fetch the certificate again from where it was issued"),
        CertificateError::NoKey => (key, "name a PEM file with -----BEGIN PRIVATE KEY-----"),
        CertificateError::EncryptedKey => (key, "take the password off: openssl pkey -in FILE -out NEW"),
        CertificateError::UnusableKey(_) => {
            (key, "use an RSA key of at least 2048 bits, P-256, P-384, P-521 or Ed25519")
        }
        CertificateError::OtherKey => (key, "name the key with which the certificate was requested"),
        CertificateError::Order(_) => (cert, "put the server's own certificate first"),
    };
    (at, name, fix)
}

fn in_time(certificate: &Certificate, path: &Path, key: &Key, cx: &mut Context<'_>) {
    let now = cx.around.now;
    let shown = path.display();
    let (from, until) = certificate.validity();
    let left = certificate.counts_until().saturating_sub(now);
    if certificate.counts_until() < now {
        // Behind a balancer that does not look it still serves, and a gate that starts can be mended while it runs.
        cx.warning(
            key,
            &format!("{shown} expired at {until}: no client that looks accepts it"),
            "renew the certificate",
        );
    } else if certificate.counts_from() > now {
        // The clock may be what is wrong, and time mends it.
        cx.warning(
            key,
            &format!("{shown} counts from {from} on: no client accepts it before"),
            "look at this machine's clock, or wait with the new certificate",
        );
    } else if left < SOON {
        cx.warning(key, &format!("{shown} expires at {until}"), "renew the certificate");
    }
}

/// Only a warning: a balancer in front may ask for another name, or for none.
fn uncovered(certificates: &[Certificate], origins: &[Origin], cx: &mut Context<'_>) {
    for origin in origins.iter().filter(|origin| origin.secure()) {
        let host = origin.host.trim_start_matches('[').trim_end_matches(']');
        if !certificates.iter().any(|certificate| certificate.covers(host)) {
            cx.warning(
                &Key::of("public_url"),
                &format!(
                    "no certificate of [tls] has the name {host}: browsers that come straight here refuse it"
                ),
                "have a certificate issued for it",
            );
        }
    }
}

/// A certificate that ends sooner than this should have been renewed: the shortest common life is some weeks.
const SOON: u64 = 3 * 24 * 3600;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::Surroundings;
    use super::*;
    use crate::config::places::Places;
    use crate::config::problem::Problems;

    const APP: &[u8] = include_bytes!("../../../tests/fixtures/tls/app.pem");
    const APP_KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/app.key");
    /// 2120-01-01, the last second of the certificate.
    const END: u64 = 4_733_510_400;

    /// What is said of the certificate at `now`, and whether it is served.
    fn judged(now: u64, world_readable: bool) -> (bool, String) {
        let read = |path: &Path| {
            let bytes = if path.ends_with("key") { APP_KEY } else { APP };
            Ok(Contents { bytes: bytes.into(), world_readable: world_readable && path.ends_with("key") })
        };
        let list = |_: &Path| Ok(vec![]);
        let around = Surroundings { read: &read, list: &list, folder: PathBuf::new(), cores: 1, now };
        let places = Places::new(None);
        let mut cx = Context { places: &places, problems: Problems::default(), around: &around };
        let served = pair(Some("cert"), Some("key"), &Key::of("tls"), &mut cx);
        (served.is_some() && !cx.problems.has_errors(), cx.problems.to_string())
    }

    #[test]
    fn a_certificate_is_judged_by_the_time() {
        assert_eq!(judged(END - SOON, false), (true, String::new()));
        let (served, said) = judged(END - SOON + 1, false);
        assert!(served && said.contains("cert expires at 2120-01-01T00:00:00Z"), "{said}");
        assert!(judged(END, false).0);
        let (served, said) = judged(END + 1, false);
        assert!(served && said.contains("cert expired at 2120-01-01T00:00:00Z"), "{said}");
        let (served, said) = judged(1_577_836_799, false);
        assert!(served && said.contains("counts from 2020-01-01T00:00:00Z on"), "{said}");
        assert_eq!(judged(1_577_836_800, false), (true, String::new()));
    }

    #[test]
    fn a_key_that_everybody_can_read_is_told() {
        let (served, said) = judged(END - SOON, true);
        assert!(served && said.contains("warning: tls.key_file: key can be read by every user"), "{said}");
    }
}
