//! The TLS client's side, for the upstream and the provider alike: the system's roots, or a bundle alone.
//! What the server's side shows is `certificate`'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

pub mod certificate;
pub mod client_certificate;
pub mod clients;

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A bundle of certificates cannot be read.
    #[error("{}: {why}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// A client that trusts the system's roots, or those of `ca_file` alone.
pub fn client(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    client_as(ca_file, None)
}

/// The same, and it shows a certificate of its own where the server asks for one.
pub fn client_as(ca_file: Option<&Path>, own: Option<Arc<CertifiedKey>>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match ca_file {
        None => builder.with_platform_verifier()?,
        Some(path) => builder.with_root_certificates(roots(path)?),
    };
    Ok(match own {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
    })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let wrong = |why: &dyn std::fmt::Display| TlsError::Bundle { path: path.into(), why: why.to_string() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() { Err(wrong(&"holds no certificate")) } else { Ok(roots) }
}
