//! Passes that this thread has opened of late: a browser sends the same one with every request, and what was in it
//! stays in it. Whether it still counts is decided each time.
//!
//! Kept is what came twice in a row in its place. Where there are many more browsers than places next to none of them is,
//! and to keep and throw away each would cost more than to open it.
//!
//! Threat: to compare a guess with what is remembered must not tell how much of it was right, so that takes the same
//! time wherever they differ.

use std::cell::RefCell;
use std::sync::Arc;

use ctutils::CtEq;

use crate::session::keyring::{Opener, Sealer};
use crate::session::seal::Purpose;
use crate::session::{Session, pass};

#[derive(Default)]
struct Slot {
    /// The nonce of the pass that came here last.
    last: [u8; 8],
    kept: Option<Kept>,
}

struct Kept {
    opener: Opener,
    name: Box<str>,
    text: Box<[u8]>,
    session: Arc<Session>,
    current: bool,
}

thread_local!(static SLOTS: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) });

/// The session in the pass `text`, a cookie called `name`; whether the key that seals now sealed it.
pub(super) fn open(sealer: &Sealer, name: &str, text: &str) -> Option<(Arc<Session>, bool)> {
    // Asked before anything is opened: what an exchange of keys overtakes is remembered as the old ring's.
    let opener = sealer.opener();
    let nonce = nonce(text.as_bytes());
    SLOTS.with_borrow_mut(|slots| {
        if slots.is_empty() {
            slots.resize_with(REMEMBERED, Slot::default);
        }
        let slot = &mut slots[place(nonce)];
        if let Some(kept) = &slot.kept
            && kept.opener == opener
            && *kept.name == *name
            && kept.text.ct_eq(text.as_bytes()).to_bool()
        {
            slot.last = nonce;
            return Some((kept.session.clone(), kept.current));
        }
        let opened = sealer.open(Purpose::Pass, name, text)?;
        let session = Arc::new(pass::read(&opened.plain)?);
        let current = opened.current;
        // It has been opened: nothing is told here that its holder does not know.
        if std::mem::replace(&mut slot.last, nonce) == nonce {
            let (name, text, session) = (name.into(), text.as_bytes().into(), session.clone());
            slot.kept = Some(Kept { opener, name, text, session, current });
        }
        Some((session, current))
    })
}

/// The beginning of a sealed text's nonce, as text, which is random.
fn nonce(text: &[u8]) -> [u8; 8] {
    text.get(NONCE..).and_then(|nonce| nonce.first_chunk()).copied().unwrap_or_default()
}

fn place(nonce: [u8; 8]) -> usize {
    nonce[..4].iter().fold(0, |sum, byte| (sum << 3) ^ usize::from(*byte)) % REMEMBERED
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
            let plain = pass::write(&session(true)).unwrap();
            sealer.seal(Purpose::Pass, "pass", &plain, 3800, [7; 12]).unwrap()
        };
        let [first, second, third] = [(); 3].map(|()| open(&sealer, "pass", &text).unwrap());
        assert!(*first.0 == session(true) && first.1);
        assert!(*second.0 == session(true) && second.1);
        assert!(!Arc::ptr_eq(&first.0, &second.0), "what comes once is not kept");
        assert!(Arc::ptr_eq(&second.0, &third.0) && third.1, "it was opened twice");
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
    fn of_passes_that_share_a_place_the_one_that_came_twice_in_a_row_is_kept() {
        let keyring = Arc::new(Keyring::new(&keys(&[1])).unwrap());
        let sealer = sealer(&keyring);
        let plain = pass::write(&session(true)).unwrap();
        let [one, other] = [7, 8].map(|last| {
            let nonce = [7, 7, 7, last, last, last, 0, 0, 0, 0, 0, 0];
            sealer.seal(Purpose::Pass, "pass", &plain, 3800, nonce).unwrap()
        });
        let open = |text: &str| open(&sealer, "pass", text).unwrap().0;
        let is_kept = |text: &str| Arc::ptr_eq(&open(text), &open(text));
        assert_eq!(place(nonce(one.as_bytes())), place(nonce(other.as_bytes())));
        for _ in 0..3 {
            assert!(!Arc::ptr_eq(&open(&one), &open(&other)));
        }
        open(&one);
        let kept = open(&one);
        for _ in 0..3 {
            open(&other);
            assert!(Arc::ptr_eq(&kept, &open(&one)), "the other came once, between two of this one");
        }
        open(&other);
        assert!(is_kept(&other));
        assert!(!Arc::ptr_eq(&kept, &open(&one)), "a place has room for one");
    }

    #[test]
    fn a_key_that_is_gone_opens_nothing_that_is_remembered() {
        let keyring = Arc::new(Keyring::new(&keys(&[1])).unwrap());
        let sealer = sealer(&keyring);
        let plain = pass::write(&session(true)).unwrap();
        let text = sealer.seal(Purpose::Pass, "pass", &plain, 3800, [7; 12]).unwrap();
        assert!([(); 3].iter().all(|()| open(&sealer, "pass", &text).unwrap().1));
        keyring.exchange(&keys(&[2, 1])).unwrap();
        assert!(!open(&sealer, "pass", &text).unwrap().1, "an older key's by now");
        keyring.exchange(&keys(&[2])).unwrap();
        assert!(open(&sealer, "pass", &text).is_none());
    }
}
