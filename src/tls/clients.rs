//! Which clients' certificates count: by whom they must be issued, and which are revoked. Reads no clock. ★
//!
//! Threat: a certificate of anybody's that counts because nothing was there to hold it against. So there is none of
//! these without an authority, and a list of revoked ones that says nothing of a certificate refuses it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::client_certificate::{ClientCertificate, Names};

mod bundle;

pub use bundle::{Authorities, Authority, BundleError, Revoked};

/// Whose certificates count in a handshake. The same for every connection of a configuration.
pub struct Clients {
    verifier: Arc<Verifier>,
    /// Of all authorities and lists.
    digest: [u8; 32],
    /// The last second at which every list counts.
    lists_until: u64,
}

/// A client that shows none, where one must be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCertificate;

/// Asks the TLS library, and then whether what it found can be handed on.
#[derive(Debug)]
struct Verifier {
    verified: Arc<dyn ClientCertVerifier>,
    required: bool,
}

// === impl Clients ===

impl Clients {
    /// Those with a certificate of one of `authorities`, and in `revoked` if there are lists: then there must be a list
    /// of each authority on the way to the client, none of them older than it says. `required`: no handshake without.
    pub fn new(
        authorities: &Authorities,
        revoked: Option<&Revoked>,
        required: bool,
    ) -> Result<Self, BundleError> {
        let mut roots = RootCertStore::empty();
        let mut digest = Context::new(&SHA256);
        for (at, der) in authorities.ders.iter().enumerate() {
            digest.update(&der.len().to_be_bytes());
            digest.update(der);
            roots.add(der.clone()).map_err(|error| BundleError::Unreadable(at + 1, error.to_string()))?;
        }
        digest.update(&[0; 8]);
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
        if let Some(revoked) = revoked {
            for der in &revoked.ders {
                digest.update(&der.len().to_be_bytes());
                digest.update(der);
            }
            // A list that has ended says nothing of what was revoked since.
            builder = builder.with_crls(revoked.ders.iter().cloned()).enforce_revocation_expiration();
        }
        let verified = builder.build().map_err(|error| match error {
            VerifierBuilderError::InvalidCrl(error) => BundleError::UnusableList(format!("{error:?}")),
            // Nothing else is left: without a root there are no authorities.
            _ => BundleError::None,
        })?;
        let mut sum = [0; 32];
        sum.copy_from_slice(digest.finish().as_ref());
        Ok(Self {
            verifier: Arc::new(Verifier { verified, required }),
            digest: sum,
            lists_until: revoked.map_or(u64::MAX, Revoked::until),
        })
    }

    /// For the TLS library.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    /// Whether no handshake ends well without a certificate.
    pub fn required(&self) -> bool {
        self.verifier.required
    }

    /// What a finished handshake under these brought, the client's own first. A session that goes on by its ticket
    /// brings what its first handshake did, under the same of these.
    pub fn shown(&self, chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
        let names = Names::read(chain.first()?).ok()?;
        // What cannot be read need not be on the way to an authority: then it is verified each time.
        let ends = chain.iter().map(|der| Names::read(der).map_or(0, |names| names.until));
        let verified_until = ends.min().unwrap_or_default();
        let chain = chain.iter().map(|der| der.clone().into_owned()).collect();
        Some(ClientCertificate { chain, names, verified_under: self.digest, verified_until })
    }

    /// Whether what a connection was begun with counts for a request at `now`, seconds since 1970. Connections and
    /// tickets live long: meanwhile certificates end, and authorities and lists are exchanged.
    pub fn still<'c>(
        &self,
        shown: Option<&'c ClientCertificate>,
        now: u64,
    ) -> Result<Option<&'c ClientCertificate>, NoCertificate> {
        match shown.filter(|shown| self.counts(shown, now)) {
            None if self.required() => Err(NoCertificate),
            counting => Ok(counting),
        }
    }

    fn counts(&self, shown: &ClientCertificate, now: u64) -> bool {
        if now < shown.names.from || now > shown.names.until {
            return false;
        }
        let known = shown.verified_under == self.digest && now <= self.lists_until.min(shown.verified_until);
        known
            || shown.chain.split_first().is_some_and(|(own, others)| {
                let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
                self.verifier.verify_client_cert(own, others, now).is_ok()
            })
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clients(required: {})", self.required())
    }
}

// === impl Verifier ===

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verified.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verified.verify_client_cert(own, others, now)?;
        let unfit = |unfit| CertificateError::Other(OtherError(Arc::new(unfit)));
        Names::read(own).map_err(unfit)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verified.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verified.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verified.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
