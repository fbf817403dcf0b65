//! The one place that reads the clock and the system's randomness; everything pure is handed their values.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Seconds since 1970-01-01T00:00:00Z.
pub fn now() -> u64 {
    now_millis() / 1000
}

/// Milliseconds since 1970-01-01T00:00:00Z, where what comes within one second must be told apart.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long something takes: for what is counted, never for a decision.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Until now.
    pub fn taken(&self) -> Duration {
        self.0.elapsed()
    }
}

/// `N` bytes from the system's generator. Fails only where the system has no entropy to give.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}

/// Whether the system has randomness to give. [`random`] cannot say that it has none: where the generator below it
/// meets that, it ends the process without a reason that anybody would understand.
pub fn has_entropy() -> Result<(), NoEntropy> {
    getrandom::fill(&mut [0; 32]).map_err(|_| NoEntropy)
}

/// The system's random generator failed: nothing may be sealed or begun.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct NoEntropy;
