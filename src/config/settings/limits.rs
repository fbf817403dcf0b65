//! `[limits]`: what a client or an upstream may do. ★

use std::time::Duration;

/// `[limits]`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request target before 414. Default 8 KiB.
    pub target: usize,
    /// Bytes of a request's header lines before 431. Default 32 KiB.
    pub header_bytes: usize,
    /// Header lines before 431. Default 100.
    pub header_count: usize,
    /// Bytes of a request's body before 413. Default: any number.
    pub body: Option<u64>,
    /// Connections at once. Default 16,384.
    pub connections: usize,
    /// Of these, from one address, or one /64 of IPv6; from `trusted_proxies` any number. Default 8,192.
    pub connections_per_address: usize,
    /// For a whole request head to arrive, from its first byte. Default 10 s.
    pub header_timeout: Duration,
    /// For a TLS handshake to be finished. Default 5 s.
    pub handshake_timeout: Duration,
    /// Idle keep-alive connections are closed after this. Default 60 s.
    pub idle_timeout: Duration,
    /// To connect to the upstream. Default 5 s.
    pub connect_timeout: Duration,
    /// For the upstream's head to arrive. Default 60 s.
    pub response_timeout: Duration,
    /// Between two pieces of a body, either way; not of an event stream. For a client that takes nothing of any answer.
    /// Default 60 s.
    pub body_idle_timeout: Duration,
    /// Idle upstream connections are dropped after this. Default 4 s.
    pub upstream_idle: Duration,
    /// Connections to one upstream's address, of all workers; over HTTP/2 requests at once. Default 10,000.
    pub upstream_connections: usize,
    /// Requests that may wait for one of them. Default 1,000.
    pub upstream_queue: usize,
    /// And for how long, before 503. Default 1 s.
    pub upstream_queue_time: Duration,
    /// How long everything is served after SIGTERM while `/readyz` says no. Default: not at all.
    pub drain_delay: Duration,
    /// How long a stop waits for open requests, after that. Default 20 s.
    pub drain: Duration,
    /// A WebSocket or event stream on which nothing moves is ended after this. Default: none.
    pub stream_idle: Option<Duration>,
    /// Logins that one client address may begin, and finish, a minute. Default: any number.
    pub login_rate: Option<u32>,
    /// Of HTTP/2 alone.
    pub http2: Http2Limits,
}

/// The `http2_…` keys of `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests at once on a connection. Default 128.
    pub streams: u32,
    /// Bytes of a request's body that may come before the upstream takes them; of all of a connection's four times that.
    /// Default 256 KiB.
    pub window: u32,
    /// Bytes of an answer that may wait for its client. Default 256 KiB.
    pub send_buffer: usize,
    /// A client that was silent for so long is asked whether it is there. Default 60 s; `None`: never.
    pub ping: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            target: 8 * 1024,
            header_bytes: 32 * 1024,
            header_count: 100,
            body: None,
            connections: 16 * 1024,
            connections_per_address: 8 * 1024,
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            body_idle_timeout: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(4),
            upstream_connections: 10_000,
            upstream_queue: 1_000,
            upstream_queue_time: Duration::from_secs(1),
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(20),
            stream_idle: None,
            login_rate: None,
            http2: Http2Limits::default(),
        }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams: 128,
            window: 256 * 1024,
            send_buffer: 256 * 1024,
            ping: Some(Duration::from_secs(60)),
        }
    }
}
