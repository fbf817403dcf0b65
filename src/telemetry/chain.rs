//! Audit lines that show what was changed, taken out or put in between: each is authenticated together with the one
//! before it. ★
//!
//! What it does not show: that lines are missing at the end. The line `stopped`, or a chain that begins anew without one,
//! says whether there may be. Whoever has the session keys can write a chain of his own.

use std::fmt::Write;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;

/// One process's chain, and how far it has come.
pub(super) struct Chain {
    key: hmac::Key,
    /// Which chain it is: gates and their restarts each have one.
    id: String,
    number: u64,
    last: Vec<u8>,
}

// === impl Chain ===

impl Chain {
    /// A chain under a subkey of a session key.
    pub(super) fn new(session_key: &[u8], id: [u8; 8]) -> Self {
        let extracted = Salt::new(HKDF_SHA256, b"rolegate session keys v1").extract(session_key);
        let info = [b"audit".as_slice()];
        let key = match extracted.expand(&info, hmac::HMAC_SHA256) {
            Ok(okm) => okm.into(),
            // Only for a length that HKDF cannot give; then a key that verifies nothing.
            Err(_) => hmac::Key::new(hmac::HMAC_SHA256, &[]),
        };
        Self { key, id: hex(&id), number: 0, last: vec![0; 32] }
    }

    /// The line of JSON with its place in the chain.
    pub(super) fn link(&mut self, line: &str) -> String {
        let open = line.strip_suffix('}').unwrap_or(line);
        let mut linked = format!("{open},\"chain\":\"{}\",\"number\":{}", self.id, self.number);
        let mut hash = hmac::Context::with_key(&self.key);
        hash.update(&self.last);
        hash.update(linked.as_bytes());
        self.last = hash.sign().as_ref().to_vec();
        self.number += 1;
        linked += &format!(",\"mac\":\"{}\"}}", hex(&self.last));
        linked
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_depends_on_all_before_it_and_stays_json() {
        let (mut one, mut other) = (Chain::new(&[1; 32], [7; 8]), Chain::new(&[1; 32], [7; 8]));
        assert_eq!(one.link("{\"a\":1}"), other.link("{\"a\":1}"));
        one.link("{\"a\":2}");
        other.link("{\"a\":3}");
        let (one, other) = (one.link("{\"a\":4}"), other.link("{\"a\":4}"));
        assert_ne!(one, other);
        let line: serde_json::Value = serde_json::from_str(&one).unwrap();
        assert_eq!(
            (&line["a"], &line["number"], &line["chain"]),
            (&4.into(), &2.into(), &"0707070707070707".into())
        );
    }
}
