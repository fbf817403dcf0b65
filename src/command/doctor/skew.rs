//! How far this machine's clock is from the provider's, by the `Date` of its answers. ★
//!
//! A `Date` has whole seconds, and a request takes its time: what these two may account for is not held
//! against the clock.

use super::answers::Sample;
use super::report::{Finding, Level};
use crate::identity::token::LEEWAY;

/// Judges the answer that came quickest.
pub(super) fn judge(samples: &[Sample]) -> Finding {
    let quickest = samples.iter().min_by_key(|sample| sample.received.saturating_sub(sample.sent));
    let Some(sample) = quickest else {
        return Finding::unseen(WHAT, "not looked at: no answer of the provider had a Date");
    };
    let middle = sample.sent.midpoint(sample.received);
    let theirs = sample.date.saturating_add(HALF_A_SECOND);
    let slack = sample.received.saturating_sub(sample.sent) / 2 + HALF_A_SECOND;
    let apart = theirs.abs_diff(middle);
    let (sure, seconds) = (apart.saturating_sub(slack), (apart + HALF_A_SECOND) / 1000);
    let level = match sure / 1000 {
        LEEWAY.. => Level::Fail,
        WORTH_A_WORD.. => Level::Warn,
        _ => {
            let within = (apart + slack).div_ceil(1000);
            return Finding::ok(WHAT, format!("within {within} s of the provider's"));
        }
    };
    let found = if theirs > middle {
        format!(
            "this machine's clock is {seconds} s behind the provider's: beyond {LEEWAY} s tokens seem to be of the \
             future, and nobody can sign in"
        )
    } else {
        format!(
            "this machine's clock is {seconds} s ahead of the provider's: beyond {LEEWAY} s tokens seem to have ended \
             before their time, and sessions end early or do not begin"
        )
    };
    Finding::new(level, WHAT, found)
        .fix("set it by the network, on the host where this is a container or a virtual machine:")
        .fix("sudo timedatectl set-ntp true && timedatectl timesync-status")
}

/// A `Date` (RFC 9110 §5.6.7) as milliseconds since 1970.
pub(super) fn date(text: &str) -> Option<u64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

const WHAT: &str = "clock";
/// From here on it is told, seconds.
const WORTH_A_WORD: u64 = 10;
const HALF_A_SECOND: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    /// This machine's time is 1000 s.
    fn judged(date: u64, took: u64) -> Finding {
        judge(&[Sample { date: date * 1000, sent: 1_000_000, received: 1_000_000 + took }])
    }

    #[test]
    fn the_level_follows_how_far_and_the_words_to_which_side() {
        for (date, level, words) in [
            (1000, Level::Ok, "within 1 s"),
            (991, Level::Ok, "within"),
            (989, Level::Warn, "is 11 s ahead of"),
            (1012, Level::Warn, "is 12 s behind"),
            (1058, Level::Warn, "is 58 s behind"),
            (1061, Level::Fail, "is 61 s behind"),
            (700, Level::Fail, "is 300 s ahead of"),
        ] {
            let found = judged(date, 20);
            assert_eq!(found.level, level, "{date}: {found:?}");
            assert!(found.found.contains(words), "{date}: {found:?}");
        }
    }

    #[test]
    fn a_slow_answer_proves_nothing_and_a_quick_one_is_preferred() {
        assert_eq!(judged(1020, 20_000).level, Level::Ok);
        let slow = Sample { date: 900_000, sent: 1_000_000, received: 1_020_000 };
        let quick = Sample { date: 1_000_000, sent: 1_000_000, received: 1_000_010 };
        assert_eq!(judge(&[slow, quick]).level, Level::Ok);
        assert_eq!(judge(&[]).level, Level::Unseen);
    }
}
