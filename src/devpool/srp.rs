//! The pool's side of Secure Remote Password (RFC 5054, 3072 bits) in the dialect of Cognito's clients.
//!
//! What differs from the RFC: numbers are hashed as the shortest two's complement, the key comes out of HKDF with
//! the label "Caldera Derived Key", and the proof is an HMAC over names, block and time.
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow-methods.html>

use std::sync::LazyLock;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U3072};

use super::random;

/// Who signs in to what: hashed into verifier and proof.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    /// The pool's id after its `_`.
    pub(super) pool: &'a str,
    pub(super) user: &'a str,
}

/// The pool's half of a sign-in that has begun.
pub(super) struct Handshake {
    salt: [u8; 16],
    theirs: U3072,
    ours: U3072,
    secret: U256,
    verifier: Number,
}

/// What a client sends to prove that it knows the password.
pub(super) struct Proof<'a> {
    /// The block that the pool gave out, as it was given.
    pub(super) block: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) signature: &'a str,
}

type Number = FixedMontyForm<{ U3072::LIMBS }>;

// === impl Handshake ===

impl Handshake {
    /// Begins with the client's number; `None` if that is none, or zero modulo the group's prime, which would make
    /// the key known to everybody (RFC 5054 §2.5.4).
    pub(super) fn begin(
        identity: Identity<'_>,
        password: &str,
        salt: [u8; 16],
        theirs: &str,
    ) -> Option<Self> {
        Self::with_secret(identity, password, salt, theirs, U256::from_be_slice(&random::bytes::<32>()))
    }

    fn with_secret(
        identity: Identity<'_>,
        password: &str,
        salt: [u8; 16],
        theirs: &str,
        secret: U256,
    ) -> Option<Self> {
        let theirs = parse(theirs)?;
        if number(&theirs).retrieve() == U3072::ZERO {
            return None;
        }
        let inner = sha256(&[format!("{}{}:{password}", identity.pool, identity.user).as_bytes()]);
        let x = sha256(&[&signed(&salt), &inner]);
        let two = number(&U3072::from_u8(2));
        let verifier = two.pow(&U256::from_be_slice(&x));
        let ours = (MULTIPLIER.mul(&verifier).add(&two.pow(&secret))).retrieve();
        Some(Self { salt, theirs, ours, secret, verifier })
    }

    /// `SALT`, in hexadecimal.
    pub(super) fn salt(&self) -> String {
        hex(&signed(&self.salt))
    }

    /// `SRP_B`, in hexadecimal.
    pub(super) fn number(&self) -> String {
        hex(&bytes(&self.ours))
    }

    /// The proof is of someone who knows the password.
    pub(super) fn proves(&self, identity: Identity<'_>, proof: &Proof<'_>) -> bool {
        let (Ok(block), Ok(signature)) = (STANDARD.decode(proof.block), STANDARD.decode(proof.signature))
        else {
            return false;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key());
        let said = [identity.pool.as_bytes(), identity.user.as_bytes(), &block, proof.timestamp.as_bytes()];
        hmac::verify(&key, &said.concat(), &signature).is_ok()
    }

    fn key(&self) -> [u8; 16] {
        let u = sha256(&[&signed(&bytes(&self.theirs)), &signed(&bytes(&self.ours))]);
        let shared = number(&self.theirs)
            .mul(&self.verifier.pow(&U256::from_be_slice(&u)))
            .pow(&self.secret)
            .retrieve();
        // HKDF (RFC 5869) of one block.
        let salt = hmac::Key::new(hmac::HMAC_SHA256, &signed(&u));
        let extracted = hmac::sign(&salt, &signed(&bytes(&shared)));
        let expand = hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref());
        let mut key = [0; 16];
        key.copy_from_slice(&hmac::sign(&expand, b"Caldera Derived Key\x01").as_ref()[..16]);
        key
    }
}

fn number(integer: &U3072) -> Number {
    Number::new(integer, &GROUP)
}

fn parse(text: &str) -> Option<U3072> {
    let digits = text.trim_start_matches('0');
    let plausible = digits.len() <= PRIME.len() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plausible.then(|| U3072::from_be_hex(&format!("{digits:0>768}")))
}

fn bytes(integer: &U3072) -> Vec<u8> {
    integer.to_be_bytes().as_ref().to_vec()
}

/// The shortest two's complement of a number that is not negative, as Java's `BigInteger.toByteArray` gives it.
fn signed(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = &number[first..];
    let mut signed = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_none_or(|byte| *byte >= 0x80) {
        signed.push(0);
    }
    signed.extend_from_slice(digits);
    signed
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

static GROUP: LazyLock<FixedMontyParams<{ U3072::LIMBS }>> =
    LazyLock::new(|| FixedMontyParams::new_vartime(Odd::<U3072>::from_be_hex(PRIME)));

/// RFC 5054 §2.5.3's `k`.
static MULTIPLIER: LazyLock<Number> = LazyLock::new(|| {
    let k = sha256(&[&signed(&bytes(&U3072::from_be_hex(PRIME))), &[2]]);
    number(&U3072::from_be_slice(&[[0; 352].as_slice(), &k].concat()))
});

/// The 3072-bit prime of RFC 3526 §4; its generator is 2, as Cognito's clients have it.
const PRIME: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF";

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Identity<'static> = Identity { pool: "devpool1", user: "viewer" };

    /// A client by the RFC: `S = (B - k·g^x)^(a + u·x)`.
    fn prove(hello: &Handshake, a: &U256, password: &str) -> String {
        let inner = sha256(&[format!("{}{}:{password}", WHO.pool, WHO.user).as_bytes()]);
        let x = U256::from_be_slice(&sha256(&[&signed(&hello.salt), &inner]));
        let two = number(&U3072::from_u8(2));
        let u = sha256(&[&signed(&bytes(&hello.theirs)), &signed(&bytes(&hello.ours))]);
        let base = number(&hello.ours).sub(&MULTIPLIER.mul(&two.pow(&x)));
        let shared = base.pow(a).mul(&base.pow(&x).pow(&U256::from_be_slice(&u))).retrieve();
        let salt = hmac::Key::new(hmac::HMAC_SHA256, &signed(&u));
        let extracted = hmac::sign(&salt, &signed(&bytes(&shared)));
        let expand = hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref());
        let key = hmac::sign(&expand, b"Caldera Derived Key\x01").as_ref()[..16].to_vec();
        let said = [WHO.pool.as_bytes(), WHO.user.as_bytes(), b"block", b"now"].concat();
        STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &said))
    }

    fn hello(a: &U256) -> Handshake {
        let theirs = hex(&bytes(&number(&U3072::from_u8(2)).pow(a).retrieve()));
        Handshake::begin(WHO, "correct horse", [0x81; 16], &theirs).unwrap()
    }

    #[test]
    fn who_knows_the_password_proves_it_and_nobody_else() {
        let a = U256::from_be_slice(&[7; 32]);
        let begun = hello(&a);
        let block = STANDARD.encode("block");
        let proves =
            |signature: &str, timestamp| begun.proves(WHO, &Proof { block: &block, timestamp, signature });
        let right = prove(&begun, &a, "correct horse");
        assert!(proves(&right, "now"));
        assert!(!proves(&right, "later"));
        assert!(!proves(&prove(&begun, &a, "wrong horse"), "now"));
        assert!(!proves("not base64!", "now"));
        assert!(!proves("", "now"));
        let other = Identity { pool: "devpool1", user: "admin" };
        assert!(!begun.proves(other, &Proof { block: &block, timestamp: "now", signature: &right }));
    }

    #[test]
    fn a_number_that_would_make_the_key_known_is_refused() {
        let begins = |theirs: &str| Handshake::begin(WHO, "p", [1; 16], theirs).is_some();
        assert!(begins("2"));
        for theirs in ["", "0", "00", PRIME, "xyz", "-1", &format!("1{PRIME}"), "2\u{e9}"] {
            assert!(!begins(theirs), "{theirs}");
        }
    }

    #[test]
    fn numbers_are_hashed_as_the_shortest_twos_complement() {
        assert_eq!(signed(&[]), [0]);
        assert_eq!(signed(&[0, 0]), [0]);
        assert_eq!(signed(&[0, 0x14]), [0x14]);
        assert_eq!(signed(&[0, 0, 0xec]), [0, 0xec]);
    }
}
