//! The two files about clients' certificates: who issues them, and which are revoked. ★

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::name::Name;

/// Who issues certificates that count: never nobody.
pub struct Authorities {
    pub(super) ders: Vec<CertificateDer<'static>>,
    known: Vec<Authority>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its name, for people.
    pub name: String,
    /// The last second at which its own certificate counts, since 1970.
    pub until: u64,
    issuer: Name,
}

/// What was revoked, as a list of each authority has it: never no list.
pub struct Revoked {
    pub(super) ders: Vec<CertificateRevocationListDer<'static>>,
    issuers: Vec<Name>,
    until: u64,
}

/// Why a file says nothing that could be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// There is no certificate in it.
    #[error("holds no certificate")]
    None,
    /// One of its certificates, counted from 1, cannot be read.
    #[error("holds a certificate, number {0}, that cannot be read: {1}")]
    Unreadable(usize, String),
    /// One of its certificates, counted from 1, may not issue any: whoever has its key could, if it stood here.
    #[error("holds a certificate, number {0}, that is no authority's (CA:TRUE)")]
    NoAuthority(usize),
    /// There is no list in it: nothing would be looked at.
    #[error("holds no list of revoked certificates")]
    NoList,
    /// One of its lists, counted from 1, cannot be read.
    #[error("holds a list, number {0}, that cannot be read: {1}")]
    UnreadableList(usize, String),
    /// One of its lists does not say until when it counts.
    #[error("holds a list, number {0}, without nextUpdate")]
    EndlessList(usize),
    /// A list is of a kind that the TLS library does not take.
    #[error("holds a list that cannot be used: {0}")]
    UnusableList(String),
}

// === impl Authorities ===

impl Authorities {
    /// From PEM: certificates of authorities alone. What is no certificate is passed over.
    pub fn read(pem: &[u8]) -> Result<Self, BundleError> {
        let (mut ders, mut known) = (Vec::new(), Vec::new());
        for (at, der) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let unreadable =
                |error: &dyn std::fmt::Display| BundleError::Unreadable(at + 1, error.to_string());
            let der = der.map_err(|error| unreadable(&error))?;
            let certificate = Certificate::from_der(&der).map_err(|error| unreadable(&error))?;
            let signed = certificate.tbs_certificate();
            let constraints =
                signed.get_extension::<BasicConstraints>().map_err(|error| unreadable(&error))?;
            if !constraints.is_some_and(|(_, constraints)| constraints.ca) {
                return Err(BundleError::NoAuthority(at + 1));
            }
            known.push(Authority {
                name: signed.subject().to_string(),
                until: signed.validity().not_after.to_unix_duration().as_secs(),
                issuer: signed.subject().clone(),
            });
            ders.push(der);
        }
        if ders.is_empty() { Err(BundleError::None) } else { Ok(Self { ders, known }) }
    }

    /// Each of them.
    pub fn each(&self) -> &[Authority] {
        &self.known
    }
}

// === impl Revoked ===

impl Revoked {
    /// From PEM: one list or several. What is no list is passed over.
    pub fn read(pem: &[u8]) -> Result<Self, BundleError> {
        let mut read = Self { ders: Vec::new(), issuers: Vec::new(), until: u64::MAX };
        for (at, der) in CertificateRevocationListDer::pem_slice_iter(pem).enumerate() {
            let unreadable =
                |error: &dyn std::fmt::Display| BundleError::UnreadableList(at + 1, error.to_string());
            let der = der.map_err(|error| unreadable(&error))?;
            let list = <CertificateList>::from_der(&der).map_err(|error| unreadable(&error))?.tbs_cert_list;
            let until = list.next_update.ok_or(BundleError::EndlessList(at + 1))?;
            read.until = read.until.min(until.to_unix_duration().as_secs());
            read.issuers.push(list.issuer);
            read.ders.push(der);
        }
        if read.ders.is_empty() { Err(BundleError::NoList) } else { Ok(read) }
    }

    /// Whether one of the lists is this authority's.
    pub fn covers(&self, authority: &Authority) -> bool {
        self.issuers.contains(&authority.issuer)
    }

    /// The last second at which all of them count, since 1970.
    pub fn until(&self) -> u64 {
        self.until
    }
}
