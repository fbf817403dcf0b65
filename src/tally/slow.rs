//! Times of calls that leave this machine. ★

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::Call;

/// A time that is measured now and then.
#[derive(Debug, Clone)]
pub struct Slow(pub Histogram);

/// The same of each kind of call.
#[derive(Debug, Clone)]
pub struct SlowCalls(pub Family<Call, Histogram, fn() -> Histogram>);

impl Default for Slow {
    fn default() -> Self {
        Self(slow())
    }
}

impl Default for SlowCalls {
    fn default() -> Self {
        Self(Family::new_with_constructor(slow))
    }
}

/// For calls that leave this machine.
fn slow() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}
