//! Durations as people write them: `12h`, `1h30m`, `500ms`, `off`. ★

use std::time::Duration;

use super::Context;
use crate::config::problem::Key;

/// Ten years: more is a slip, and would overflow arithmetic on times.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The duration under `key`, or `default` where nothing is written.
pub(super) fn duration(text: Option<&str>, key: &Key, default: Duration, cx: &mut Context<'_>) -> Duration {
    let Some(text) = text else { return default };
    if text.trim() == "off" {
        cx.error(key, "cannot be off", "write a duration such as \"30s\"");
        return default;
    }
    match parse(text) {
        Some(Duration::ZERO) => {
            cx.error(key, "must be longer than nothing", "write a duration such as \"30s\"")
        }
        Some(found) if found > LONGEST => cx.error(key, "longer than ten years", "write a shorter duration"),
        Some(found) => return found,
        None => {
            let message = format!("{text:?} is not a duration");
            cx.error(
                key,
                &message,
                "write a number and a unit (ms, s, m, h, d), such as \"15m\" or \"1h30m\"",
            );
        }
    }
    default
}

/// The same, where `off` may be written.
pub(super) fn duration_or_off(text: Option<&str>, key: &Key, cx: &mut Context<'_>) -> Option<Duration> {
    match text {
        None => None,
        Some(text) if text.trim() == "off" => None,
        Some(_) => Some(duration(text, key, Duration::from_secs(1), cx)),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    let mut last = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        // Largest first, each once: "30m1h" and "1h1h" are slips.
        if unit >= last {
            return None;
        }
        last = unit;
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit)?))?;
        rest = &rest[letters..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn a_duration_is_numbers_with_units_largest_first() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("12h", 43_200), ("1h30m", 5_400), ("1d", 86_400)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        for text in ["", "5", "h", "1.5h", "-1s", "1 h", "30m1h", "1h1h", "1w", "99999999999999999999d", "5 "]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
