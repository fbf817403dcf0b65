//! `[tls]`: what the public listener shows, and what it asks of clients. ★

use schemars::JsonSchema;
use serde::Deserialize;

/// `[tls]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// PEM file with the certificate and, after it, those that lead to its authority. Mandatory.
    pub(in crate::config) cert_file: Option<String>,
    /// PEM file with the certificate's private key: PKCS#8, SEC1 or PKCS#1. Mandatory.
    pub(in crate::config) key_file: Option<String>,
    /// Further certificates. The first whose names cover the host that a client asks for is shown, else the first.
    pub(in crate::config) certificates: Option<Vec<TlsCertificate>>,
    /// The oldest version spoken: `1.2` or `1.3`. Default `1.2`.
    pub(in crate::config) min_version: Option<TlsVersion>,
    /// Offer HTTP/2 beside HTTP/1.1. Default true.
    pub(in crate::config) http2: Option<bool>,
    /// A listener in cleartext that sends browsers to `public_url` and forwards nothing. Default: none.
    pub(in crate::config) redirect_listen: Option<String>,
    /// PEM file with the authorities whose clients' certificates count. Default: no client is asked for one.
    pub(in crate::config) client_ca_file: Option<String>,
    /// PEM file with their lists of revoked certificates. Default: none is looked at.
    pub(in crate::config) client_crl_file: Option<String>,
    /// Whether a handshake ends well without one: `optional` (rules may ask for it) or `required`.
    /// Default `optional`.
    pub(in crate::config) client_certificates: Option<ClientCertificates>,
    /// The header with the verified certificate's subject. Default `X-Client-Subject`.
    pub(in crate::config) client_subject_header: Option<String>,
    /// Hand the upstream the whole certificate too, as `Client-Cert` (RFC 9440). Default false.
    pub(in crate::config) client_cert_header: Option<bool>,
}

/// `[[tls.certificates]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct TlsCertificate {
    /// As in `[tls]`. Mandatory.
    pub(in crate::config) cert_file: Option<String>,
    /// As in `[tls]`. Mandatory.
    pub(in crate::config) key_file: Option<String>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum ClientCertificates {
    Optional,
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(in crate::config) enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}
