use super::*;

const NONCE: [u8; 12] = [7; 12];

/// A ring at one place.
struct At(Ring, Place);

impl At {
    fn seal(&self, purpose: Purpose, name: &str, plain: &[u8], part_len: usize) -> Option<String> {
        self.0.seal(&self.1, purpose, name, plain, part_len, NONCE)
    }

    fn open(&self, purpose: Purpose, name: &str, text: &str) -> Option<Opened> {
        self.0.open(&self.1, purpose, name, text)
    }
}

fn at(keys: &[u8], issuer: &str, client: &str, origin: &str) -> At {
    let keys: Vec<_> = keys.iter().map(|byte| Secret::new(vec![*byte; 32])).collect();
    At(Ring::new(&keys).unwrap(), Place::new(issuer, client, origin))
}

fn here(keys: &[u8]) -> At {
    at(keys, "https://issuer", "client", "https://app.test")
}

fn sealed() -> String {
    here(&[1]).seal(Purpose::Pass, "pass", b"who came in", 3800).unwrap()
}

#[test]
fn what_is_sealed_opens() {
    let opened = here(&[1]).open(Purpose::Pass, "pass", &sealed()).unwrap();
    assert_eq!(opened.plain, b"who came in");
}

#[test]
fn nothing_opens_outside_the_frame_it_was_sealed_in() {
    let text = sealed();
    assert!(here(&[1]).open(Purpose::Ticket, "pass", &text).is_none());
    assert!(here(&[1]).open(Purpose::Pass, "other", &text).is_none());
    assert!(here(&[2]).open(Purpose::Pass, "pass", &text).is_none());
    let elsewhere = [
        at(&[1], "https://issuer2", "client", "https://app.test"),
        at(&[1], "https://issuer", "client2", "https://app.test"),
        at(&[1], "https://issuer", "client", "https://app2.test"),
        // The same bytes, cut elsewhere.
        at(&[1], "https://issuerc", "lient", "https://app.test"),
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
    let old = here(&[1]).seal(Purpose::Pass, "pass", b"x", 3800).unwrap();
    let rolled = here(&[2, 1]);
    assert!(!rolled.open(Purpose::Pass, "pass", &old).unwrap().current, "to be sealed anew");
    let new = rolled.seal(Purpose::Pass, "pass", b"x", 3800).unwrap();
    assert!(rolled.open(Purpose::Pass, "pass", &new).unwrap().current);
    assert!(here(&[2]).open(Purpose::Pass, "pass", &new).unwrap().current);
    assert!(here(&[2]).open(Purpose::Pass, "pass", &old).is_none());
    assert!(rolled.0.is_old(&old) && !rolled.0.is_old(&new));
    assert!(!here(&[2]).0.is_old(&old) && !here(&[1]).0.is_old(&old) && !rolled.0.is_old(&old[..7]));
}

#[test]
fn the_number_of_parts_is_sealed_and_bounded() {
    let long = here(&[1]).seal(Purpose::Pass, "pass", &[b'x'; 6000], 3800).unwrap();
    assert_eq!(parts_of(&long), Some(3));
    assert!(here(&[1]).seal(Purpose::Pass, "pass", &[b'x'; 30_000], 3800).is_none());
}
