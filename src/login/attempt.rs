//! A login attempt: what is sealed in the browser between the start of a login and its callback. ★
//!
//! Each attempt has a cookie of its own, so that tabs do not spoil each other's login; their number and
//! size are bounded, so that abandoned ones never make a request too large. State, nonce and PKCE verifier
//! are derived from sealed random bytes: the cookie carries 32 of them and the way back.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::session::cookie::{Jar, Names};
use crate::session::keyring::Sealer;
use crate::session::seal::Purpose;

/// What is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Names the attempt; travels to the pool and back as `state`.
    id: [u8; 16],
    /// Never leaves the seal; nonce and verifier come from it.
    secret: [u8; 16],
    /// When it began, milliseconds since 1970.
    pub begun: u64,
    /// Whether it is the restart of an attempt that was not found.
    pub restarted: bool,
    /// Where to return to: a path of the origin, or a checked address.
    pub target: String,
}

/// A `state` as it came back: its form is right, nothing else is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<'a>(&'a str);

// === impl Attempt ===

impl Attempt {
    /// A new attempt.
    pub fn new(random: [u8; 32], begun: u64, restarted: bool, target: String) -> Self {
        let (mut id, mut secret) = ([0; 16], [0; 16]);
        id.copy_from_slice(&random[..16]);
        secret.copy_from_slice(&random[16..]);
        Self { id, secret, begun, restarted, target }
    }

    /// `state`: base64url, since Cognito decodes everything else on the way back. `r` marks a restart, so that
    /// a browser that keeps no cookies is recognised without any.
    pub fn state(&self) -> String {
        let mark = if self.restarted { 'r' } else { 's' };
        format!("{mark}{}", URL_SAFE_NO_PAD.encode(self.id))
    }

    /// `nonce` of the ID token.
    pub fn nonce(&self) -> String {
        self.derived(b"nonce")
    }

    /// The PKCE verifier: 43 characters (RFC 7636 §4.1).
    pub fn verifier(&self) -> String {
        self.derived(b"verifier")
    }

    /// The cookie's name.
    pub fn cookie_name(&self, names: &Names) -> String {
        cookie_name(names, &self.state())
    }

    /// The sealed text.
    pub fn seal(&self, sealer: &Sealer, names: &Names, nonce: [u8; 12]) -> Option<String> {
        let mut plain = Vec::with_capacity(41 + self.target.len());
        plain.extend(self.id);
        plain.extend(self.secret);
        plain.extend(self.begun.to_be_bytes());
        plain.push(u8::from(self.restarted));
        plain.extend(self.target.as_bytes());
        // One part, or none: an attempt in pieces could lose one of them to the next attempt.
        let text = sealer.seal(Purpose::Attempt, &self.cookie_name(names), &plain, MAX_BYTES, nonce)?;
        (text.len() <= MAX_BYTES).then_some(text)
    }

    /// Opens a cookie of a request; `None` if it is none of ours or older than [`LIFE`].
    pub fn open(sealer: &Sealer, name: &str, text: &str, now: u64) -> Option<Self> {
        let plain = sealer.open(Purpose::Attempt, name, text)?.plain;
        let (head, target) = plain.split_at_checked(41)?;
        let attempt = Self {
            id: head[..16].try_into().ok()?,
            secret: head[16..32].try_into().ok()?,
            begun: u64::from_be_bytes(head[32..40].try_into().ok()?),
            restarted: head[40] == 1,
            target: String::from_utf8(target.to_vec()).ok()?,
        };
        (now < attempt.begun.saturating_add(LIFE * 1000)).then_some(attempt)
    }

    fn derived(&self, purpose: &[u8]) -> String {
        let mut hash = Context::new(&SHA256);
        hash.update(b"rolegate login attempt v1 ");
        hash.update(purpose);
        hash.update(&self.secret);
        URL_SAFE_NO_PAD.encode(hash.finish())
    }
}

// === impl State ===

impl<'a> State<'a> {
    /// Checks the form: a mark and 128 bits.
    pub fn parse(text: &'a str) -> Option<Self> {
        let body = text.strip_prefix(['s', 'r'])?;
        let canonical = URL_SAFE_NO_PAD.decode(body).ok()?.len() == 16;
        canonical.then_some(Self(text))
    }

    /// Whether it belongs to a restarted login.
    pub fn restarted(self) -> bool {
        self.0.starts_with('r')
    }

    /// The attempt that it belongs to, if this browser brought it.
    pub fn attempt(self, jar: &Jar<'_>, names: &Names, sealer: &Sealer, now: u64) -> Option<Attempt> {
        let name = cookie_name(names, self.0);
        jar.candidates(&name)
            .filter_map(|text| Attempt::open(sealer, &name, &text, now))
            .find(|attempt| attempt.state() == self.0)
    }
}

/// The attempts in `jar` that must go so that one of `incoming` bytes finds room: what does not open, then
/// the oldest.
pub fn crowded_out<'a>(
    jar: &Jar<'a>,
    names: &Names,
    sealer: &Sealer,
    incoming: usize,
    now: u64,
) -> Vec<&'a str> {
    let mut out = Vec::new();
    let mut live = Vec::new();
    for (name, text) in jar.attempts(names) {
        match Attempt::open(sealer, name, text, now) {
            Some(attempt) => live.push((attempt.begun, name, name.len() + text.len())),
            None => out.push(name),
        }
    }
    live.sort_unstable();
    let mut bytes: usize = live.iter().map(|(_, _, len)| len).sum();
    let mut count = live.len();
    for (_, name, len) in live {
        if count < MAX_ATTEMPTS && bytes + incoming <= MAX_BYTES {
            break;
        }
        out.push(name);
        count -= 1;
        bytes -= len;
    }
    out
}

fn cookie_name(names: &Names, state: &str) -> String {
    format!("{}{}", names.attempt_prefix, state.get(..11).unwrap_or(state))
}

/// How long a login may take, seconds. Cognito gives up after five minutes on its own page.
pub const LIFE: u64 = 15 * 60;
/// At most this many attempts a browser.
const MAX_ATTEMPTS: usize = 8;
/// All attempts of a browser together, names included: eight ordinary ones are 8 × 400 bytes.
const MAX_BYTES: usize = 3200;

#[cfg(test)]
mod tests;
