//! What somebody learns who can read the store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{fetch, keys, once};
use crate::support::browser::{Browser, Kind as Request};
use crate::support::pool::User;
use crate::support::replicas::{Kind, Replicas};
use crate::support::store::{Server, eventually};
use crate::support::world::Setup;

const TABLES: &str = "[[identity.headers]]\nclaim = \"pet_preference\"\nheader = \"X-Pet\"\n\
                      [[rules]]\npath = \"/api/**\"\nany_role = [\"user\"]\npass_token = \"access\"";

#[test]
fn whoever_reads_the_store_learns_nobodys_name_role_claim_token_or_cookie() {
    let server = Server::start();
    let kind = Kind::on(&server);
    let house = Replicas::start(&kind, 1, Setup::bench().tables(TABLES));
    let one = User::new("maxine-musterfrau", &["user"]).with("pet_preference", "axolotl");
    let four = ["user", "accounting", "warehouse", "translators"];
    let many = User::new("erik-mustermann", &four).with("pet_preference", "axolotl");
    let mut words: Vec<String> = ["axolotl", "pet_preference", "X-Pet"].map(str::to_owned).into();
    let mut browsers: Vec<Browser> = vec![];
    let mut lengths = vec![];
    for user in [&one, &many] {
        house.pool.user(user.clone());
        let known = keys(&server, &kind, "s:");
        let mut browser = house.signed_in(&user.name, 0);
        words.extend([user.name.clone(), user.sub.clone(), format!("{}@example.com", user.name)]);
        words.extend(user.groups.iter().filter(|group| *group != "user").cloned());
        let key = keys(&server, &kind, "s:").into_iter().find(|key| !known.contains(key)).unwrap();
        lengths.push(server.says(&["STRLEN", &key]));
        // Once more, as a refresh writes it.
        words.extend(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
        let answer = fetch(&mut browser, 0, "/api/x");
        assert!(answer.status == 200 && answer.text().contains("axolotl"), "{answer:#?}");
        words.extend(browser.jar.all().iter().map(|cookie| cookie.value.clone()));
        browsers.push(browser);
    }
    assert_eq!(lengths[0], lengths[1], "one role or four");
    let mut leaving = house.signed_in("erik-mustermann", 3600);
    assert_eq!(once(&mut leaving, Request::Navigate, 0, "/oauth2/signout").status, 302);
    eventually("the sign-out is in the log", || (!keys(&server, &kind, "log").is_empty()).then_some(()));
    words.extend(house.pool.secrets());
    words.extend(house.setup.keys.lines().map(str::to_owned));

    let everything = everything(&server);
    assert!(everything.len() > 4000, "there is something to read: {}", everything.len());
    for word in &words {
        // As it is, and as whoever hides it from a search would write it.
        for written in [word.clone(), URL_SAFE_NO_PAD.encode(word)] {
            let bytes = written.as_bytes();
            assert!(!everything.windows(bytes.len()).any(|found| found == bytes), "{word:?} is there");
        }
    }
}

/// All keys and values, one after the other.
fn everything(server: &Server) -> Vec<u8> {
    let mut all = vec![];
    let keys: Vec<String> = redis::from_redis_value(server.ask(&["KEYS", "*"])).unwrap();
    for key in keys {
        all.extend(key.as_bytes());
        let read = match server.says(&["TYPE", &key]).as_str() {
            "string" => server.ask(&["GET", &key]),
            "hash" => server.ask(&["HGETALL", &key]),
            "stream" => server.ask(&["XRANGE", &key, "-", "+"]),
            "zset" => server.ask(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]),
            // Signed out meanwhile.
            "none" => continue,
            other => panic!("{key} is a {other}"),
        };
        flatten(&read, &mut all);
    }
    all
}

fn flatten(value: &redis::Value, into: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => into.extend(bytes),
        redis::Value::SimpleString(text) => into.extend(text.as_bytes()),
        redis::Value::Int(number) => into.extend(number.to_string().as_bytes()),
        redis::Value::Array(values) => values.iter().for_each(|value| flatten(value, into)),
        redis::Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            flatten(key, into);
            flatten(value, into);
        }),
        other => panic!("what is this: {other:?}"),
    }
}
