//! A certificate chain with its private key, for the server's side of TLS. Reads no file and no clock. ★

use std::sync::Arc;

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{DateTime, Decode, SliceReader, Tag, Tagged};
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey};

/// A chain and the key of its first certificate. They belong together, or there is none of these.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    from: DateTime,
    until: DateTime,
}

/// Why a chain and a key make no certificate to serve with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The chain's text holds none.
    #[error("holds no certificate")]
    NoCertificate,
    /// The chain's text holds something else in the armour of a certificate.
    #[error("holds a certificate that cannot be read: {0}")]
    Unreadable(String),
    /// The key's text holds none.
    #[error("holds no private key")]
    NoKey,
    /// The key needs a password, and there is nobody to ask.
    #[error("holds a private key that is encrypted with a password")]
    EncryptedKey,
    /// The key's text is damaged, or of a kind that TLS does not know.
    #[error("holds a private key that cannot be used: {0}")]
    UnusableKey(String),
    /// The key belongs to another certificate.
    #[error("does not hold the key of the certificate")]
    OtherKey,
    /// The key belongs to a later certificate of the chain.
    #[error("holds the key of certificate {0} of the chain, not of the first")]
    Order(usize),
}

// === impl Certificate ===

impl Certificate {
    /// From PEM: a chain, the server's own certificate first (RFC 8446 §4.4.2), and its key as PKCS#8, SEC1
    /// or PKCS#1. What else is in the texts is passed over.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let unreadable = |why: &dyn std::fmt::Display| CertificateError::Unreadable(why.to_string());
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unreadable(&error))?;
        let own = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (from, until) = validity(own).map_err(|error| unreadable(&error))?;
        ParsedCertificate::try_from(own).map_err(|error| unreadable(&error))?;
        let key = signing_key(key)?;
        let fits = |at: usize| CertifiedKey::new(chain[at..].to_vec(), key.clone()).keys_match().is_ok();
        match (0..chain.len()).find(|at| fits(*at)) {
            Some(0) => Ok(Self { key: Arc::new(CertifiedKey::new(chain, key)), from, until }),
            Some(at) => Err(CertificateError::Order(at + 1)),
            None => Err(CertificateError::OtherKey),
        }
    }

    /// For the TLS library.
    pub fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// Whether its names cover `host`: a name, or an address without brackets. Only alternative names count
    /// (RFC 9525 §6.3).
    pub fn covers(&self, host: &str) -> bool {
        let (Ok(own), Ok(name)) = (self.key.end_entity_cert(), ServerName::try_from(host)) else {
            return false;
        };
        ParsedCertificate::try_from(own).is_ok_and(|own| verify_server_name(&own, &name).is_ok())
    }

    /// The first second at which it counts, since 1970.
    pub fn counts_from(&self) -> u64 {
        self.from.unix_duration().as_secs()
    }

    /// The last second at which it counts, since 1970.
    pub fn counts_until(&self) -> u64 {
        self.until.unix_duration().as_secs()
    }

    /// Both for people, in UTC: `2026-11-21T09:41:35Z`.
    pub fn validity(&self) -> (String, String) {
        (self.from.to_string(), self.until.to_string())
    }
}

/// By what is shown: the key is the one that belongs to it.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.key().cert == other.key().cert
    }
}

impl std::fmt::Debug for Certificate {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} to {})", self.from, self.until)
    }
}

fn signing_key(pem: &[u8]) -> Result<Arc<dyn SigningKey>, CertificateError> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound if has(pem, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
            CertificateError::EncryptedKey
        }
        PemError::NoItemsFound => CertificateError::NoKey,
        // PKCS#1 and SEC1 say it in a line of their own (RFC 1421 §4.6.1.1).
        _ if has(pem, b"Proc-Type: 4,ENCRYPTED") => CertificateError::EncryptedKey,
        error => CertificateError::UnusableKey(error.to_string()),
    })?;
    any_supported_type(&key).map_err(|error| CertificateError::UnusableKey(error.to_string()))
}

/// From when until when it counts (RFC 5280 §4.1.2.5). The TLS library reads this of other people's
/// certificates alone, when it verifies them.
fn validity(certificate: &[u8]) -> der::Result<(DateTime, DateTime)> {
    let mut certificate = inside(AnyRef::from_der(certificate)?)?;
    let mut signed = inside(AnyRef::decode(&mut certificate)?)?;
    let first = AnyRef::decode(&mut signed)?;
    // The version stands before the serial number, where there is one.
    let before = if first.tag().is_context_specific() { 3 } else { 2 };
    for _serial_algorithm_issuer in 0..before {
        AnyRef::decode(&mut signed)?;
    }
    let mut validity = inside(AnyRef::decode(&mut signed)?)?;
    Ok((time(AnyRef::decode(&mut validity)?)?, time(AnyRef::decode(&mut validity)?)?))
}

fn inside(sequence: AnyRef<'_>) -> der::Result<SliceReader<'_>> {
    sequence.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(sequence.value())
}

fn time(time: AnyRef<'_>) -> der::Result<DateTime> {
    Ok(match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>()?.to_date_time(),
        _ => time.decode_as::<GeneralizedTime>()?.to_date_time(),
    })
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests;
