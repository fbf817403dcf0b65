//! Sealing what a browser keeps for us: one AEAD, one key ring, one frame. ★
//!
//! Sealed text is base64url without padding of `version ‖ parts ‖ key id ‖ nonce ‖ ciphertext ‖ tag`.
//! AES-256-GCM-SIV (RFC 8452) under an HKDF subkey (RFC 5869) a purpose, so that a nonce met twice costs
//! nothing but the knowledge that two plaintexts were equal. The associated data binds the text to where it
//! belongs; every part is length-prefixed, so that no two frames share an encoding.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::secret::Secret;

/// What a sealed text is for. Each has a key of its own: a login attempt can never pass as a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The pass: who came in.
    Pass,
    /// The refresh ticket.
    Ticket,
    /// The tokens that an upstream is handed.
    Token,
    /// A login attempt between start and callback.
    Attempt,
    /// Where to go after signing out.
    Return,
    /// What is called off, in a store's log.
    Revocation,
    /// What a store's index notes of a session.
    Index,
}

/// The key ring: the first key seals, every key opens.
pub struct Ring {
    keys: Vec<Key>,
    number: u64,
}

/// Where a sealed text belongs: one public origin of one client at one issuer.
pub struct Place {
    issuer: String,
    client_id: String,
    origin: String,
}

/// What was in a sealed text.
pub struct Opened {
    /// The bytes that were sealed.
    pub plain: Vec<u8>,
    /// Whether the key that opened it is the one that seals now; otherwise it is to be sealed anew.
    pub current: bool,
}

/// A key could not be used. Only a key of a wrong length can cause it.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a session key is not 32 bytes long")]
pub struct BadKey;

struct Key {
    id: [u8; KEY_ID_LEN],
    purposes: [LessSafeKey; 7],
    pseudonym: hmac::Key,
}

// === impl Ring ===

impl Ring {
    /// Derives a subkey a purpose from each 32-byte key.
    pub fn new(keys: &[Secret]) -> Result<Self, BadKey> {
        let keys = keys.iter().map(|key| Key::derive(key.expose())).collect::<Result<Vec<_>, _>>()?;
        static RINGS: AtomicU64 = AtomicU64::new(0);
        let number = RINGS.fetch_add(1, Ordering::Relaxed);
        if keys.is_empty() { Err(BadKey) } else { Ok(Self { keys, number }) }
    }

    /// No other ring of this process has it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Seals `plain` for the cookie `name`. `part_len` is how much text one cookie holds; the number of parts
    /// that follows from it is part of the seal. `None` if it would take more than [`MAX_PARTS`].
    pub fn seal(
        &self,
        place: &Place,
        purpose: Purpose,
        name: &str,
        plain: &[u8],
        part_len: usize,
        nonce: [u8; NONCE_LEN],
    ) -> Option<String> {
        let key = self.keys.first()?;
        let text_len = ((HEAD_LEN + plain.len() + TAG_LEN) * 4).div_ceil(3);
        let parts = u8::try_from(text_len.div_ceil(part_len)).ok().filter(|parts| *parts <= MAX_PARTS)?;

        let mut sealed = plain.to_vec();
        let aad = place.frame(key, purpose, name, parts);
        let nonce_of = Nonce::assume_unique_for_key(nonce);
        key.of(purpose).seal_in_place_append_tag(nonce_of, Aad::from(aad), &mut sealed).ok()?;

        let mut bytes = Vec::with_capacity(HEAD_LEN + sealed.len());
        bytes.extend([VERSION, parts]);
        bytes.extend(key.id);
        bytes.extend(nonce);
        bytes.extend(sealed);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What somebody goes by in a store, under each key, the sealing one first: an HMAC of issuer and `sub`.
    pub fn pseudonyms(&self, place: &Place, sub: &str) -> Vec<String> {
        let pseudonym = |key: &Key| {
            let mut hash = hmac::Context::with_key(&key.pseudonym);
            for part in [&place.issuer, sub] {
                hash.update(&(part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
            URL_SAFE_NO_PAD.encode(&hash.sign().as_ref()[..16])
        };
        self.keys.iter().map(pseudonym).collect()
    }

    /// Opens what [`Ring::seal`] made for the same purpose, cookie and place, by any of its keys. Anything else is
    /// `None`, whatever the reason: the answer must not tell them apart.
    pub fn open(&self, place: &Place, purpose: Purpose, name: &str, text: &str) -> Option<Opened> {
        if text.len() > MAX_TEXT {
            return None;
        }
        // Strict: no padding, no other alphabet, no stray trailing bits.
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, sealed) = bytes.split_at_mut_checked(HEAD_LEN)?;
        let (&mut [version, parts], rest) = head.split_first_chunk_mut::<2>()?;
        if version != VERSION {
            return None;
        }
        let (id, nonce) = rest.split_at(KEY_ID_LEN);
        let at = self.keys.iter().position(|key| key.id == id)?;
        let key = self.keys.get(at)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = place.frame(key, purpose, name, parts);
        let len = key.of(purpose).open_in_place(nonce, Aad::from(aad), sealed).ok()?.len();
        bytes.truncate(HEAD_LEN + len);
        bytes.drain(..HEAD_LEN);
        Some(Opened { plain: bytes, current: at == 0 })
    }

    /// Whether there are keys that open and do not seal.
    pub fn has_old_keys(&self) -> bool {
        self.keys.len() > 1
    }

    /// Whether the text that begins so says that a key of this ring sealed it which is not the first. Costs next to
    /// nothing, and is only what it says: whether that is so, opening it shows.
    pub fn is_old(&self, beginning: &str) -> bool {
        let [_, old @ ..] = self.keys.as_slice() else { return false };
        let mut head = [0; 2 + KEY_ID_LEN];
        // Eight characters are exactly the six bytes of version, parts and key id.
        let decoded = beginning.get(..8).map(|text| URL_SAFE_NO_PAD.decode_slice(text, &mut head));
        decoded == Some(Ok(head.len())) && head[0] == VERSION && old.iter().any(|key| key.id == head[2..])
    }
}

// === impl Place ===

impl Place {
    /// That origin (as browsers write it) of that client at that issuer.
    pub fn new(issuer: &str, client_id: &str, origin: &str) -> Self {
        Self { issuer: issuer.into(), client_id: client_id.into(), origin: origin.into() }
    }

    /// The associated data of a text that belongs here.
    fn frame(&self, key: &Key, purpose: Purpose, name: &str, parts: u8) -> Vec<u8> {
        let mut aad = Vec::with_capacity(192);
        for part in [
            &[VERSION][..],
            &key.id,
            purpose.label().as_bytes(),
            name.as_bytes(),
            self.issuer.as_bytes(),
            self.client_id.as_bytes(),
            self.origin.as_bytes(),
            &[parts],
        ] {
            aad.extend((part.len() as u64).to_be_bytes());
            aad.extend(part);
        }
        aad
    }
}

/// How many parts the sealed text that begins with `first` says it has; `None` if it is no sealed text.
pub fn parts_of(first: &str) -> Option<u8> {
    let head = URL_SAFE_NO_PAD.decode(first.get(..4)?).ok()?;
    (head[0] == VERSION && (1..=MAX_PARTS).contains(&head[1])).then_some(head[1])
}

// === impl Key ===

impl Key {
    fn derive(key: &[u8]) -> Result<Self, BadKey> {
        if key.len() != 32 {
            return Err(BadKey);
        }
        let extracted = Salt::new(HKDF_SHA256, b"rolegate session keys v1").extract(key);
        let subkey = |purpose: Purpose| {
            let info = [purpose.label().as_bytes()];
            let okm = extracted.expand(&info, &AES_256_GCM_SIV).map_err(|_| BadKey)?;
            Ok::<_, BadKey>(LessSafeKey::new(UnboundKey::from(okm)))
        };
        let hash = digest(&SHA256, &[b"rolegate key id v1".as_slice(), key].concat());
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&hash.as_ref()[..KEY_ID_LEN]);
        let purposes = [
            subkey(Purpose::Pass)?,
            subkey(Purpose::Ticket)?,
            subkey(Purpose::Token)?,
            subkey(Purpose::Attempt)?,
            subkey(Purpose::Return)?,
            subkey(Purpose::Revocation)?,
            subkey(Purpose::Index)?,
        ];
        let info = [b"pseudonym".as_slice()];
        let okm = extracted.expand(&info, hmac::HMAC_SHA256).map_err(|_| BadKey)?;
        Ok(Self { id, purposes, pseudonym: okm.into() })
    }

    fn of(&self, purpose: Purpose) -> &LessSafeKey {
        &self.purposes[purpose as usize]
    }
}

// === impl Purpose ===

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Ticket => "ticket",
            Self::Token => "token",
            Self::Attempt => "attempt",
            Self::Return => "return",
            Self::Revocation => "revocation",
            Self::Index => "index",
        }
    }
}

/// Bytes of a nonce.
pub const NONCE_LEN: usize = aws_lc_rs::aead::NONCE_LEN;
/// No cookie value of ours is split into more parts than this.
pub const MAX_PARTS: u8 = 5;
const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const TAG_LEN: usize = 16;
const HEAD_LEN: usize = 2 + KEY_ID_LEN + NONCE_LEN;
/// Longer text is refused before any work is done on it.
const MAX_TEXT: usize = MAX_PARTS as usize * 4096;

#[cfg(test)]
mod tests;
