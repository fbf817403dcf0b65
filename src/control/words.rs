//! What is asked at the control socket and what it answers, for both of its ends. ★
//!
//! `GET /sessions`, `GET /sessions?user=…` or `?sub=…`, and `POST /sessions/end` with an [`Ask`]; JSON throughout.

use serde::{Deserialize, Serialize};

/// Where sessions are listed.
pub const SESSIONS: &str = "/sessions";
/// Where they are ended.
pub const END: &str = "/sessions/end";

/// What `POST /sessions/end` carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Whose sessions are to end.
    pub end: Whom,
}

/// Whose sessions, as an operator knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// The session with this id.
    Id(String),
    /// All of everybody with this X-User.
    User(String),
    /// All of the person with this `sub`.
    Sub(String),
    /// All.
    Everyone,
}

/// What `GET /sessions` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The newest first.
    pub sessions: Vec<Entry>,
}

/// A session. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Names the session.
    pub id: String,
    /// X-User before encoding.
    pub user: String,
    /// The `sub` claim.
    pub sub: String,
    /// When the person signed in.
    pub begun: u64,
    /// When roles were last read.
    pub refreshed: u64,
    /// When it ends by itself.
    pub ends: u64,
}

/// What `POST /sessions/end` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Where.
    pub reach: Reach,
    /// How many were listed; `None` where there is no list, or it could not be read.
    pub sessions: Option<usize>,
    /// Whether nothing is kept of them any more.
    pub cleared: bool,
}

/// How far an end reaches. The farther, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// This process; there is no store that could tell others.
    Here,
    /// This process, and the others as soon as the store can be reached.
    Later,
    /// Every gate.
    Everywhere,
}

/// What is answered to anything that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// A stable code.
    pub error: String,
    /// For people.
    pub detail: String,
}

// === impl Whom ===

impl Whom {
    /// What kind of name it is, and the name, if it has one.
    pub fn named(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Id(id) => ("id", Some(id)),
            Self::User(user) => ("user", Some(user)),
            Self::Sub(sub) => ("sub", Some(sub)),
            Self::Everyone => ("everyone", None),
        }
    }
}

// === impl Reach ===

impl Reach {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Later => "later",
            Self::Everywhere => "everywhere",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_has_one_meaning_or_none() {
        let read = |text: &str| serde_json::from_str::<Ask>(text).map(|ask| ask.end).ok();
        assert_eq!(read(r#"{"end":"everyone"}"#), Some(Whom::Everyone));
        assert_eq!(read(r#"{"end":{"sub":"a"}}"#), Some(Whom::Sub("a".into())));
        for wrong in [
            "",
            "{}",
            "null",
            r#"{"end":"nobody"}"#,
            r#"{"end":{}}"#,
            r#"{"end":{"id":"a","sub":"b"}}"#,
            r#"{"end":{"id":"a"},"end":"everyone"}"#,
            r#"{"end":{"id":["a"]}}"#,
            r#"{"end":{"id":"a"},"also":1}"#,
            r#"{"end":{"id":"a"}} {}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn of_several_ends_the_nearest_counts() {
        assert_eq!([Reach::Everywhere, Reach::Later].into_iter().min(), Some(Reach::Later));
    }
}
