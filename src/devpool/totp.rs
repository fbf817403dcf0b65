//! Codes of an authenticator app (RFC 6238): HMAC-SHA1, thirty seconds, six digits; time and key are arguments.

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Deserializer};

use super::random;
use super::token::same;

/// A user's key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

/// A key with the memory of what it has let in: a code is good once.
#[derive(Clone)]
pub(super) struct Factor {
    key: Key,
    /// Asked for at each sign-in; one that was only verified is not.
    pub(super) on: bool,
    /// The last time step whose code was used.
    used: Option<u64>,
}

/// Why a code lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Not the code of now, of the step before or of the step after.
    Mismatch,
    /// It was right, and used before.
    Used,
}

// === impl Key ===

impl Key {
    /// As long as the hash, as RFC 4226 §4 recommends.
    pub(super) fn random() -> Self {
        Self(random::bytes::<20>().to_vec())
    }

    /// From base32 (RFC 4648 §6) as people copy it: in groups, in lower case, with or without `=`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = Vec::new();
        let (mut held, mut bits) = (0_u32, 0);
        for symbol in text.trim_end_matches('=').bytes().filter(|byte| *byte != b' ') {
            let value = ALPHABET.iter().position(|known| *known == symbol.to_ascii_uppercase())?;
            held = held << 5 | u32::try_from(value).ok()?;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
                held &= (1 << bits) - 1;
            }
        }
        (bytes.len() >= LEAST_BYTES).then_some(Self(bytes))
    }

    /// As base32, to be shown to its user once.
    pub(super) fn show(&self) -> String {
        let mut text = String::new();
        let (mut held, mut bits) = (0_u32, 0);
        for byte in &self.0 {
            held = held << 8 | u32::from(*byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
            }
            held &= (1 << bits) - 1;
        }
        if bits > 0 {
            text.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
        }
        text
    }

    /// The code of a time, as an app shows it.
    #[cfg(test)]
    pub(super) fn code_at(&self, now: u64) -> String {
        self.code(now / STEP)
    }

    /// The code of a time step (RFC 4226 §5.3).
    fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 15);
        let four = tag.get(offset..offset + 4).unwrap_or_default();
        let number = four.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

// Not a derived one: a key is a secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(
                "expected a key in base32 of 16 letters (A to Z) and digits (2 to 7) at least",
            )
        })
    }
}

// === impl Factor ===

impl Factor {
    /// One that is asked for.
    pub(super) fn new(key: Key) -> Self {
        Self { key, on: true, used: None }
    }

    /// Uses a code up. A clock may be a step off to either side.
    pub(super) fn take(&mut self, code: &str, now: u64) -> Result<(), Wrong> {
        let step = now / STEP;
        let mut steps = step.saturating_sub(1)..=step.saturating_add(1);
        let matched = steps.rfind(|step| same(&self.key.code(*step), code)).ok_or(Wrong::Mismatch)?;
        if self.used.is_some_and(|used| matched <= used) {
            return Err(Wrong::Used);
        }
        self.used = Some(matched);
        Ok(())
    }
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP: u64 = 30;
/// Eighty bits, the shortest that authenticator apps are given.
const LEAST_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        // Appendix B, the SHA-1 rows, of which six digits remain.
        let key = Key(b"12345678901234567890".to_vec());
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(key.code(time / STEP), code, "{time}");
        }
    }

    #[test]
    fn base32_is_read_as_people_copy_it_and_written_back() {
        let key = Key::parse("gezd gnbv gy3t qojq GEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(key.0, b"12345678901234567890");
        assert_eq!(key.show(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let odd = Key(vec![0xff; 11]);
        assert_eq!(Key::parse(&format!("{}======", odd.show())), Some(odd));
        for wrong in ["", "GEZDGNBV", "GEZDGNBVGY3TQOJ1", "GEZDGNBVGY3TQOJ!"] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "Key(…)");
    }

    #[test]
    fn a_clock_may_be_a_step_off_and_no_more() {
        let now = 1_111_111_111;
        for (late, good) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let mut factor = Factor::new(Key::random());
            let code = factor.key.code(now / STEP);
            assert_eq!(factor.take(&code, now.saturating_add_signed(late)).is_ok(), good, "{late}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_no_earlier_one_after_it() {
        let mut factor = Factor::new(Key::random());
        let (before, now) = (factor.key.code(9), factor.key.code(10));
        assert_eq!(factor.take("000", 300), Err(Wrong::Mismatch));
        assert_eq!(factor.take(&now, 300), Ok(()));
        assert_eq!(factor.take(&now, 300), Err(Wrong::Used));
        assert_eq!(factor.take(&before, 300), Err(Wrong::Used));
        let next = factor.key.code(11);
        assert_eq!(factor.take(&next, 330), Ok(()));
    }
}
