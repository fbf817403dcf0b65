//! Now, as records tell it: RFC 3339 with microseconds.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::calendar;

/// Now, as RFC 3339 with microseconds.
pub(super) fn timestamp() -> String {
    let mut stamp = String::with_capacity(32);
    write_now(&mut stamp);
    stamp
}

/// Appends it to `text`.
#[allow(clippy::disallowed_methods, reason = "a record is stamped when it is written")]
pub(super) fn write_now(text: &mut String) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Most records of a thread are of the second of the one before.
    thread_local!(static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) });
    SECOND.with_borrow_mut(|(second, spelled)| {
        if *second != since.as_secs() {
            (*second, *spelled) =
                (since.as_secs(), calendar::spelled(since.as_secs()).unwrap_or_else(|| EPOCH.into()));
        }
        text.push_str(spelled);
    });
    // With a digit before them, those that are 0 are written as well; the point takes its place.
    let mut digits = itoa::Buffer::new();
    let fraction = digits.format(1_000_000 + since.subsec_micros());
    text.push('.');
    text.push_str(&fraction[1..]);
    text.push('Z');
}

/// What a clock beyond the calendar is told as.
const EPOCH: &str = "1970-01-01T00:00:00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_microseconds_and_sorts_as_time_goes() {
        let stamps: Vec<_> = (0..1000).map(|_| timestamp()).collect();
        assert!(stamps.is_sorted());
        for stamp in stamps {
            assert_eq!(stamp.len(), "2026-01-02T03:04:05.000006Z".len(), "{stamp}");
            assert!(stamp.ends_with('Z') && stamp.as_bytes()[19] == b'.', "{stamp}");
        }
        assert_eq!(calendar::spelled(1_767_323_045).unwrap(), "2026-01-02T03:04:05");
    }
}
