//! Passes that this thread has opened of late: a browser sends the same one with every request, and what was in it
//! stays in it. Whether it still counts is decided each time.
//!
//! Threat: to compare a guess with what is remembered must not tell how much of it was right, so that takes the same
//! time wherever they differ.

use std::cell::RefCell;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::session::Session;
use crate::session::keyring::{Opener, Sealer};
use crate::session::seal::Purpose;

struct Slot {
    opener: Opener,
    name: Box<str>,
    text: Box<[u8]>,
    session: Arc<Session>,
    current: bool,
}

thread_local!(static SLOTS: RefCell<Vec<Option<Slot>>> = const { RefCell::new(Vec::new()) });

/// The session in the pass `text`, a cookie called `name`; whether the key that seals now sealed it.
pub(super) fn open(sealer: &Sealer, name: &str, text: &str) -> Option<(Arc<Session>, bool)> {
    // Asked before anything is opened: what an exchange of keys overtakes is remembered as the old ring's.
    let opener = sealer.opener();
    let place = place(text.as_bytes());
    SLOTS.with_borrow_mut(|slots| {
        if slots.is_empty() {
            slots.resize_with(REMEMBERED, || None);
        }
        let slot = &mut slots[place];
        if let Some(slot) = slot
            && slot.opener == opener
            && *slot.name == *name
            && verify_slices_are_equal(&slot.text, text.as_bytes()).is_ok()
        {
            return Some((slot.session.clone(), slot.current));
        }
        let opened = sealer.open(Purpose::Pass, name, text)?;
        let session: Arc<Session> = Arc::new(serde_json::from_slice(&opened.plain).ok()?);
        let current = opened.current;
        *slot = Some(Slot {
            opener,
            name: name.into(),
            text: text.as_bytes().into(),
            session: session.clone(),
            current,
        });
        Some((session, current))
    })
}

/// By the nonce, which is random.
fn place(text: &[u8]) -> usize {
    let nonce = text.get(NONCE..NONCE + 4).unwrap_or_default();
    nonce.iter().fold(0, |sum, byte| (sum << 3) ^ usize::from(*byte)) % REMEMBERED
}

/// In sealed text, version, parts and key id take eight characters.
const NONCE: usize = 8;
/// Some hundred bytes each; a power of two.
const REMEMBERED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;
    use crate::session::keyring::Keyring;
    use crate::session::tests::session;

    fn sealer(keyring: &Arc<Keyring>) -> Sealer {
        Sealer::new(keyring.clone(), "https://issuer", "client", "https://app.test")
    }

    fn keys(bytes: &[u8]) -> Vec<Secret> {
        bytes.iter().map(|byte| Secret::new([*byte; 32])).collect()
    }

    #[test]
    fn what_is_remembered_is_what_opening_gives_and_nothing_else_opens() {
        let keyring = Arc::new(Keyring::new(&keys(&[1])).unwrap());
        let sealer = sealer(&keyring);
        let text = {
            let plain = serde_json::to_vec(&session(true)).unwrap();
            sealer.seal(Purpose::Pass, "pass", &plain, 3800, [7; 12]).unwrap()
        };
        let first = open(&sealer, "pass", &text).unwrap();
        let again = open(&sealer, "pass", &text).unwrap();
        assert!(*first.0 == session(true) && first.1);
        assert!(Arc::ptr_eq(&first.0, &again.0) && again.1, "it was opened once");
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert!(open(&sealer, "pass", std::str::from_utf8(&other).unwrap()).is_none(), "byte {at}");
        }
        assert!(open(&sealer, "other", &text).is_none());
        assert!(open(&sealer, "pass", &text[..text.len() - 1]).is_none());
        assert!(open(&sealer, "pass", "").is_none());
        let elsewhere = Sealer::new(keyring.clone(), "https://issuer", "client", "https://other.test");
        assert!(open(&elsewhere, "pass", &text).is_none());
    }

    #[test]
    fn a_key_that_is_gone_opens_nothing_that_is_remembered() {
        let keyring = Arc::new(Keyring::new(&keys(&[1])).unwrap());
        let sealer = sealer(&keyring);
        let plain = serde_json::to_vec(&session(true)).unwrap();
        let text = sealer.seal(Purpose::Pass, "pass", &plain, 3800, [7; 12]).unwrap();
        assert!(open(&sealer, "pass", &text).unwrap().1);
        keyring.exchange(&keys(&[2, 1])).unwrap();
        assert!(!open(&sealer, "pass", &text).unwrap().1, "an older key's by now");
        keyring.exchange(&keys(&[2])).unwrap();
        assert!(open(&sealer, "pass", &text).is_none());
    }
}
