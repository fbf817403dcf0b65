//! `[limits]`: what a client or an upstream may do. ★

use schemars::JsonSchema;
use serde::Deserialize;

/// `[limits]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Limits {
    /// Bytes of a request target before 414. Default 8192.
    pub(in crate::config) target: Option<u64>,
    /// Bytes of a request's header lines before 431. Default 32768.
    pub(in crate::config) header_bytes: Option<u64>,
    /// Header lines before 431. For more than 100 the parser takes memory with every request. Default 100.
    pub(in crate::config) header_count: Option<u64>,
    /// Bytes of a request's body before 413. Default: any number.
    pub(in crate::config) body: Option<u64>,
    /// Connections at once; one more is reset. Default 16384.
    pub(in crate::config) connections: Option<u64>,
    /// Of these, from one client address; from `trusted_proxies` any number. Default 8192.
    pub(in crate::config) connections_per_address: Option<u64>,
    /// For a whole request head to arrive. Default `10s`.
    pub(in crate::config) header_timeout: Option<String>,
    /// For a TLS handshake to be finished. Default `5s`.
    pub(in crate::config) handshake_timeout: Option<String>,
    /// Idle keep-alive connections are closed after this. Default `60s`.
    pub(in crate::config) idle_timeout: Option<String>,
    /// To connect to the upstream. Default `5s`.
    pub(in crate::config) connect_timeout: Option<String>,
    /// For the upstream's head to arrive. Default `60s`.
    pub(in crate::config) response_timeout: Option<String>,
    /// Between two pieces of a body, either way; not of an event stream. Default `60s`.
    pub(in crate::config) body_idle_timeout: Option<String>,
    /// Idle upstream connections are dropped after this. Default `4s`.
    pub(in crate::config) upstream_idle: Option<String>,
    /// Connections to one upstream's address, or requests at once where it speaks HTTP/2. Default 10000.
    pub(in crate::config) upstream_connections: Option<u64>,
    /// Requests that may wait for one of them. Default 1000.
    pub(in crate::config) upstream_queue: Option<u64>,
    /// And for how long, before 503. Default `1s`.
    pub(in crate::config) upstream_queue_time: Option<String>,
    /// How long everything is served after SIGTERM while `/readyz` says no. Default `0s`.
    pub(in crate::config) drain_delay: Option<String>,
    /// How long a stop waits for open requests, after that. Default `20s`.
    pub(in crate::config) drain: Option<String>,
    /// A WebSocket or event stream on which nothing moves is ended after this, such as `30m`, or `off`. Default `off`.
    pub(in crate::config) stream_idle: Option<String>,
    /// Logins that one client address may begin, and finish, a minute, before 429. Default: any number.
    pub(in crate::config) login_rate: Option<u64>,
    /// Requests at once on an HTTP/2 connection. Default 128.
    pub(in crate::config) http2_streams: Option<u64>,
    /// Bytes of a request's body that may come over HTTP/2 before the upstream takes them. Default 262144.
    pub(in crate::config) http2_window: Option<u64>,
    /// Bytes of an answer that may wait for its client over HTTP/2. Default 262144.
    pub(in crate::config) http2_send_buffer: Option<u64>,
    /// An HTTP/2 client that was silent for so long is asked whether it is there, or `off`. Default `60s`.
    pub(in crate::config) http2_ping: Option<String>,
}
