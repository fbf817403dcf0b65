//! Every way in which the gate says no, with its stable code. What it looks like is `reply`'s. ★

use crate::config::settings::Requirement;
use crate::rule::path::PathRefusal;

/// Why a request is not forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The head's framing can be read in two ways.
    Framing(&'static str),
    /// An `Expect` that we do not meet.
    Expectation,
    /// `CONNECT` and `TRACE`.
    Method,
    /// Not exactly one valid Host.
    Host,
    /// The target's form, or an authority that Host does not name.
    Target,
    /// The path has no single meaning.
    Path(PathRefusal),
    /// The target is too long.
    TargetTooLong,
    /// Too many header lines, or too many bytes of them.
    HeadTooLarge,
    /// A host that is no public origin, where only a session could decide.
    Misdirected,
    /// A gateway does not say, or not in one way, which request it asks about.
    Gateway(&'static str),
    /// A gateway asks about a page of the gate's own, which it has to send here.
    OwnPath,
    /// Something else than a GET on the cleartext listener beside TLS.
    Cleartext,
    /// No session, and this is not something that can go and sign in by a redirect.
    LoginRequired,
    /// Signed in, and a role or another requirement is missing.
    RoleMissing {
        /// Who is signed in.
        user: String,
        /// What is missing of what the rule asks.
        requirement: Box<Requirement>,
        /// They came with a bearer token.
        bearer: bool,
    },
    /// A bearer token that does not count, for this reason; whoever sent it is told nothing of it.
    Bearer(&'static str),
    /// A bearer token that counts, but whose claims do not say who it speaks for.
    Nameless(&'static str),
    /// Signed in, but not strongly or recently enough, and this is not something that can go and do so by a
    /// redirect.
    Stronger {
        /// What the rule asks.
        requirement: Box<Requirement>,
        /// They came with a bearer token.
        bearer: bool,
    },
    /// Rules own the path, and none names the method.
    MethodNotNamed,
    /// The rule is not for this client address.
    Address,
    /// The rule is for clients that showed a certificate, or all are to show one: none that counts was shown.
    ClientCertificate,
    /// A WebSocket from a page of another origin.
    Origin,
    /// The session's identity cannot be written as headers.
    Unwritable,
    /// The session needs the pool, and the pool cannot be reached.
    Outage,
    /// The session, or a sign-in, needs the store that gates share, and that cannot be reached.
    StoreOutage,
    /// The browser does not keep the cookie with the tokens that this path hands on.
    TokensNotKept,
    /// What a refresh brought about this person does not fit into cookies.
    SessionTooLarge,
    /// The system's random generator failed.
    NoEntropy,
    /// No such page of the gate.
    NotFound,
    /// The path does not lie below the prefix that its upstream has taken off.
    Outside,
    /// A page of the gate that is not for this method.
    MethodNotAllowed {
        /// What it is for.
        allow: &'static str,
    },
    /// A login went wrong.
    Login(LoginRefusal),
    /// The upstream gave no answer that could be passed on.
    Upstream {
        /// Its stable code.
        reason: &'static str,
        /// Whether it was slow rather than wrong.
        slow: bool,
    },
    /// The request's body is larger than one may be.
    BodyTooLarge,
    /// The client's address asks for as much at once as it may.
    Crowded,
    /// The upstream has as much to do as it may be given.
    UpstreamBusy,
    /// The request's own body broke off or stalled on its way.
    Body {
        /// Its stable code.
        reason: &'static str,
        /// Whether it stalled.
        slow: bool,
    },
}

/// Why a login did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginRefusal {
    /// A parameter of the callback or of `start` is missing, repeated or malformed.
    Parameters(&'static str),
    /// The browser brought no attempt for a restarted login: it does not keep cookies.
    CookiesOff,
    /// The person, or the pool, said no.
    Denied {
        /// The pool's words, untrusted.
        description: Option<String>,
    },
    /// The pool answered the sign-in with an error.
    PoolSaid {
        /// OAuth error code, untrusted.
        error: String,
        /// The pool's words, untrusted.
        description: Option<String>,
    },
    /// The pool answered something wrong.
    PoolAnswer(&'static str),
    /// The pool could not be reached.
    PoolUnreachable(&'static str),
    /// The claims do not say who this is.
    NoIdentity(&'static str),
    /// What would have to be kept does not fit into cookies.
    TooLarge,
    /// The person signed in for a page that asks for more, and the pool's token does not say that they did more.
    NotStrongEnough {
        /// Who signed in.
        user: String,
        /// What the rule asks.
        requirement: Box<Requirement>,
    },
    /// This client address has begun, or finished, as many logins as it may for now.
    TooMany {
        /// Until the next one.
        seconds: u64,
    },
}

// === impl Refusal ===

impl Refusal {
    /// A stable code for records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Framing(what) => what,
            Self::Expectation => "expectation",
            Self::Method => "method",
            Self::Host => "host",
            Self::Target => "target",
            Self::Path(refusal) => refusal.code(),
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::BodyTooLarge => "request_body_too_large",
            Self::Misdirected => "misdirected",
            Self::OwnPath => "gateway_own_path",
            Self::Cleartext => "cleartext",
            Self::LoginRequired => "login_required",
            Self::RoleMissing { .. } => "role_missing",
            // RFC 9470 §3.
            Self::Stronger { .. } => "insufficient_user_authentication",
            Self::MethodNotNamed => "method_not_named",
            Self::Address => "address",
            Self::ClientCertificate => "client_certificate",
            Self::Origin => "origin",
            Self::Unwritable => "unwritable_identity",
            Self::Outage => "pool_outage",
            Self::StoreOutage => "store_outage",
            Self::TokensNotKept => "tokens_not_kept",
            Self::SessionTooLarge => LoginRefusal::TooLarge.code(),
            Self::NoEntropy => "no_entropy",
            Self::NotFound => "not_found",
            Self::Outside => PathRefusal::Outside.code(),
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::Login(refusal) => refusal.code(),
            Self::Crowded => "crowded",
            Self::UpstreamBusy => "upstream_busy",
            Self::Gateway(reason)
            | Self::Upstream { reason, .. }
            | Self::Body { reason, .. }
            | Self::Bearer(reason)
            | Self::Nameless(reason) => reason,
        }
    }
}

impl Refusal {
    /// The code that whoever asked is told.
    pub fn public_code(&self) -> &'static str {
        match self {
            // RFC 6750 §3.1. What exactly was wrong with a token would help whoever forges one.
            Self::Bearer(_) => "invalid_token",
            other => other.code(),
        }
    }
}

// === impl LoginRefusal ===

impl LoginRefusal {
    /// A stable code for records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parameters(what) => what,
            Self::CookiesOff => "cookies_off",
            Self::Denied { .. } => "access_denied",
            Self::PoolSaid { .. } => "pool_error",
            Self::PoolAnswer(what) | Self::PoolUnreachable(what) | Self::NoIdentity(what) => what,
            Self::TooLarge => "session_too_large",
            Self::NotStrongEnough { .. } => "not_strong_enough",
            Self::TooMany { .. } => "login_rate",
        }
    }
}

impl From<LoginRefusal> for Refusal {
    fn from(refusal: LoginRefusal) -> Self {
        Self::Login(refusal)
    }
}
