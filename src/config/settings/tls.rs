//! `[tls]`: what the public listener shows, and what it asks of clients. ★

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderName;

use crate::tls::certificate::Certificate;
use crate::tls::clients::Clients;

/// `[tls]`.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Never empty. The first that covers the name a client asks for is shown, else the first.
    pub certificates: Vec<Certificate>,
    /// The oldest version spoken. Default 1.2.
    pub min_version: TlsVersion,
    /// Whether HTTP/2 is offered beside HTTP/1.1. Default true.
    pub http2: bool,
    /// The cleartext listener that sends browsers to a public origin. Default: none.
    pub redirect_listen: Option<SocketAddr>,
    /// Clients' certificates; `None`: no client is asked for one.
    pub clients: Option<ClientCertificates>,
}

/// A version of TLS; what is older than these is not spoken (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// What is asked of clients' certificates, and what the upstream is told of them.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Which count.
    pub clients: Arc<Clients>,
    /// The header with the subject. Default `X-Client-Subject`.
    pub subject_header: HeaderName,
    /// Whether the whole certificate goes along as `Client-Cert` (RFC 9440). Default false.
    pub whole: bool,
}
