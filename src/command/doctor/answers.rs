//! What the provider answered, without a judgement. ★

use url::Url;

/// An answer, or why there is none.
pub(super) type Answer = Result<Heard, Silence>;

/// An answer, as far as anything is made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Its status.
    pub(super) status: u16,
    /// Its `Location`, made absolute.
    pub(super) location: Option<Url>,
    /// Its body.
    pub(super) body: Vec<u8>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silence {
    /// Who was asked: `host`, or `host:port`.
    pub(super) host: String,
    /// What kind it is.
    pub(super) kind: Why,
    /// The whole chain of causes.
    pub(super) text: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The host has no address.
    Name,
    /// Its certificate does not count, or it speaks no TLS.
    Tls,
    /// Nobody listens there.
    Refused,
    /// It took too long.
    Timeout,
    /// Something else.
    Other,
}

/// What the token endpoint made of a made-up code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenAnswer {
    /// It gave tokens.
    Granted,
    /// RFC 6749 §5.2.
    Refused {
        /// `invalid_grant` …
        error: String,
        /// The provider's own words.
        description: Option<String>,
    },
    /// Neither.
    Other(String),
}

/// One call of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    /// Whether a secret was sent along.
    pub(super) with_secret: bool,
    /// What came back.
    pub(super) answer: TokenAnswer,
}

/// The `Date` of an answer and when it came by this machine's clock, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// The provider's time.
    pub(super) date: u64,
    /// When the request was sent.
    pub(super) sent: u64,
    /// When the answer had come.
    pub(super) received: u64,
}

// === impl Silence ===

impl Silence {
    /// In words.
    pub(super) fn found(&self) -> String {
        let what = match self.kind {
            Why::Name => "there is no host of that name",
            Why::Tls => "no TLS connection that counts",
            Why::Refused => "nobody listens there",
            Why::Timeout => "no answer in time",
            Why::Other => "no answer",
        };
        format!("{}: {what} ({})", self.host, super::report::quoted(&self.text))
    }

    /// What to do about it.
    pub(super) fn fix(&self, table: &str) -> String {
        let host = &self.host;
        match self.kind {
            Why::Name => {
                format!("see whether this machine finds it: getent hosts {}", super::aws::shell(host))
            }
            Why::Tls => format!(
                "if an authority of your own signs for it, name its certificate: [{table}] ca_file = \"/etc/ssl/certs/your-ca.pem\""
            ),
            Why::Refused | Why::Timeout | Why::Other => {
                format!(
                    "let this machine reach {host} by TCP: security group, firewall, route to the internet"
                )
            }
        }
    }
}
