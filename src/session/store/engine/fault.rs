//! Why the store gave no answer that counts, with a stable code; holds no value, key or password. ★

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::config::settings::StoreAddress;

/// Why a call to the store came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", .kind.code())]
pub struct EngineFault {
    kind: FaultKind,
    what: String,
}

/// The causes that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Nobody there, or nobody who may answer now: refused, closed, loading, failing over.
    Unreachable,
    /// No answer in time. What was asked may have happened.
    Timeout,
    /// The server does not let us: wrong password, missing right, read-only, full.
    Refused,
    /// An answer that is none: another type, another protocol.
    Answer,
}

// === impl FaultKind ===

impl FaultKind {
    /// `store_unreachable`, `store_timeout`, `store_refused` or `store_answer`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "store_unreachable",
            Self::Timeout => "store_timeout",
            Self::Refused => "store_refused",
            Self::Answer => "store_answer",
        }
    }
}

// === impl EngineFault ===

impl EngineFault {
    /// Which cause.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The cause's stable code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    pub(super) fn unreachable(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Unreachable, what: what.into() }
    }

    pub(super) fn timeout(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Timeout, what: what.into() }
    }

    pub(super) fn answer(what: impl Into<String>) -> Self {
        Self { kind: FaultKind::Answer, what: what.into() }
    }

    /// What the library says of a call to `server`. Of the server's own words only the first is kept: the rest
    /// may repeat what was sent.
    pub(super) fn of(server: &StoreAddress, error: &RedisError) -> Self {
        let kind = kind(error);
        let what = match (error.kind(), error.code()) {
            (ErrorKind::Io, _) => match error.as_io_kind() {
                Some(io) => format!("{server}: {io}"),
                None => format!("{server}: the connection broke"),
            },
            (_, Some(code)) if is_word(code) => format!("{server} says {code}"),
            (ErrorKind::AuthenticationFailed, _) => format!("{server} refuses the user or password"),
            _ => format!("{server} does not answer as a Redis does"),
        };
        Self { kind, what }
    }
}

/// A server's error code is one word of capital letters; anything else is not repeated.
fn is_word(code: &str) -> bool {
    (1..=20).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase())
}

fn kind(error: &RedisError) -> FaultKind {
    if is_read_only(error) {
        return FaultKind::Refused;
    }
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => FaultKind::Timeout,
        ErrorKind::Io => FaultKind::Unreachable,
        ErrorKind::AuthenticationFailed => FaultKind::Refused,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain,
        ) => FaultKind::Unreachable,
        ErrorKind::Server(ServerErrorKind::NoPerm) => FaultKind::Refused,
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "OOM" | "MISCONF" | "NOREPLICAS" | "DENIED") => FaultKind::Refused,
            Some("BUSY") => FaultKind::Unreachable,
            _ => FaultKind::Answer,
        },
    }
}

/// Servers before 7 wrap what happens inside a script.
fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.detail().is_some_and(|detail| detail.contains("READONLY"))
}

/// Whether the connection is of no more use: broken, out of step, or to a server that is not the master (any
/// more): only a new one finds the server that is.
pub(super) fn is_spent(error: &RedisError) -> bool {
    is_read_only(error)
        || error.is_unrecoverable_error()
        || matches!(
            error.kind(),
            ErrorKind::Io
                | ErrorKind::Parse
                | ErrorKind::AuthenticationFailed
                | ErrorKind::Server(ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading)
        )
        || error.code() == Some("NOAUTH")
}

/// Whether the connection broke before or while this was asked. Everything the engine asks may be asked again.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Io && !error.is_timeout()
}

trait IoKind {
    fn as_io_kind(&self) -> Option<std::io::ErrorKind>;
}

impl IoKind for RedisError {
    fn as_io_kind(&self) -> Option<std::io::ErrorKind> {
        use std::error::Error;
        self.source()?.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> (String, bool) {
        let server = StoreAddress { host: "store".into(), port: 1 };
        let error = redis::parse_redis_value(line.as_bytes()).unwrap().extract_error().unwrap_err();
        (EngineFault::of(&server, &error).to_string(), is_spent(&error))
    }

    #[test]
    fn what_a_server_says_becomes_a_code_and_its_first_word() {
        for (line, fault, spent) in [
            (
                "-READONLY You can't write against a read only replica.\r\n",
                "store_refused: store:1 says READONLY",
                true,
            ),
            ("-ERR Error running script: -READONLY You can't\r\n", "store_refused: store:1 says ERR", true),
            ("-NOPERM this user has no permissions\r\n", "store_refused: store:1 says NOPERM", false),
            ("-NOAUTH Authentication required.\r\n", "store_refused: store:1 says NOAUTH", true),
            ("-WRONGPASS invalid\r\n", "store_refused: store:1 says WRONGPASS", false),
            ("-OOM command not allowed\r\n", "store_refused: store:1 says OOM", false),
            (
                "-NOREPLICAS Not enough good replicas to write.\r\n",
                "store_refused: store:1 says NOREPLICAS",
                false,
            ),
            ("-LOADING Redis is loading\r\n", "store_unreachable: store:1 says LOADING", true),
            ("-CLUSTERDOWN The cluster is down\r\n", "store_unreachable: store:1 says CLUSTERDOWN", false),
            ("-WRONGTYPE Operation against a key\r\n", "store_answer: store:1 says WRONGTYPE", false),
            ("-ERR unknown command, with args: 's3cret'\r\n", "store_answer: store:1 says ERR", false),
        ] {
            assert_eq!(said(line), (fault.to_owned(), spent), "{line}");
        }
    }

    #[test]
    fn a_server_cannot_put_words_into_our_log() {
        let (fault, _) = said("-S3CRET\u{1b}[0m with more\r\n");
        assert!(!fault.contains("S3CRET"), "{fault}");
    }
}
