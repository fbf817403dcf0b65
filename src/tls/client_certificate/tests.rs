use proptest::prelude::*;
use rustls::pki_types::pem::PemObject;

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/clients/");
    #[allow(clippy::disallowed_methods, reason = "a fixture")]
    let pem = std::fs::read(format!("{path}{name}.pem")).unwrap();
    CertificateDer::from_pem_slice(&pem).unwrap().to_vec()
}

#[test]
fn a_subject_is_written_as_rfc_4514_has_it() {
    let names = Names::read(&fixture("good")).unwrap();
    assert_eq!(names.subject, "CN=Erika Müller,O=Example\\, Inc.,C=DE");
    assert_eq!((names.from, names.until), (1_577_836_800, 4_733_510_400));
    assert_eq!(Names::read(&fixture("nameless")).unwrap().subject, "");
}

#[test]
fn a_name_that_ends_early_for_some_readers_is_no_name() {
    assert_eq!(Names::read(&fixture("nul-subject")), Err(Unfit::Control));
    assert_eq!(Names::read(&fixture("nul-name")), Err(Unfit::Control));
    assert_eq!(Names::read(&vec![0x30; LARGEST + 1]), Err(Unfit::TooLarge));
    for text in [&b"a\0b"[..], b"a\nb", b"\x1f", b"\x7f"] {
        for tag in [Tag::Utf8String, Tag::PrintableString, Tag::Ia5String, Tag::TeletexString] {
            assert_eq!(plain_value(&Any::new(tag, text).unwrap()), Err(Unfit::Control), "{tag:?}");
        }
    }
    let wide = |text: &[u8]| plain_value(&Any::new(Tag::BmpString, text).unwrap());
    assert_eq!(wide(b"\0a\x01\0"), Ok(()));
    assert_eq!(wide(b"\0a\0\0"), Err(Unfit::Control));
}

proptest! {
    /// Whatever a client shows: it is read or refused, and what was read has no control character.
    #[test]
    fn no_mutation_of_a_certificate_ends_in_a_panic_or_a_name_with_controls(
        which in prop::sample::select(vec!["good", "nameless", "nul-name", "nul-subject", "deep"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = fixture(which);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(names) = Names::read(&bytes) {
            prop_assert!(!names.subject.bytes().any(|byte| byte.is_ascii_control()), "{:?}", names.subject);
        }
    }
}
