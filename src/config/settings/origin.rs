//! Where browsers find the gate (RFC 6454). ★

/// One public origin: scheme, lower-case host, port (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The scheme a browser uses; what listens here may still be cleartext behind a balancer.
    pub scheme: Scheme,
    /// Lower-case, no trailing dot; an IPv6 address in brackets.
    pub host: String,
    /// The effective port, the scheme's default included.
    pub port: u16,
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext: a public origin only on a loopback host.
    Http,
    /// TLS.
    Https,
}

impl Origin {
    /// `host`, or `host:port` where the port is not the scheme's default: what a browser sends as Host.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether cookies of this origin can carry `Secure` and `__Host-`.
    pub fn secure(&self) -> bool {
        self.scheme == Scheme::Https
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}
