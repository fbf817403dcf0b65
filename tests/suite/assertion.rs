//! What the upstream is handed beside X-User and X-Roles: a signed statement of who asks, and the keys to it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::pool::User;
use crate::support::token::b64;
use crate::support::wire::{Answer, Wire};
use crate::support::world::{EVERYBODY, Setup, Who, World};

const ASSERTION: &str = "x-rolegate-assertion";

#[test]
fn a_statement_is_bound_to_its_audience_method_host_and_path() {
    let world = signing(&[new_key()]).start();
    let key = &keys(&world)[0];
    for (method, target, path) in [
        ("GET", "/a/../b%41//c?x=1", "/bA/c"),
        ("POST", "/admin/x%2D", "/admin/x-"),
        ("DELETE", "/x;v=1", "/x;v=1"),
    ] {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: app.test:443\r\n{{session}}\r\n");
        let before = now();
        let exchange = world.attack(Who::Admin, head);
        let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
        let (header, claims) = opened(key, seen.head.one(ASSERTION).unwrap());
        assert_eq!(header, json!({ "alg": "ES256", "kid": key["kid"], "typ": "JWT" }));
        let (issued, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!((before..=now()).contains(&issued) && ends == issued + 30, "{claims}");
        assert_eq!(claims["iss"], "https://app.test");
        assert_eq!(claims["aud"], "reports");
        assert_eq!((&claims["method"], &claims["path"]), (&json!(method), &json!(path)));
        assert_eq!(claims["host"], seen.head.one("x-forwarded-host").unwrap());
        assert_eq!(claims["sub"], json!(User::new("admin", &[]).sub));
        assert_eq!((&claims["user"], &claims["roles"]), (&json!("admin"), &json!(["admin", "user"])));
    }
}

#[test]
fn a_library_that_nobody_here_wrote_verifies_a_statement() {
    let test = "a_library_that_nobody_here_wrote_verifies_a_statement";
    let world = signing(&[new_key(), new_key()]).start();
    let exchange = world.attack(Who::Admin, get("/admin/%7Ex?y=1"));
    let seen = exchange.one().unwrap();
    let statement = json!({
        "keys": format!("http://{}/oauth2/keys", world.gate.public),
        "issuer": "https://app.test",
        "statement": seen.head.one(ASSERTION).unwrap(),
        "request": { "method": seen.method(), "host": seen.head.one("host"), "path": seen.path() },
    });
    let mut command = std::process::Command::new("node");
    command.args(["statement.mjs", test]).env("STATEMENT", statement.to_string()).env_remove("NODE_OPTIONS");
    crate::clients::run(command, test);
}

#[test]
fn only_a_request_with_an_identity_carries_one_and_no_two_carry_the_same() {
    let world = signing(&[new_key()]).start();
    let key = &keys(&world)[0];
    let mut ids = Vec::new();
    for (who, target, expected) in [
        (Who::Nobody, "/public/x", false),
        (Who::User, "/public/x", true),
        (Who::User, "/x", true),
        (Who::User, "/x", true),
    ] {
        let exchange = world.attack(who, get(target));
        let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
        let found = seen.head.all(ASSERTION);
        assert_eq!(found.len(), usize::from(expected), "{who:?} {target}");
        ids.extend(found.iter().map(|token| opened(key, token).1["jti"].to_string()));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn the_keys_are_public_on_any_host_as_a_set_and_one_by_one() {
    let pems = [new_key(), new_key()];
    let world = signing(&pems).start();
    for host in ["app.test", "10.0.0.7:4180", "rolegate.internal"] {
        let answer = ask(&world, "GET", host, "/oauth2/keys");
        assert_eq!(answer.status, 200, "{answer:#?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let listed = answer.json()["keys"].as_array().unwrap().clone();
        let ids: Vec<String> = listed.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            listed.iter().map(point).collect::<Vec<_>>(),
            pems.iter().map(|p| public(p)).collect::<Vec<_>>()
        );
        for (id, key) in ids.iter().zip(&listed) {
            let answer = ask(&world, "GET", host, &format!("/oauth2/keys/{id}"));
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, Some("text/plain; charset=utf-8"))
            );
            let pem = answer.text();
            let body = pem.strip_prefix("-----BEGIN PUBLIC KEY-----\n").unwrap();
            let body = body.strip_suffix("-----END PUBLIC KEY-----\n").unwrap().replace('\n', "");
            assert!(STANDARD.decode(body).unwrap().ends_with(&point(key)), "{pem}");
        }
    }
    let head = ask(&world, "HEAD", "app.test", "/oauth2/keys");
    assert!(head.status == 200 && head.body.is_empty(), "{head:#?}");
    assert_eq!(ask(&world, "POST", "app.test", "/oauth2/keys").status, 405);
    for kid in ["", "0", "00000000-0000-4000-8000-000000000000", "x/y", "%00", "..%2fkeys"] {
        let answer = ask(&world, "GET", "app.test", &format!("/oauth2/keys/{kid}"));
        assert!(matches!(answer.status, 400 | 404), "{kid:?}: {answer:#?}");
    }
    assert_eq!(world.upstream.count(), 0, "none of it is the upstream's");
}

#[test]
fn without_the_table_there_are_no_keys_and_no_statement() {
    let world = World::bench();
    for target in ["/oauth2/keys", "/oauth2/keys/00000000-0000-4000-8000-000000000000"] {
        assert_eq!(ask(&world, "GET", "app.test", target).status, 404);
    }
    let exchange = world.attack(Who::User, get("/x"));
    assert!(exchange.one().unwrap().head.all(ASSERTION).is_empty());
}

#[test]
fn keys_roll_without_a_gap() {
    let (old, new) = (new_key(), new_key());
    let world = signing(std::slice::from_ref(&old)).start();
    let before = keys(&world);
    // First the next one is published, then it signs, then the old one goes.
    let world = world.restarted(|setup| with_keys(setup, &[old.clone(), new.clone()]));
    let both = keys(&world);
    assert_eq!((both.len(), &both[0]), (2, &before[0]));
    let world = world.restarted(|setup| with_keys(setup, &[new, old]));
    assert_eq!(keys(&world).len(), 2);
    let exchange = world.attack(Who::User, get("/x"));
    opened(&both[1], exchange.one().unwrap().head.one(ASSERTION).unwrap());
}

#[test]
fn without_a_file_each_start_makes_a_key_and_says_so() {
    let world = Setup::bench().tables("[assertion]\naudience = \"reports\"").start();
    let first = keys(&world);
    let exchange = world.attack(Who::User, get("/x"));
    opened(&first[0], exchange.one().unwrap().head.one(ASSERTION).unwrap());
    assert!(
        world.gate.stderr().all().contains("a key is made at each start"),
        "{}",
        world.gate.stderr().all()
    );
    let world = world.restarted(|setup| setup);
    assert_ne!(keys(&world), first);
}

#[test]
fn a_websocket_carries_one_as_well() {
    let world = signing(&[new_key()]).start();
    let head = "GET /socket HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                X-Rolegate-Assertion: forged\r\n{session}\r\n";
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&world.session(Who::User).fill(head.as_bytes()));
    let seen = world.upstream.wait_for(mark.upstream, 1);
    opened(&keys(&world)[0], seen[0].head.one(ASSERTION).unwrap());
}

/// HDR-33: own key, no key, one that was good a moment ago, under every spelling and on public paths too.
pub fn no_client_speaks_with_a_statement_of_its_own() {
    let world = signing(&[new_key()]).start();
    let key = keys(&world).remove(0);
    let exchange = world.attack(Who::Admin, get("/admin"));
    let captured = exchange.one().unwrap().head.one(ASSERTION).unwrap().to_owned();
    let (header, claims) = opened(&key, &captured);
    let own = pair(&new_key());
    let sign = |header: &Value| {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let rng = aws_lc_rs::rand::SystemRandom::new();
        format!("{message}.{}", b64(own.sign(&rng, message.as_bytes()).unwrap()))
    };
    let mut with_own_key = header.clone();
    with_own_key["jwk"] = json!({ "kty": "EC" });
    let forged = [
        captured.clone(),
        sign(&header),
        sign(&with_own_key),
        format!("{}.{}.", b64(json!({ "alg": "none", "typ": "JWT" }).to_string()), b64(claims.to_string())),
    ];
    for name in ["X-Rolegate-Assertion", "x_rolegate_assertion", "X.Rolegate-Assertion", "XRolegateAssertion"]
    {
        for token in &forged {
            for (who, target) in EVERYBODY
                .map(|who| (who, "/public/x"))
                .into_iter()
                .chain([(Who::User, "/x"), (Who::Admin, "/admin")])
            {
                let head = format!(
                    "GET {target} HTTP/1.1\r\nHost: app.test\r\n{name}: {token}\r\n{{session}}{name}: {token}\r\n\r\n"
                );
                let exchange = world.attack(who, head);
                let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
                let shown = seen.head.headers.iter().any(|(_, value)| value.contains(token.as_str()));
                assert!(!shown, "{name} of {who:?} at {target}: {seen:#?}");
                let gates: Vec<&str> = seen.head.all(ASSERTION);
                assert_eq!(gates.len(), usize::from(who != Who::Nobody), "{seen:#?}");
                for token in gates {
                    opened(&key, token);
                }
            }
        }
    }
}

/// A bench whose gate signs with these keys.
fn signing(pems: &[String]) -> Setup {
    with_keys(
        Setup::bench().tables("[assertion]\naudience = \"reports\"\nkey_file = \"{folder}/signing.pem\""),
        pems,
    )
}

fn with_keys(mut setup: Setup, pems: &[String]) -> Setup {
    setup.files = vec![("signing.pem".into(), pems.concat().into_bytes())];
    setup
}

/// A private key as `openssl genpkey` writes it.
pub fn new_key() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let text = STANDARD.encode(pair.to_pkcs8v1().unwrap());
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn pair(pem: &str) -> EcdsaKeyPair {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &STANDARD.decode(text).unwrap()).unwrap()
}

fn public(pem: &str) -> Vec<u8> {
    pair(pem).public_key().as_ref().to_vec()
}

fn keys(world: &World) -> Vec<Value> {
    ask(world, "GET", "app.test", "/oauth2/keys").json()["keys"].as_array().unwrap().clone()
}

/// A JWK's point, uncompressed.
fn point(key: &Value) -> Vec<u8> {
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    [vec![4], coordinate("x"), coordinate("y")].concat()
}

/// Header and claims of a statement, if this key signed it.
fn opened(key: &Value, token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let message = format!("{}.{}", parts[0], parts[1]);
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(key));
    key.verify(message.as_bytes(), &decoded(parts[2])).unwrap_or_else(|_| panic!("not signed so: {token}"));
    let json = |part: &str| serde_json::from_slice(&decoded(part)).unwrap();
    (json(parts[0]), json(parts[1]))
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n")
}

fn ask(world: &World, method: &str, host: &str, target: &str) -> Answer {
    let mut wire = Wire::connect(world.gate.public);
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    wire.write(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n").as_bytes());
    wire.answer(method == "HEAD").unwrap_or_else(|ended| panic!("{method} {target}: {ended:?}"))
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
