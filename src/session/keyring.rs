//! The keys that seal and open now: one ring for the whole process, exchanged while requests run.
//!
//! Each call takes the ring as it is at that moment, so that one request may open by one ring and seal by the next.
//! That loses nothing: every cookie is sealed and opened by itself, a sealed text names its key, and what one ring
//! seals every ring opens that still has the key. A request that ended before the exchange differs in nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::seal::{BadKey, NONCE_LEN, Opened, Place, Purpose, Ring};
use crate::config::secret::Secret;

/// The ring of this process. Everything that seals shares one.
pub struct Keyring(ArcSwap<Ring>);

/// Which ring opens what where: equal for two moments only if both open the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opener {
    ring: u64,
    place: u64,
}

/// The ring at one place: what seals and opens there.
pub struct Sealer {
    keyring: Arc<Keyring>,
    place: Place,
    number: u64,
}

// === impl Keyring ===

impl Keyring {
    /// The first of `keys`, 32 bytes each, seals; all of them open.
    pub fn new(keys: &[Secret]) -> Result<Self, BadKey> {
        Ok(Self(ArcSwap::from_pointee(Ring::new(keys)?)))
    }

    /// From now on these do instead; with an error nothing has changed.
    pub fn exchange(&self, keys: &[Secret]) -> Result<(), BadKey> {
        self.0.store(Arc::new(Ring::new(keys)?));
        Ok(())
    }
}

// === impl Sealer ===

impl Sealer {
    /// Binds the ring to where its texts belong.
    pub fn new(keyring: Arc<Keyring>, issuer: &str, client_id: &str, origin: &str) -> Self {
        static PLACES: AtomicU64 = AtomicU64::new(0);
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        Self { keyring, place: Place::new(issuer, client_id, origin), number }
    }

    /// [`Ring::seal`], here and now.
    pub fn seal(
        &self,
        purpose: Purpose,
        name: &str,
        plain: &[u8],
        part_len: usize,
        nonce: [u8; NONCE_LEN],
    ) -> Option<String> {
        self.keyring.0.load().seal(&self.place, purpose, name, plain, part_len, nonce)
    }

    /// [`Ring::open`], here and now.
    pub fn open(&self, purpose: Purpose, name: &str, text: &str) -> Option<Opened> {
        self.keyring.0.load().open(&self.place, purpose, name, text)
    }

    /// Who opens, here and now.
    pub fn opener(&self) -> Opener {
        Opener { ring: self.keyring.0.load().number(), place: self.number }
    }

    /// [`Ring::pseudonyms`], here and now.
    pub fn pseudonyms(&self, sub: &str) -> Vec<String> {
        self.keyring.0.load().pseudonyms(&self.place, sub)
    }

    /// [`Ring::has_old_keys`], here and now.
    pub fn has_old_keys(&self) -> bool {
        self.keyring.0.load().has_old_keys()
    }

    /// [`Ring::is_old`], here and now.
    pub fn is_old(&self, beginning: &str) -> bool {
        self.keyring.0.load().is_old(beginning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_counts_for_everything_that_shares_the_ring() {
        let keyring = Arc::new(Keyring::new(&keys(&[1])).unwrap());
        let at = |origin| Sealer::new(keyring.clone(), "https://issuer", "client", origin);
        let (one, two) = (at("https://one.test"), at("https://two.test"));
        let seal = |sealer: &Sealer| sealer.seal(Purpose::Pass, "pass", b"x", 3800, [7; 12]).unwrap();
        let current = |sealer: &Sealer, text: &str| {
            sealer.open(Purpose::Pass, "pass", text).map(|opened| opened.current)
        };
        let old = [seal(&one), seal(&two)];

        keyring.exchange(&keys(&[2, 1])).unwrap();
        assert_eq!([current(&one, &old[0]), current(&two, &old[1])], [Some(false); 2]);
        assert_eq!([current(&one, &seal(&one)), current(&two, &seal(&two))], [Some(true); 2]);
        keyring.exchange(&keys(&[2])).unwrap();
        assert_eq!([current(&one, &old[0]), current(&two, &old[1])], [None; 2]);
    }

    #[test]
    fn a_ring_that_cannot_be_used_leaves_the_old_one() {
        let keyring = Keyring::new(&keys(&[1])).unwrap();
        assert!(keyring.exchange(&[]).is_err() && keyring.exchange(&[Secret::new([2; 31])]).is_err());
        let sealer = Sealer::new(Arc::new(keyring), "https://issuer", "client", "https://app.test");
        assert!(sealer.seal(Purpose::Pass, "pass", b"x", 3800, [7; 12]).is_some());
    }

    fn keys(bytes: &[u8]) -> Vec<Secret> {
        bytes.iter().map(|byte| Secret::new([*byte; 32])).collect()
    }
}
