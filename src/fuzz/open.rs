//! The seal: only what was sealed, where it was sealed, for what it was sealed.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::config::secret::Secret;
use crate::login::attempt::Attempt;
use crate::session::cookie::{Jar, Names, PART_LEN};
use crate::session::keyring::{Keyring, Sealer};
use crate::session::pass;
use crate::session::seal::Purpose;

const PURPOSES: [Purpose; 5] =
    [Purpose::Pass, Purpose::Ticket, Purpose::Token, Purpose::Attempt, Purpose::Return];
const NAME: &str = "__Host-rolegate";
const NONCE: [u8; 12] = [7; 12];

static SEALER: LazyLock<Sealer> = LazyLock::new(|| sealer("https://app.test"));
static ELSEWHERE: LazyLock<Sealer> = LazyLock::new(|| sealer("https://two.test"));

/// Whatever the cookie's value: only what was sealed for this purpose opens, and it opens whole.
pub fn open(data: &[u8]) {
    nothing_opens(&String::from_utf8_lossy(data));
    nothing_opens(&URL_SAFE_NO_PAD.encode(data));
    if let Some(genuine) = SEALER.seal(Purpose::Pass, NAME, b"{}", PART_LEN, NONCE) {
        // A true head before it.
        nothing_opens(&format!("{}{}", &genuine[..24], URL_SAFE_NO_PAD.encode(data)));
    }
    what_is_sealed_opens_once(data);
    what_is_read_as_a_pass_is_one(data);
}

fn nothing_opens(text: &str) {
    for purpose in PURPOSES {
        assert!(SEALER.open(purpose, NAME, text).is_none(), "{text:?} opens as {purpose:?}");
    }
    assert!(Attempt::open(&SEALER, "__Host-rolegate-login-x", text, 0).is_none());
}

fn what_is_sealed_opens_once(plain: &[u8]) {
    let purpose = PURPOSES[plain.len() % PURPOSES.len()];
    let Some(text) = SEALER.seal(purpose, NAME, plain, PART_LEN, NONCE) else {
        assert!(plain.len() > PART_LEN * 3, "{} bytes did not fit", plain.len());
        return;
    };
    assert_eq!(SEALER.open(purpose, NAME, &text).map(|opened| opened.plain).as_deref(), Some(plain));
    for other in PURPOSES.into_iter().filter(|other| *other != purpose) {
        assert!(SEALER.open(other, NAME, &text).is_none(), "{purpose:?} opens as {other:?}");
    }
    assert!(SEALER.open(purpose, "__Host-rolegate-refresh", &text).is_none(), "opens under another name");
    assert!(ELSEWHERE.open(purpose, NAME, &text).is_none(), "opens at another origin");

    let at = plain.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let mut changed = text.clone().into_bytes();
    let at = at % changed.len();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(SEALER.open(purpose, NAME, &changed).is_none(), "opens with byte {at} changed");
    assert!(SEALER.open(purpose, NAME, &text[..text.len() - 1]).is_none(), "opens when it is cut");
    through_a_browser(purpose, plain, &text);
}

/// Nobody but us can seal one; but were it anything, it would be read whole or not at all.
fn what_is_read_as_a_pass_is_one(plain: &[u8]) {
    if let Some(session) = pass::read(plain) {
        let written = pass::write(&session).expect("a session is written");
        assert_eq!(pass::read(&written), Some(session), "it is another once it was written");
    }
}

/// Written as cookies, brought back by a browser, put together again.
fn through_a_browser(purpose: Purpose, plain: &[u8], text: &str) {
    let names = Names::new("rolegate", true);
    let lines = names.keep(&Jar::default(), NAME, text, 60);
    let pairs: Vec<&str> =
        lines.iter().map(|line| line.to_str().unwrap().split(';').next().unwrap_or_default()).collect();
    assert!(pairs.iter().all(|pair| pair.len() < 4000), "a browser drops so large a cookie");
    let mut head = HeaderMap::new();
    // Browsers need not keep the order.
    let back = pairs.iter().rev().copied().collect::<Vec<_>>().join("; ");
    head.insert(COOKIE, HeaderValue::try_from(back).unwrap());
    let jar = Jar::read(&head, &names);
    let opened = jar.candidates(NAME).find_map(|text| SEALER.open(purpose, NAME, &text));
    assert_eq!(
        opened.map(|opened| opened.plain).as_deref(),
        Some(plain),
        "{} parts did not come together",
        pairs.len()
    );
}

fn sealer(origin: &str) -> Sealer {
    let key: Vec<u8> = (0..32).map(|at| at * 7 + 1).collect();
    let keyring = Keyring::new(&[Secret::new(key)]).expect("a key of 32 bytes");
    Sealer::new(Arc::new(keyring), "https://issuer.test", "client", origin)
}
