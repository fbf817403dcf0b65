//! A session as a store keeps it: sealed under a key that only the browser's cookie carries. ★
//!
//! Threat: whoever reads the store. They see how many sessions there are, when they were written and when they end;
//! who copies a value to another's place, or back, has something that opens nowhere, or an old generation that the pool
//! has the last word on.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Session;
use super::tokens::TokenBox;
use crate::config::secret::Secret;

/// What only the cookie carries: it names a kept session and opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Handle(Secret);

/// A session in the store. Who may see it, and which client it belongs to, is in its seal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Which generation this is: one more with each refresh. The store takes no lower one.
    #[serde(rename = "n")]
    pub number: u64,
    /// Who this is.
    #[serde(rename = "s")]
    pub session: Session,
    /// What its next refresh goes with.
    #[serde(rename = "r")]
    pub refresh_token: String,
    /// The tokens that are handed on, where any is.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenBox>,
}

// === impl Handle ===

impl Handle {
    /// A handle of 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The handle that follows from a refresh token which was in a cookie until now: every gate that gets the cookie
    /// comes to the same one.
    pub fn of_token(token: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        expand(token.as_bytes(), "handle", &mut *bytes).then(|| Self(Secret::new(*bytes)))
    }

    /// What the store knows the session by: letters, digits, `-` and `_`. It opens nothing.
    pub fn name(&self) -> String {
        let mut name = [0; 16];
        let _ = expand(self.bytes(), "name", &mut name);
        URL_SAFE_NO_PAD.encode(name)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }

    fn key(&self) -> Option<LessSafeKey> {
        let mut key = Zeroizing::new([0; 32]);
        if !expand(self.bytes(), "value", &mut *key) {
            return None;
        }
        UnboundKey::new(&AES_256_GCM_SIV, &*key).ok().map(LessSafeKey::new)
    }

    /// What belongs to this value alone: a value of another session, client or pool opens nowhere else.
    fn frame(&self, issuer: &str, client_id: &str) -> Vec<u8> {
        let name = self.name();
        let mut frame = vec![];
        for part in [&[VERSION][..], name.as_bytes(), issuer.as_bytes(), client_id.as_bytes()] {
            frame.extend((part.len() as u64).to_be_bytes());
            frame.extend(part);
        }
        frame
    }
}

impl TryFrom<String> for Handle {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "no handle")?;
        Ok(Self::new(bytes.try_into().map_err(|_| "a handle is 32 bytes")?))
    }
}

impl From<Handle> for String {
    fn from(handle: Handle) -> Self {
        URL_SAFE_NO_PAD.encode(handle.bytes())
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", self.name())
    }
}

// === impl Kept ===

impl Kept {
    /// The value for the store. `None` only where it cannot be written down.
    pub fn seal(
        &self,
        handle: &Handle,
        (issuer, client_id): (&str, &str),
        nonce: [u8; NONCE_LEN],
    ) -> Option<Vec<u8>> {
        let mut sealed = Zeroizing::new(serde_json::to_vec(self).ok()?);
        // How many roles somebody has should not show in a length. Blanks behind a JSON text mean nothing.
        let length = sealed.len().next_multiple_of(PADDED_TO);
        sealed.resize(length, b' ');
        let mut bytes = vec![VERSION];
        bytes.extend(nonce);
        let aad = Aad::from(handle.frame(issuer, client_id));
        let tag = handle
            .key()?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        bytes.extend(&*sealed);
        bytes.extend(tag.as_ref());
        Some(bytes)
    }

    /// Opens what [`Kept::seal`] made for the same handle, issuer and client; anything else is `None`.
    pub fn open(handle: &Handle, (issuer, client_id): (&str, &str), value: &[u8]) -> Option<Self> {
        let (&[version], rest) = value.split_first_chunk::<1>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if version != VERSION {
            return None;
        }
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(handle.frame(issuer, client_id));
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = handle.key()?.open_in_place(nonce, aad, &mut sealed).ok()?;
        serde_json::from_slice(plain).ok()
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("number", &self.number)
            .field("session", &self.session.id)
            .finish_non_exhaustive()
    }
}

/// HKDF-SHA-256 (RFC 5869). It fails only beyond 255 hashes of length, and nothing here is.
fn expand(secret: &[u8], label: &str, into: &mut [u8]) -> bool {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let extracted: Prk = Salt::new(HKDF_SHA256, b"rolegate kept session v1").extract(secret);
    let info = [label.as_bytes()];
    extracted.expand(&info, Length(into.len())).and_then(|okm| okm.fill(into)).is_ok()
}

const VERSION: u8 = 1;
const PADDED_TO: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: (&str, &str) = ("https://issuer", "client");

    #[test]
    fn a_value_opens_with_its_own_handle_where_it_was_sealed_and_nowhere_else() {
        let handle = Handle::new([1; 32]);
        let value = kept("viewer").seal(&handle, HERE, [9; 12]).unwrap();
        assert_eq!(Kept::open(&handle, HERE, &value), Some(kept("viewer")));
        assert_eq!(Kept::open(&Handle::new([2; 32]), HERE, &value), None);
        assert_eq!(Kept::open(&handle, ("https://issuer", "clien"), &value), None);
        assert_eq!(Kept::open(&handle, ("https://other", "client"), &value), None);
        for at in 0..value.len() {
            let mut other = value.clone();
            other[at] ^= 1;
            assert_eq!(Kept::open(&handle, HERE, &other), None, "byte {at}");
            assert_eq!(Kept::open(&handle, HERE, &value[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_reader_learns_neither_who_it_is_nor_how_many_roles_they_have() {
        let handle = Handle::new([1; 32]);
        let seal = |role: &str| kept(role).seal(&handle, HERE, [9; 12]).unwrap();
        assert_eq!(seal("viewer").len(), seal("a much longer role than that other one").len());
        assert!(!seal("viewer").windows(6).any(|bytes| bytes == b"viewer"));
    }

    #[test]
    fn a_name_opens_nothing_and_is_the_same_for_every_gate() {
        let handle = Handle::of_token("token").unwrap();
        assert_eq!(Some(&handle), Handle::of_token("token").as_ref());
        assert_ne!(Some(&handle), Handle::of_token("other").as_ref());
        assert_eq!(handle.name().len(), 22);
        assert!(!String::from(handle.clone()).contains(&handle.name()));
        assert!(!format!("{handle:?}").contains(&String::from(handle.clone())), "no log shows a key");
    }

    fn kept(role: &str) -> Kept {
        let session = Session { roles: vec![role.into()], ..Session::sample() };
        Kept { number: 1, session, refresh_token: "refresh".into(), tokens: None }
    }
}
