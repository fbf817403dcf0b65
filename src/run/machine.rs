//! What this machine must have before anything is served on it: cryptography, randomness, a clock that may be right.

use std::time::Duration;

use der::DateTime;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::crypto::CryptoProvider;

use crate::clock;

/// Why nothing can be served here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// The binary was put together without it.
    #[error("there is no cryptography: nothing could be sealed or verified, and no TLS spoken")]
    NoCryptography,
    /// The system's generator fails, or cannot be asked.
    #[error(
        "the system gives no randomness (getrandom, /dev/urandom): sessions and logins could be guessed. Let the \
         process call getrandom, or read /dev/urandom"
    )]
    NoEntropy,
    /// Certificates, tokens and sessions are judged by it.
    #[error(
        "the clock says {0}, which cannot be: there was no rolegate before 2025. No certificate, token or session could \
         be judged by it. Set the clock, and have the gate start once it is set"
    )]
    Clock(String),
}

/// Whether this machine can be served on now.
pub(super) fn fit() -> Result<(), Unfit> {
    judge(CryptoProvider::get_default().is_some(), clock::has_entropy().is_ok(), clock::now())
}

/// Lets the process have as many open files as it may, as servers do, and says so where that is fewer than
/// `connections`.
pub(super) fn make_room(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX);
    if let Some(open_files) = current.filter(|current| *current < wanted) {
        tracing::warn!(
            open_files,
            connections,
            "fewer files may be open (ulimit -n) than limits.connections; a connection takes one, and one more while its request \
             is at the upstream: raise the one or lower the other"
        );
    }
}

fn judge(has_cryptography: bool, has_entropy: bool, now: u64) -> Result<(), Unfit> {
    if !has_cryptography {
        return Err(Unfit::NoCryptography);
    }
    if !has_entropy {
        return Err(Unfit::NoEntropy);
    }
    if now < EARLIEST {
        let shown = DateTime::from_unix_duration(Duration::from_secs(now));
        return Err(Unfit::Clock(shown.map_or_else(|_| now.to_string(), |shown| shown.to_string())));
    }
    Ok(())
}

/// 2025-01-01. Machines without a clock of their own begin at 1970, or at the day on which their firmware was made.
const EARLIEST: u64 = 1_735_689_600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_fit_with_cryptography_randomness_and_a_clock_that_may_be_right() {
        assert_eq!(judge(true, true, EARLIEST), Ok(()));
        assert_eq!(judge(true, true, u64::MAX), Ok(()));
        assert_eq!(judge(false, true, EARLIEST), Err(Unfit::NoCryptography));
        assert_eq!(judge(true, false, EARLIEST), Err(Unfit::NoEntropy));
        for (now, shown) in
            [(7, "1970-01-01T00:00:07Z"), (0, "1970-01-01T00:00:00Z"), (EARLIEST - 1, "2024-12-31T23:59:59Z")]
        {
            assert_eq!(judge(true, true, now), Err(Unfit::Clock(shown.into())));
        }
    }
}
