//! `[tls]`, clients' certificates: who issues them and which are revoked, or no start. ★

use std::sync::Arc;

use http::HeaderName;

use super::read;
use crate::config::check::{Context, identity};
use crate::config::problem::Key;
use crate::config::raw;
use crate::config::settings::{ClientCertificates, Identity, Tls};
use crate::tls::clients::{Authorities, BundleError, Clients, Revoked};

/// What is asked of clients; `None`: nothing. An error never means that anybody's certificate counts.
pub(super) fn clients(raw: &raw::Tls, cx: &mut Context<'_>) -> Option<ClientCertificates> {
    let table = Key::of("tls");
    let Some(file) = raw.client_ca_file.as_deref() else {
        for (name, written) in [
            ("client_crl_file", raw.client_crl_file.is_some()),
            ("client_certificates", raw.client_certificates.is_some()),
            ("client_subject_header", raw.client_subject_header.is_some()),
            ("client_cert_header", raw.client_cert_header.is_some()),
        ] {
            if written {
                let message = "without client_ca_file no client is asked for a certificate";
                cx.error(&table.name(name), message, NAME_AUTHORITIES);
            }
        }
        return None;
    };
    let subject_key = table.name("client_subject_header");
    let subject_header = match raw.client_subject_header.as_deref() {
        None => Some(X_CLIENT_SUBJECT),
        Some(text) => identity::header_name(text, &subject_key, cx),
    };
    let ca_key = table.name("client_ca_file");
    let authorities = judged(file, &ca_key, Authorities::read, cx);
    let crl_key = table.name("client_crl_file");
    let revoked = match raw.client_crl_file.as_deref() {
        None => None,
        Some(lists) => Some(judged(lists, &crl_key, Revoked::read, cx)?),
    };
    let authorities = authorities?;
    still_counting(&authorities, file, &ca_key, cx);
    if let (Some(revoked), Some(lists)) = (&revoked, raw.client_crl_file.as_deref()) {
        lists_counting(&authorities, revoked, lists, &crl_key, cx);
    }
    let required = matches!(raw.client_certificates, Some(raw::ClientCertificates::Required));
    match Clients::new(&authorities, revoked.as_ref(), required) {
        Ok(clients) => Some(ClientCertificates {
            clients: Arc::new(clients),
            subject_header: subject_header?,
            whole: raw.client_cert_header == Some(true),
        }),
        Err(error) => {
            let of_lists = matches!(error, BundleError::UnusableList(_));
            let (name, key) = match raw.client_crl_file.as_deref() {
                Some(lists) if of_lists => (lists, &crl_key),
                _ => (file, &ca_key),
            };
            wrong(name, key, &error, cx);
            None
        }
    }
}

/// A rule that asks for a certificate, where nobody can show one.
pub(in crate::config::check) fn asked_by_rules(raw: &raw::Raw, cx: &mut Context<'_>) {
    if raw.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some()) {
        return;
    }
    for (at, rule) in raw.rules.iter().flatten().enumerate() {
        if rule.client_certificate.is_some() {
            cx.error(
                &Key::of("rules").index(at).name("client_certificate"),
                "without [tls] client_ca_file no client is asked for a certificate, so nobody could pass",
                NAME_AUTHORITIES,
            );
        }
    }
}

/// Each header has one meaning.
pub(in crate::config::check) fn against_identity(
    tls: Option<&Tls>,
    identity: &Identity,
    cx: &mut Context<'_>,
) {
    let Some(clients) = tls.and_then(|tls| tls.clients.as_ref()) else { return };
    if identity.header_names().any(|name| identity::is_same(name, &clients.subject_header)) {
        let message = format!("{} says who is signed in", clients.subject_header);
        cx.error(
            &Key::of("tls").name("client_subject_header"),
            &message,
            "choose a name of its own, such as \"X-Client-Subject\"",
        );
    }
}

fn judged<T>(
    name: &str,
    key: &Key,
    judge: impl Fn(&[u8]) -> Result<T, BundleError>,
    cx: &mut Context<'_>,
) -> Option<T> {
    let contents = read(name, key, cx)?;
    judge(&contents.bytes).map_err(|error| wrong(name, key, &error, cx)).ok()
}

fn wrong(name: &str, key: &Key, error: &BundleError, cx: &mut Context<'_>) {
    let fix = match error {
        BundleError::None => "name a PEM file with -----BEGIN CERTIFICATE-----",
        BundleError::NoAuthority(_) => "leave it out, and name the authority that issued it",
        BundleError::Unreadable(..) => "fetch the certificate again from where it was issued",
        BundleError::NoList => {
            "name a PEM file with -----BEGIN X509 CRL-----; for one in DER: openssl crl -inform DER -in FILE -out NEW"
        }
        BundleError::UnreadableList(..) | BundleError::UnusableList(_) | BundleError::EndlessList(_) => {
            "fetch the list again from the authority: X.509 v2, with nextUpdate"
        }
    };
    let shown = cx.path(name).display().to_string();
    cx.error(key, &format!("{shown} {error}"), fix);
}

fn still_counting(authorities: &Authorities, name: &str, key: &Key, cx: &mut Context<'_>) {
    for authority in authorities.each().iter().filter(|authority| authority.until < cx.around.now) {
        let shown = cx.path(name).display().to_string();
        // Whom one trusts is said by standing in the file (RFC 5280 §6.1.1 (d)): its own end is not looked at.
        cx.warning(
            key,
            &format!("{shown}: {} has expired, and what it issued counts all the same", authority.name),
            "take it out, if nobody should come in by it any more",
        );
    }
}

fn lists_counting(authorities: &Authorities, revoked: &Revoked, name: &str, key: &Key, cx: &mut Context<'_>) {
    let shown = cx.path(name).display().to_string();
    for authority in authorities.each().iter().filter(|authority| !revoked.covers(authority)) {
        cx.warning(
            key,
            &format!(
                "{shown} has no list of {}: every certificate that it issued is refused",
                authority.name
            ),
            "add its list",
        );
    }
    if revoked.until() < cx.around.now {
        // Time and a new file mend it, and who needs no certificate is served meanwhile.
        cx.warning(
            key,
            &format!("{shown} holds a list that has expired: the certificates that it is about are refused"),
            "fetch the list again from the authority",
        );
    }
}

const NAME_AUTHORITIES: &str = "name the PEM file with the authorities of your clients: [tls] client_ca_file";
const X_CLIENT_SUBJECT: HeaderName = HeaderName::from_static("x-client-subject");
