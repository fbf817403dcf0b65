use std::path::{Path, PathBuf};

use super::super::{Contents, Surroundings};
use super::*;
use crate::config::places::Places;
use crate::config::problem::Problems;

const PEM: &[u8] = include_bytes!("../../../../tests/fixtures/tls/app.pem");
const KEY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/app.key");

fn many(texts: &[&str]) -> raw::Session {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    raw::Session { store: Some(OneOrMany::Many(texts)), ..raw::Session::default() }
}

fn one(text: &str) -> raw::Session {
    raw::Session { store: Some(OneOrMany::One(text.into())), ..raw::Session::default() }
}

/// What comes of it, and what is said.
fn judged(raw: &raw::Session) -> (Option<Store>, String) {
    let read = |path: &Path| {
        let bytes = match path.to_str() {
            Some("password") => b"from-a-file\n".to_vec(),
            Some("ca.pem" | "own.pem") => PEM.to_vec(),
            Some("own.key") => KEY.to_vec(),
            Some("empty") => Vec::new(),
            _ => return Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        };
        Ok(Contents { bytes, world_readable: false })
    };
    let list = |_: &Path| Ok(vec![]);
    let around = Surroundings { read: &read, list: &list, folder: PathBuf::new(), cores: 1, now: 0 };
    let places = Places::new(None);
    let mut cx = Context { places: &places, problems: Problems::default(), around: &around };
    let store = store(raw, &mut cx);
    let store = store.filter(|_| !cx.problems.has_errors());
    (store, cx.problems.to_string())
}

fn taken(raw: &raw::Session) -> Store {
    let (store, said) = judged(raw);
    assert_eq!(said, "");
    store.unwrap()
}

fn refused(raw: &raw::Session) -> String {
    let (store, said) = judged(raw);
    assert!(store.is_none(), "taken: {said}");
    said
}

fn text(secret: &Secret) -> &str {
    secret.expose_text().unwrap()
}

#[test]
fn without_a_store_there_is_none() {
    assert!(judged(&raw::Session::default()).0.is_none());
    assert_eq!(judged(&raw::Session::default()).1, "");
}

#[test]
fn one_address_is_a_single_server_with_every_default() {
    let store = taken(&one("redis://localhost"));
    assert_eq!(store.addresses, [StoreAddress { host: "localhost".into(), port: 6379 }]);
    assert!(matches!(store.kind, StoreKind::Single));
    assert!(store.login.is_none() && store.tls.is_none());
    assert_eq!((store.database, store.prefix.as_str()), (0, "rolegate:"));
    assert_eq!((store.timeout, store.outage), (Duration::from_secs(1), StoreOutage::Refuse));
}

#[test]
fn an_address_is_taken_apart() {
    let store = taken(&one("rediss://Store.Example.com:7000/3"));
    assert_eq!(store.addresses[0].to_string(), "store.example.com:7000");
    assert!(store.tls.is_some());
    assert_eq!(store.database, 3);
    assert_eq!(taken(&one("redis://[::1]:1")).addresses[0].to_string(), "[::1]:1");
    assert_eq!(taken(&one("redis://127.0.0.1/")).addresses[0].to_string(), "127.0.0.1:6379");
}

#[test]
fn a_password_in_an_address_counts_and_is_never_shown() {
    let (store, said) = judged(&one("rediss://gate:p%40ss%2Fw%C3%B6rd@store.example.com"));
    let login = store.unwrap().login.unwrap();
    assert_eq!((login.user.as_deref(), text(&login.password)), (Some("gate"), "p@ss/wörd"));
    assert!(said.contains("holds a password") && said.contains("store_password_file"), "{said}");
    for bad in [
        "rediss://gate:hunter2@store.example.com?x",
        "rediss://gate:hunter2@store.example.com/x",
        "rediss://gate:hunter2@store.example.com:99999",
        "rediss://gate:hunter2@",
        "redis://gate:hunter2@store.example.com",
        "http://gate:hunter2@store.example.com",
        "hunter2",
        "rediss://gate:hunter2%4@store.example.com",
    ] {
        let (_, said) = judged(&one(bad));
        assert!(!said.is_empty() && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for (bad, why) in [
        ("", "not an address"),
        ("store:6379", "neither redis"),
        ("store", "not an address"),
        ("http://store", "neither redis"),
        ("valkey://store", "spelt redis://"),
        ("redis://", "no host"),
        ("redis:///1", "no host"),
        ("redis://store:0", "port 0"),
        ("redis://store/one", "not a database's number"),
        ("redis://store/01", "not a database's number"),
        ("redis://store/+1", "not a database's number"),
        ("redis://store/70000", "not a database's number"),
        ("redis://store/1/2", "not a database's number"),
        ("rediss://store#insecure", "query or fragment"),
        ("redis://store?db=1", "query or fragment"),
        ("redis://%61", "a host that is none"),
    ] {
        let said = refused(&one(bad));
        assert!(said.contains(why), "{bad}: {said}");
    }
    assert!(refused(&many(&[])).contains("the list is empty"));
}

#[test]
fn cleartext_to_another_machine_is_told() {
    let (store, said) = judged(&one("redis://10.0.0.7"));
    assert!(
        store.is_some() && said.contains("warning: session.store: 10.0.0.7:6379 is spoken to in cleartext"),
        "{said}"
    );
    assert!(judged(&one("rediss://10.0.0.7")).1.is_empty());
}

#[test]
fn several_addresses_need_a_mode_and_must_be_alike() {
    let both = ["redis://localhost:1", "redis://localhost:2"];
    assert!(refused(&many(&both)).contains("store_mode"));
    let cluster = |texts: &[&str]| raw::Session { store_mode: Some(StoreMode::Cluster), ..many(texts) };
    assert!(matches!(taken(&cluster(&both)).kind, StoreKind::Cluster));
    assert!(refused(&cluster(&["redis://localhost:1", "rediss://localhost:2"])).contains("in one list"));
    assert!(refused(&cluster(&["redis://localhost:1", "redis://localhost:2/1"])).contains("than the first"));
    let said = refused(&cluster(&["redis://:hunter2@localhost:1", "redis://:hunter3@localhost:2"]));
    assert!(said.contains("session.store[2]: another user") && !said.contains("hunter"), "{said}");
    assert!(refused(&cluster(&["redis://localhost/1"])).contains("database 0 alone"));
}

#[test]
fn sentinels_need_the_masters_name() {
    let sentinels = raw::Session {
        store_mode: Some(StoreMode::Sentinel),
        store_service: Some("main".into()),
        store_sentinel_password_file: Some("password".into()),
        ..many(&["redis://localhost", "redis://localhost:2/4"])
    };
    assert!(refused(&sentinels).contains("another user, password or database"));
    let sentinels = raw::Session { store: Some(OneOrMany::One("redis://localhost/4".into())), ..sentinels };
    let store = taken(&sentinels);
    assert_eq!((store.addresses[0].port, store.database), (26379, 4));
    let StoreKind::Sentinel { service, password } = store.kind else { panic!("sentinels") };
    assert_eq!((service.as_str(), text(&password.unwrap())), ("main", "from-a-file"));

    let nameless = raw::Session { store_service: None, ..sentinels };
    assert!(refused(&nameless).contains("session.store_service: missing"));
    let empty = raw::Session { store_service: Some(" ".into()), ..nameless };
    assert!(refused(&empty).contains("session.store_service: empty"));
    let single = raw::Session { store_mode: None, store_service: Some("main".into()), ..empty };
    let said = refused(&single);
    assert!(said.contains("store_service: has a meaning with sentinels only"), "{said}");
    assert!(said.contains("store_sentinel_password_file: has a meaning with sentinels only"), "{said}");
}

#[test]
fn a_login_is_said_once() {
    let base = || one("redis://localhost");
    let from_file = raw::Session {
        store_user: Some("gate".into()),
        store_password_file: Some("password".into()),
        ..base()
    };
    let login = taken(&from_file).login.unwrap();
    assert_eq!((login.user.as_deref(), text(&login.password)), (Some("gate"), "from-a-file"));
    let here = raw::Session { store_password: Some("here".into()), ..base() };
    assert_eq!(text(&taken(&here).login.unwrap().password), "here");

    let twice = raw::Session { store_password: Some("here".into()), ..from_file };
    assert!(refused(&twice).contains("both session.store_password and session.store_password_file"));
    let beside = raw::Session { store_password: Some("here".into()), ..one("redis://:there@localhost") };
    assert!(refused(&beside).contains("the address in store holds a password too"));
    let users = raw::Session {
        store_user: Some("a".into()),
        store_password: Some("x".into()),
        ..one("redis://b@localhost")
    };
    assert!(refused(&users).contains("names a user too"));
    let alone = raw::Session { store_user: Some("gate".into()), ..base() };
    assert!(refused(&alone).contains("session.store_user: a user without a password"));
    assert!(refused(&one("redis://gate@localhost")).contains("a user without a password"));
    let unreadable = raw::Session { store_password_file: Some("nowhere".into()), ..base() };
    assert!(refused(&unreadable).contains("cannot read nowhere"));
    let nothing = raw::Session { store_password_file: Some("empty".into()), ..base() };
    assert!(refused(&nothing).contains("is empty"));
}

#[test]
fn certificates_belong_to_tls_and_to_each_other() {
    let base = |text: &str| raw::Session {
        store_ca_file: Some("ca.pem".into()),
        store_certificate_file: Some("own.pem".into()),
        store_key_file: Some("own.key".into()),
        ..one(text)
    };
    let tls = taken(&base("rediss://localhost")).tls.unwrap();
    assert!(tls.ca_file.as_deref() == Some(Path::new("ca.pem")) && tls.certificate.is_some());
    let said = refused(&base("redis://localhost"));
    assert_eq!(said.matches("has a meaning for rediss:// only").count(), 3, "{said}");
    let half = raw::Session { store_key_file: None, ..base("rediss://localhost") };
    assert!(refused(&half).contains("session.store_key_file: missing"));
    let half = raw::Session { store_certificate_file: None, ..base("rediss://localhost") };
    assert!(refused(&half).contains("session.store_certificate_file: missing"));
    let swapped = raw::Session { store_key_file: Some("own.pem".into()), ..base("rediss://localhost") };
    assert!(refused(&swapped).contains("session.store_key_file: own.pem holds no private key"));
    let gone = raw::Session { store_ca_file: Some("nowhere".into()), ..base("rediss://localhost") };
    assert!(refused(&gone).contains("session.store_ca_file: cannot read nowhere"));
    let no_ca = raw::Session { store_ca_file: Some("own.key".into()), ..base("rediss://localhost") };
    assert!(refused(&no_ca).contains("holds no certificate"));
}

#[test]
fn a_prefix_is_plain() {
    let prefixed =
        |prefix: &str| raw::Session { store_prefix: Some(prefix.into()), ..one("redis://localhost") };
    assert_eq!(taken(&prefixed("app-1/")).prefix, "app-1/");
    for bad in ["", "{a}", "a*", "a b", "ä", &"x".repeat(65)] {
        assert!(refused(&prefixed(bad)).contains("is no prefix"), "{bad}");
    }
}

#[test]
fn a_timeout_is_one_that_people_wait_for() {
    let within = |text: &str| raw::Session { store_timeout: Some(text.into()), ..one("redis://localhost") };
    assert_eq!(taken(&within("250ms")).timeout, Duration::from_millis(250));
    assert!(refused(&within("11s")).contains("longer than 10s"));
    assert!(refused(&within("0s")).contains("longer than nothing"));
}

#[test]
fn keys_for_a_store_that_is_not_there_are_refused() {
    let raw = raw::Session {
        store_mode: Some(StoreMode::Cluster),
        store_outage: Some(raw::StoreOutage::ServeFresh),
        ..raw::Session::default()
    };
    let said = refused(&raw);
    assert!(said.contains("session.store_mode: there is no store for it"), "{said}");
    assert!(said.contains("session.store_outage: there is no store for it"), "{said}");
}
