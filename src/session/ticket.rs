//! The ticket: what a session is refreshed with, or what leads to it. ★

use serde::{Deserialize, Serialize};

use super::Session;
use super::kept::Handle;

/// What the ticket cookie holds. It repeats what ties it to its pass.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Ticket {
    /// [`Session::id`].
    pub id: String,
    /// [`Session::begun`].
    pub begun: u64,
    /// [`Session::ends`].
    pub ends: u64,
    /// What it is good for.
    pub grant: Grant,
}

/// What a ticket is good for.
#[derive(Clone, PartialEq, Eq)]
pub enum Grant {
    /// The pool's refresh token.
    Token(String),
    /// What opens the session where a store keeps it. It stays the same over refreshes.
    Kept(Handle),
}

/// The form in the cookie: exactly one of the last two.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "b")]
    begun: u64,
    #[serde(rename = "e")]
    ends: u64,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    handle: Option<Handle>,
}

// === impl Ticket ===

impl Ticket {
    /// The ticket of `session`.
    pub fn new(session: &Session, grant: Grant) -> Self {
        Self { id: session.id.clone(), begun: session.begun, ends: session.ends, grant }
    }

    /// Whether this ticket belongs to `session`: a ticket of another login counts for nothing.
    pub fn belongs_to(&self, session: &Session) -> bool {
        self.id == session.id && self.begun == session.begun && self.ends == session.ends
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("id", &self.id).finish_non_exhaustive()
    }
}

// === impl Grant ===

impl Grant {
    /// The bytes that make it this one and no other.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Token(token) => token.as_bytes(),
            Self::Kept(handle) => handle.bytes(),
        }
    }
}

// === impl Written ===

impl From<Ticket> for Written {
    fn from(ticket: Ticket) -> Self {
        let Ticket { id, begun, ends, grant } = ticket;
        let (refresh_token, handle) = match grant {
            Grant::Token(token) => (Some(token), None),
            Grant::Kept(handle) => (None, Some(handle)),
        };
        Self { id, begun, ends, refresh_token, handle }
    }
}

impl TryFrom<Written> for Ticket {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { id, begun, ends, refresh_token, handle } = written;
        let grant = match (refresh_token, handle) {
            (Some(token), None) => Grant::Token(token),
            (None, Some(handle)) => Grant::Kept(handle),
            _ => return Err("a ticket is good for one thing"),
        };
        Ok(Self { id, begun, ends, grant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_exactly_one_thing() {
        let of = |grant| Ticket { id: "i".into(), begun: 1, ends: 2, grant };
        let token = of(Grant::Token("t".into()));
        let text = serde_json::to_string(&token).unwrap();
        assert_eq!(text, r#"{"i":"i","b":1,"e":2,"r":"t"}"#);
        assert_eq!(serde_json::from_str::<Ticket>(&text).unwrap(), token);
        let kept = of(Grant::Kept(Handle::new([7; 32])));
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Ticket>(&text).unwrap(), kept);
        for wrong in [
            r#"{"i":"i","b":1,"e":2}"#.to_owned(),
            text.replace(r#""e":2"#, r#""e":2,"r":"t""#),
            text.replace(r#""e":2"#, r#""e":2,"x":"t""#),
        ] {
            assert!(serde_json::from_str::<Ticket>(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_log_shows_what_a_ticket_is_good_for() {
        for grant in [Grant::Token("secret".into()), Grant::Kept(Handle::new([b's'; 32]))] {
            let ticket = Ticket { id: "i".into(), begun: 0, ends: 0, grant };
            assert_eq!(format!("{ticket:?}"), r#"Ticket { id: "i", .. }"#);
        }
    }
}
