//! Row 17: in front of an application that was written for a load balancer's `x-amzn-oidc-data`.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::json;

use crate::assertion::new_key;
use crate::clients::run;
use crate::support::pool::{CLIENT_ID, Endpoint, Reply, User};
use crate::support::token::Use;
use crate::support::upstream::{Recorder, Seen};
use crate::support::wire::{Answer, Wire};
use crate::support::world::{EVERYBODY, Session, Setup, Who, World};

const SIGNER: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/reports/50dc6c495c0c9188";
const HEADERS: [&str; 3] = ["x-amzn-oidc-data", "x-amzn-oidc-identity", "x-amzn-oidc-accesstoken"];

#[test]
fn row_17_an_application_written_for_an_alb_changes_the_address_of_its_keys_alone() {
    let key = new_key();
    let world = with_key("30s", &key).start();
    world.pool.change_user("user", |user| {
        user.id_claims.insert("custom:team".into(), "one+one=?ü".into());
    });
    let true_one = asserted(&world, Who::User, "/x");
    let [data, identity, accesstoken] = true_one;
    let keys = format!("http://{}/oauth2/keys", world.gate.public);

    let short = with_key("1s", &key).start_with(world.pool.clone(), Recorder::start());
    let [expired, ..] = asserted(&short, Who::User, "/x");
    let seen = json!({
        "keys": keys, "signer": SIGNER, "issuer": world.pool.issuer(), "client": CLIENT_ID,
        "sub": User::new("user", &[]).sub, "data": data, "identity": identity, "accesstoken": accesstoken,
        "expired": expired,
    });
    let test = "row_17_an_application_written_for_an_alb_changes_the_address_of_its_keys_alone";
    let mut command = Command::new("node");
    command.args(["alb.mjs", test]).env("ALB", seen.to_string()).env_remove("NODE_OPTIONS");
    run(command, test);
}

#[test]
fn row_17_no_client_speaks_for_a_load_balancer() {
    for world in [alb("30s").start(), World::bench()] {
        let spelled = [
            "X-Amzn-Oidc-Identity",
            "x_amzn_oidc_identity",
            "x.amzn.oidc.identity",
            "XAmznOidcIdentity",
            "X-Amzn-Oidc-Data",
            "X-Amzn-Oidc-Accesstoken",
            "X-Amzn-Oidc-Anything",
        ];
        let lines: String = spelled.iter().map(|name| format!("{name}: root-of-all\r\n")).collect();
        for (who, target) in EVERYBODY
            .map(|who| (who, "/public/x"))
            .into_iter()
            .chain([(Who::User, "/x"), (Who::Admin, "/admin")])
        {
            let head = format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{lines}{{session}}{lines}\r\n");
            let exchange = world.attack(who, head);
            let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
            assert!(!seen.head.headers.iter().any(|(_, value)| value.contains("root-of-all")), "{seen:#?}");
        }
    }
}

#[test]
fn row_17_whoever_has_a_session_is_told_of_on_public_paths_too_and_nobody_else_is() {
    let world = alb("30s").start();
    for (who, target, told) in [
        (Who::Nobody, "/public/x", false),
        (Who::User, "/public/x", true),
        (Who::User, "/x", true),
        (Who::Admin, "/admin", true),
    ] {
        let exchange = world.attack(who, get(target));
        let seen = exchange.one().unwrap_or_else(|| panic!("{exchange:#?}"));
        for name in HEADERS {
            assert_eq!(seen.head.all(name).len(), usize::from(told), "{name} of {who:?} at {target}");
        }
        assert!(seen.head.all("x-rolegate-assertion").is_empty());
    }
    // Without its tokens a session is half of one: on a public path nobody is told of, elsewhere a refresh mends it.
    let (_, seen) = without_tokens(&world, Who::User, "/public/x");
    let names = HEADERS.iter().chain(&["x-user", "x-roles"]);
    assert!(names.clone().all(|name| seen[0].head.all(name).is_empty()), "{seen:#?}");
    assert_eq!(world.pool.grants("refresh_token"), 0);
    let (answer, seen) = without_tokens(&world, Who::User, "/x");
    assert!(answer.status == 200 && names.clone().all(|name| seen[0].head.all(name).len() == 1), "{seen:#?}");
    assert_eq!(world.pool.grants("refresh_token"), 1);
    // And where the pool cannot be asked, nobody is sent on half known.
    world.pool.script(Endpoint::Token, Reply::Hangup);
    let (answer, seen) = without_tokens(&world, Who::Admin, "/x");
    assert!(answer.status == 503 && seen.is_empty(), "{answer:#?}");
}

/// A request whose browser has lost the token cookie, and what the upstream sees of it.
fn without_tokens(world: &World, who: Who, target: &str) -> (Answer, Vec<Seen>) {
    let session = world.session(who);
    let pairs = session.cookie.split("; ").filter(|pair| !pair.starts_with("__Host-rolegate-token"));
    let session =
        Session { cookie: pairs.collect::<Vec<_>>().join("; "), identity: session.identity.clone() };
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public);
    wire.write(&session.fill(get(target).as_bytes()));
    let answer = wire.answer(false).unwrap_or_else(|ended| panic!("{target}: {ended:?}"));
    (answer, world.seen_since(mark))
}

/// A bench in the form of a load balancer.
fn alb(lifetime: &str) -> Setup {
    with_key(lifetime, &new_key())
}

fn with_key(lifetime: &str, pem: &str) -> Setup {
    let table = format!(
        "[assertion]\nkind = \"alb\"\nsigner = {SIGNER:?}\nkey_file = \"{{folder}}/signing.pem\"\nlifetime = {lifetime:?}"
    );
    let mut setup = Setup::bench().tables(&table);
    setup.files = vec![("signing.pem".into(), pem.into())];
    setup
}

fn asserted(world: &World, who: Who, target: &str) -> [String; 3] {
    let exchange = world.attack(who, get(target));
    headers(exchange.one().unwrap_or_else(|| panic!("{exchange:#?}")))
}

fn headers(seen: &Seen) -> [String; 3] {
    HEADERS.map(|name| seen.head.one(name).unwrap_or_else(|| panic!("{name}: {seen:#?}")).to_owned())
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}\r\n")
}

#[test]
fn row_17_a_program_with_a_bearer_token_is_told_of_in_the_same_form() {
    let world = alb("30s").tables("[bearer]").start();
    let token = world.pool.mint(Use::Access, "user", |mint| mint.claim("cognito:groups", vec!["user"]));
    let mark = world.mark();
    let mut wire = Wire::connect(world.gate.public);
    let head = format!("GET /x HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {token}\r\n\r\n");
    wire.write(head.as_bytes());
    let answer = wire.answer(false).unwrap_or_else(|ended| panic!("{ended:?}"));
    assert_eq!(answer.status, 200, "{answer:#?}");
    let [data, identity, accesstoken] = headers(&world.seen_since(mark)[0]);
    assert_eq!((identity, accesstoken), (User::new("user", &[]).sub, token));
    let payload = URL_SAFE.decode(data.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["exp", "iss", "sub", "username"], "of the person, and nothing of the token");
}
