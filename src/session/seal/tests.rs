use std::sync::Arc;

use super::*;

const NONCE: [u8; 12] = [7; 12];

fn sealer(keys: &[u8], issuer: &str, client: &str, origin: &str) -> Sealer {
    let keys: Vec<_> = keys.iter().map(|byte| Secret::new(vec![*byte; 32])).collect();
    Sealer::new(Arc::new(Ring::new(&keys).unwrap()), issuer, client, origin)
}

fn here(keys: &[u8]) -> Sealer {
    sealer(keys, "https://issuer", "client", "https://app.test")
}

fn sealed() -> String {
    here(&[1]).seal(Purpose::Pass, "pass", b"who came in", 3800, NONCE).unwrap()
}

#[test]
fn what_is_sealed_opens() {
    assert_eq!(here(&[1]).open(Purpose::Pass, "pass", &sealed()).unwrap(), b"who came in");
}

#[test]
fn nothing_opens_outside_the_frame_it_was_sealed_in() {
    let text = sealed();
    assert!(here(&[1]).open(Purpose::Ticket, "pass", &text).is_none());
    assert!(here(&[1]).open(Purpose::Pass, "other", &text).is_none());
    assert!(here(&[2]).open(Purpose::Pass, "pass", &text).is_none());
    let elsewhere = [
        sealer(&[1], "https://issuer2", "client", "https://app.test"),
        sealer(&[1], "https://issuer", "client2", "https://app.test"),
        sealer(&[1], "https://issuer", "client", "https://app2.test"),
        // The same bytes, cut elsewhere.
        sealer(&[1], "https://issuerc", "lient", "https://app.test"),
    ];
    for other in elsewhere {
        assert!(other.open(Purpose::Pass, "pass", &text).is_none());
    }
}

#[test]
fn no_flipped_bit_anywhere_opens() {
    let bytes = URL_SAFE_NO_PAD.decode(sealed()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let text = URL_SAFE_NO_PAD.encode(changed);
            assert!(here(&[1]).open(Purpose::Pass, "pass", &text).is_none(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn only_the_canonical_encoding_opens() {
    let text = sealed();
    for changed in [
        format!("{text}="),
        format!("{text} "),
        format!(" {text}"),
        format!("{text}A"),
        text[..text.len() - 1].to_owned(),
        text.replace(['-', '_'], "+"),
        String::new(),
        "A".repeat(100_000),
    ] {
        if changed != text {
            assert!(here(&[1]).open(Purpose::Pass, "pass", &changed).is_none(), "{changed:.40}");
        }
    }
}

#[test]
fn the_first_key_seals_and_every_key_opens() {
    let old = here(&[1]).seal(Purpose::Pass, "pass", b"x", 3800, NONCE).unwrap();
    let rolled = here(&[2, 1]);
    assert!(rolled.open(Purpose::Pass, "pass", &old).is_some());
    let new = rolled.seal(Purpose::Pass, "pass", b"x", 3800, NONCE).unwrap();
    assert!(here(&[2]).open(Purpose::Pass, "pass", &new).is_some());
    assert!(here(&[2]).open(Purpose::Pass, "pass", &old).is_none());
}

#[test]
fn the_number_of_parts_is_sealed_and_bounded() {
    let long = here(&[1]).seal(Purpose::Pass, "pass", &[b'x'; 6000], 3800, NONCE).unwrap();
    assert_eq!(parts_of(&long), Some(3));
    assert!(here(&[1]).seal(Purpose::Pass, "pass", &[b'x'; 30_000], 3800, NONCE).is_none());
}
