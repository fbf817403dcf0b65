use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/tls/", $name)).as_slice()
    };
}

const APP: &[u8] = fixture!("app.pem");
const APP_KEY: &[u8] = fixture!("app.key");
const API: &[u8] = fixture!("api.pem");

fn read(chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
    Certificate::read(chain, key).map(drop)
}

#[test]
fn a_key_may_be_of_any_of_the_three_forms() {
    assert!(fixture!("good.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    assert_eq!(read(fixture!("good.pem"), fixture!("good.key")), Ok(()));
    assert!(APP_KEY.starts_with(b"-----BEGIN EC PRIVATE KEY-----"));
    assert_eq!(read(APP, APP_KEY), Ok(()));
    assert!(fixture!("api.key").starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    assert_eq!(read(API, fixture!("api.key")), Ok(()));
    let in_one_file = [APP_KEY, APP].concat();
    assert_eq!(read(&in_one_file, &in_one_file), Ok(()));
}

#[test]
fn what_does_not_belong_together_is_no_certificate() {
    use CertificateError::*;
    let chain = [APP, fixture!("front-ca.pem")].concat();
    assert_eq!(read(&chain, APP_KEY), Ok(()));
    let swapped = [fixture!("front-ca.pem"), APP].concat();
    assert_eq!(read(&swapped, APP_KEY), Err(Order(2)));
    assert_eq!(read(API, APP_KEY), Err(OtherKey));
    assert_eq!(read(APP_KEY, APP_KEY), Err(NoCertificate));
    assert_eq!(read(b"", APP_KEY), Err(NoCertificate));
    assert_eq!(read(APP, APP), Err(NoKey));
    assert_eq!(read(APP, fixture!("encrypted.key")), Err(EncryptedKey));
    let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(read(APP, old), Err(EncryptedKey));
    let damaged = b"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(read(damaged, APP_KEY), Err(Unreadable(_))));
    let damaged = b"-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(read(APP, damaged), Err(UnusableKey(_))));
}

#[test]
fn it_says_from_when_until_when_it_counts() {
    // The later year stands in another form (RFC 5280 §4.1.2.5).
    let app = Certificate::read(APP, APP_KEY).unwrap();
    assert_eq!(app.validity(), ("2020-01-01T00:00:00Z".into(), "2120-01-01T00:00:00Z".into()));
    assert_eq!((app.counts_from(), app.counts_until()), (1_577_836_800, 4_733_510_400));
    let expired = Certificate::read(fixture!("expired.pem"), fixture!("expired.key")).unwrap();
    assert_eq!(expired.counts_until(), 1_580_515_200);
}

#[test]
fn a_cut_certificate_has_no_validity_and_ends_nothing() {
    let whole = CertificateDer::from_pem_slice(APP).unwrap();
    for length in 0..whole.len() {
        assert!(validity(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn alternative_names_cover_hosts_and_the_common_name_does_not() {
    let app = Certificate::read(APP, APP_KEY).unwrap();
    for host in ["app.test", "APP.test", "a.apps.test", "127.0.0.1"] {
        assert!(app.covers(host), "{host}");
    }
    for host in ["app", "apps.test", "a.b.apps.test", "api.test", "127.0.0.2", "::1", "", "a b"] {
        assert!(!app.covers(host), "{host}");
    }
}

#[test]
fn no_key_shows() {
    let shown = format!("{:?}", Certificate::read(APP, APP_KEY).unwrap());
    assert_eq!(shown, "Certificate(2020-01-01T00:00:00Z to 2120-01-01T00:00:00Z)");
}
