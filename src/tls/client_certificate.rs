//! A certificate that a client showed in the handshake: whom it names, and until when it counts. Verifies nothing. ★

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::Any;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

/// A client's certificate, which was verified under some authorities: there is none of it otherwise.
#[derive(Clone)]
pub struct ClientCertificate {
    /// As it was shown: the client's own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) names: Names,
    /// Under which authorities and lists it was verified.
    pub(super) verified_under: [u8; 32],
    /// The last second of the first of `chain` to end, since 1970: later it must be verified again.
    pub(super) verified_until: u64,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// RFC 4514: the last part of the name first. Empty where the certificate has no subject.
    pub subject: String,
    /// The first second at which it counts, since 1970.
    pub from: u64,
    /// The last one.
    pub until: u64,
}

/// Why a certificate that may well be verified is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no X.509 certificate in DER.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// An upstream could be handed it in no header.
    #[error("it is larger than 16 KiB")]
    TooLarge,
    /// A name in it ends earlier for some readers than for others (CVE-2009-2408).
    #[error("a name in it holds a control character")]
    Control,
}

// === impl ClientCertificate ===

impl ClientCertificate {
    /// The certificate itself.
    pub fn der(&self) -> &[u8] {
        self.chain.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// Whose it is (RFC 4514); empty where it has no subject.
    pub fn subject(&self) -> &str {
        &self.names.subject
    }

    /// The last second at which it counts, since 1970.
    pub fn until(&self) -> u64 {
        self.names.until
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientCertificate({})", self.names.subject)
    }
}

// === impl Names ===

impl Names {
    /// Reads them out of a certificate, which is refused where any of its names could be read in two ways.
    pub fn read(certificate: &[u8]) -> Result<Self, Unfit> {
        let unreadable = |error: x509_cert::der::Error| Unfit::Unreadable(error.to_string());
        if certificate.len() > LARGEST {
            return Err(Unfit::TooLarge);
        }
        let certificate = Certificate::from_der(certificate).map_err(unreadable)?;
        let signed = certificate.tbs_certificate();
        plain_name(signed.subject())?;
        if let Some((_, SubjectAltName(names))) =
            signed.get_extension::<SubjectAltName>().map_err(unreadable)?
        {
            names.iter().try_for_each(plain)?;
        }
        let validity = signed.validity();
        Ok(Self {
            subject: signed.subject().to_string(),
            from: validity.not_before.to_unix_duration().as_secs(),
            until: validity.not_after.to_unix_duration().as_secs(),
        })
    }
}

/// An alternative name without control characters.
fn plain(name: &GeneralName) -> Result<(), Unfit> {
    match name {
        GeneralName::Rfc822Name(text)
        | GeneralName::DnsName(text)
        | GeneralName::UniformResourceIdentifier(text) => no_control(text.as_bytes().iter().copied()),
        GeneralName::DirectoryName(name) => plain_name(name),
        GeneralName::OtherName(other) => plain_value(&other.value),
        GeneralName::EdiPartyName(_) | GeneralName::IpAddress(_) | GeneralName::RegisteredId(_) => Ok(()),
    }
}

fn plain_name(name: &Name) -> Result<(), Unfit> {
    name.iter().try_for_each(|part| plain_value(&part.value))
}

fn plain_value(value: &Any) -> Result<(), Unfit> {
    let bytes = value.value().iter().copied();
    match value.tag() {
        // Two bytes a character.
        Tag::BmpString => {
            let pairs = value.value().chunks(2);
            no_control(pairs.map(|pair| if let [0, low] = pair { *low } else { b'x' }))
        }
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::TeletexString
        | Tag::VisibleString
        | Tag::GeneralString
        | Tag::NumericString => no_control(bytes),
        // What is no text is written as the bytes it is (RFC 4514 §2.4).
        _ => Ok(()),
    }
}

fn no_control(mut bytes: impl Iterator<Item = u8>) -> Result<(), Unfit> {
    if bytes.any(|byte| byte.is_ascii_control()) { Err(Unfit::Control) } else { Ok(()) }
}

/// In DER. Those with keys and signatures of the largest kinds that there are stay well below.
const LARGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests;
