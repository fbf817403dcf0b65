use rustls::pki_types::pem::PemObject;

use super::*;

/// 2026-11-21.
const NOW: u64 = 1_795_219_200;

fn fixture(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/clients/");
    #[allow(clippy::disallowed_methods, reason = "a fixture")]
    std::fs::read(format!("{path}{name}")).unwrap()
}

fn chain(name: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(&fixture(name)).collect::<Result<_, _>>().unwrap()
}

fn clients(authorities: &[&str], lists: &[&str], required: bool) -> Clients {
    let join = |names: &[&str]| names.iter().flat_map(|name| fixture(name)).collect::<Vec<u8>>();
    let revoked = (!lists.is_empty()).then(|| Revoked::read(&join(lists)).unwrap());
    Clients::new(&Authorities::read(&join(authorities)).unwrap(), revoked.as_ref(), required).unwrap()
}

/// Whether the handshake takes it.
fn takes(clients: &Clients, name: &str) -> bool {
    let chain = chain(name);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    clients.verifier().verify_client_cert(&chain[0], &chain[1..], now).is_ok()
}

#[test]
fn a_certificate_counts_by_its_authority_its_time_its_purpose_and_its_names() {
    let clients = clients(&["ca.pem"], &[], false);
    for (name, taken) in [
        ("good.pem", true),
        ("revoked.pem", true),
        ("deep.pem", true),
        ("nameless.pem", true),
        // Without a list of purposes it is for any (RFC 5280 §4.2.1.12).
        ("anything.pem", true),
        ("expired.pem", false),
        ("future.pem", false),
        ("server.pem", false),
        ("stranger.pem", false),
        ("nul-subject.pem", false),
        ("nul-name.pem", false),
        // An authority is nobody's client.
        ("ca.pem", false),
        ("between.pem", false),
    ] {
        assert_eq!(takes(&clients, name), taken, "{name}");
    }
}

#[test]
fn a_list_refuses_what_it_names_what_it_knows_nothing_of_and_everything_once_it_is_old() {
    for (lists, good, revoked, deep) in [
        (&["revoked.crl"][..], true, false, false),
        (&["revoked.crl", "between.crl"], true, false, true),
        (&["nobody.crl", "between.crl"], true, true, true),
        (&["between.crl"], false, false, false),
        (&["old.crl", "between.crl"], false, false, false),
    ] {
        let clients = clients(&["ca.pem"], lists, true);
        let taken = ["good.pem", "revoked.pem", "deep.pem"].map(|name| takes(&clients, name));
        assert_eq!(taken, [good, revoked, deep], "{lists:?}");
    }
}

#[test]
fn what_a_connection_was_begun_with_is_held_against_what_counts_now() {
    let begun = clients(&["ca.pem"], &["nobody.crl"], false);
    let (good, rolf) = (begun.shown(&chain("good.pem")), begun.shown(&chain("revoked.pem")));
    let counts =
        |now: &Clients, at| [&good, &rolf].map(|shown| matches!(now.still(shown.as_ref(), at), Ok(Some(_))));
    assert_eq!(counts(&begun, NOW), [true, true]);
    assert_eq!(counts(&clients(&["ca.pem"], &["revoked.crl"], false), NOW), [true, false]);
    assert_eq!(counts(&clients(&["other-ca.pem"], &[], false), NOW), [false, false]);
    assert_eq!(counts(&clients(&["other-ca.pem", "ca.pem"], &[], false), NOW), [true, true]);
    // The certificates and the list end with this second.
    assert_eq!(counts(&begun, 4_733_510_400), [true, true]);
    assert_eq!(counts(&begun, 4_733_510_401), [false, false]);
    assert_eq!(counts(&begun, 1_577_836_799), [false, false]);
    let old = clients(&["ca.pem"], &["old.crl"], false);
    assert_eq!(counts(&old, 1_600_000_000), [true, false]);
    let rolf_before = old.shown(&chain("good.pem"));
    assert_eq!(old.still(rolf_before.as_ref(), NOW).map(|shown| shown.is_some()), Ok(false));
}

#[test]
fn a_certificate_counts_no_longer_than_the_authority_between_it_and_the_known_one() {
    // What issued Dora's ends with 2029, and hers in 2120.
    let begun = clients(&["brief-ca.pem"], &[], false);
    let dora = begun.shown(&chain("brief.pem"));
    let counts = |now: &Clients, at| matches!(now.still(dora.as_ref(), at), Ok(Some(_)));
    assert!(counts(&begun, NOW));
    assert!(counts(&begun, 1_893_455_999));
    assert!(!counts(&begun, 1_893_456_000));
    // What is shown beside and is on no way to it decides nothing.
    let more = begun.shown(&[chain("brief.pem"), chain("expired.pem")].concat());
    assert!(matches!(begun.still(more.as_ref(), NOW), Ok(Some(_))));
}

#[test]
fn where_one_is_required_none_is_refused() {
    let required = clients(&["ca.pem"], &[], true);
    assert_eq!(required.still(None, NOW).err(), Some(NoCertificate));
    let good = required.shown(&chain("good.pem"));
    assert_eq!(required.still(good.as_ref(), u64::MAX).err(), Some(NoCertificate));
    assert!(required.verifier().client_auth_mandatory());
    let optional = clients(&["ca.pem"], &[], false);
    assert_eq!(optional.still(None, NOW).map(|shown| shown.is_none()), Ok(true));
    assert!(!optional.verifier().client_auth_mandatory());
}

#[test]
fn files_that_say_nothing_are_told_from_those_that_do() {
    let authorities = |name: &str| Authorities::read(&fixture(name)).err();
    assert_eq!(Authorities::read(b"").err(), Some(BundleError::None));
    assert_eq!(authorities("client.key"), Some(BundleError::None));
    assert_eq!(authorities("revoked.crl"), Some(BundleError::None));
    assert_eq!(authorities("good.pem"), Some(BundleError::NoAuthority(1)));
    let both = [fixture("ca.pem"), fixture("good.pem")].concat();
    assert_eq!(Authorities::read(&both).err(), Some(BundleError::NoAuthority(2)));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(Authorities::read(broken).err(), Some(BundleError::Unreadable(1, _))));
    assert_eq!(Revoked::read(b"").err(), Some(BundleError::NoList));
    assert_eq!(Revoked::read(&fixture("ca.pem")).err(), Some(BundleError::NoList));
    let broken = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    assert!(matches!(Revoked::read(broken).err(), Some(BundleError::UnreadableList(1, _))));
    let (revoked, authorities) =
        (Revoked::read(&fixture("revoked.crl")).unwrap(), Authorities::read(&fixture("ca.pem")).unwrap());
    assert!(revoked.covers(&authorities.each()[0]));
    let other = Authorities::read(&fixture("other-ca.pem")).unwrap();
    assert!(!revoked.covers(&other.each()[0]));
}
