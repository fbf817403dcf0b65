//! Seconds as a date that people read. ★

use cookie::time::OffsetDateTime;

/// `seconds` since 1970 in UTC as RFC 3339 begins, `2026-11-21T09:41:35`; `None` beyond the calendar.
pub fn spelled(seconds: u64) -> Option<String> {
    let date = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second()
    ))
}
