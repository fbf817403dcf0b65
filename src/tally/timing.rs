//! A histogram for what happens on the way of every request: the library's has a lock. ★

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::spread::{SHARES, own_share};

/// How long something took, in buckets.
#[derive(Debug, Clone, Default)]
pub struct Timing(Arc<[Share; SHARES]>);

/// One thread's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

// === impl Timing ===

impl Timing {
    /// One more that took `time`.
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        let share = &self.0[own_share()];
        share.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        share.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl TypedMetric for Timing {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Timing {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        let mut micros = 0_u64;
        let mut buckets: Vec<_> = BOUNDS.into_iter().chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
        for share in self.0.iter() {
            micros = micros.wrapping_add(share.micros.load(Ordering::Relaxed));
            for ((_, sum), bucket) in buckets.iter_mut().zip(&share.buckets) {
                *sum += bucket.load(Ordering::Relaxed);
            }
        }
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_micros(micros).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// Seconds.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn each_time_is_in_its_bucket_and_in_all_above() {
        let (mut registry, timing, mut text) = (Registry::default(), Timing::default(), String::new());
        registry.register("time", "Time", timing.clone());
        for millis in [1, 2, 2, 30, 60_000] {
            timing.observe(Duration::from_millis(millis));
        }
        encode(&mut text, &registry).unwrap();
        for line in [
            "time_sum 60.035",
            "time_count 5",
            "time_bucket{le=\"0.001\"} 1",
            "time_bucket{le=\"0.0025\"} 3",
            "time_bucket{le=\"0.025\"} 3",
            "time_bucket{le=\"0.05\"} 4",
            "time_bucket{le=\"10.0\"} 4",
            "time_bucket{le=\"+Inf\"} 5",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
    }
}
