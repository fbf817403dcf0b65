//! `explain` and the running gate give the same answer: random rule sets, random requests, real sockets.
//!
//! `EXPLAIN_SEED=7 EXPLAIN_COUNT=20000 cargo test --test suite explain::` looks elsewhere and longer.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use rolegate::command::explain::{Explanation, Question, explain};
use rolegate::config::settings::Config;
use rolegate::config::{self, Overrides};
use serde_json::{Map, Value, json};

use crate::random::Random;
use crate::support::gate::Access;
use crate::support::pool::User;
use crate::support::upstream::Seen;
use crate::support::wire::{Wire, latin1};
use crate::support::world::{Setup, World};

const SEED: u64 = 0x6578_706c_6169_6e21;
/// Rule sets, each with a gate of its own.
const SETS: u64 = 6;
/// Requests a rule set.
const REQUESTS: usize = 2_500;

/// Two origins, and the hosts that requests name: spellings of them, and others.
const ORIGINS: &str = r#"["https://app.test", "https://two.test:8443"]"#;
const HOSTS: &[&str] = &[
    "app.test",
    "app.test",
    "app.test",
    "APP.test:443",
    "app.test.",
    "two.test:8443",
    "two.test:8443",
    "two.test",
    "other.test",
    "app.test:8443",
    "app.test:0",
    "app..test",
    "[::1]",
];
const METHODS: &[&str] = &[
    "GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE", "get",
];
const SEGMENTS: &[&str] = &[
    "a",
    "b",
    "c",
    "admin",
    "Admin",
    "ADMIN",
    "public",
    "Public",
    "x.y",
    "%61",
    "%61dmin",
    "%2e",
    "%2E%2e",
    "..",
    ".",
    "",
    "a;x=1",
    "a%3bx",
    ";",
    "..;",
    "%2f",
    "%5C",
    "%25",
    "%252e",
    "%25%32%66",
    "a%2Fb",
    "a%2fadmin",
    "%c3%bc",
    "%ff",
    "%",
    "~",
    "%7Ea",
    "a\\b",
    "é",
    "%00",
    "a#b",
    "a+b",
    "a:b",
    "a@b",
    "a=b,c",
];
const OWN_PAGES: &[&str] =
    &["start", "callback", "userinfo", "nope", "start;x", "Start", "", "userinfo/", "%73tart"];
const QUERIES: &[&str] =
    &["", "", "", "?", "?a=b&c=%2F", "?//../admin", "?x=%ff&x=é", "?a?b", "?url=https://x.test//y"];

/// Someone who asks, and what the pool says of them.
struct Somebody {
    /// Empty: nobody.
    name: &'static str,
    roles: &'static [&'static str],
    scope: &'static str,
    domain: &'static str,
    acr: &'static str,
    /// Signed in a moment ago rather than in 1970.
    recent: bool,
}

const NOBODY: Somebody =
    Somebody { name: "", roles: &[], scope: "openid", domain: "example.com", acr: "", recent: true };

/// Nobody, and everybody with roles and facts of their own.
const PEOPLE: &[Somebody] = &[
    NOBODY,
    Somebody { name: "user", roles: &["user"], ..NOBODY },
    Somebody { name: "admin", roles: &["admin", "user"], acr: "urn:cognito:loa:3", ..NOBODY },
    Somebody { name: "editor", roles: &["editor"], scope: "openid api/read", recent: false, ..NOBODY },
    Somebody { name: "roleless", domain: "corp.test", acr: "urn:cognito:loa:4", ..NOBODY },
    Somebody { name: "odd", roles: &["user,admin", "Admin", "é%2C"], scope: "api/reader", ..NOBODY },
    Somebody { name: "old", roles: &["user"], acr: "urn:cognito:loa:2", recent: false, ..NOBODY },
];

/// One request, and what `explain` says of it.
struct Asked {
    described: String,
    query: &'static str,
    explanation: Explanation,
}

#[test]
fn explain_and_the_running_gate_agree_on_every_request() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("EXPLAIN_SEED").unwrap_or(SEED);
    let count = number("EXPLAIN_COUNT").map_or(REQUESTS, |count| usize::try_from(count).unwrap());
    let sets: Vec<u64> = (0..SETS).map(|set| seed.wrapping_add(set)).collect();
    let outcomes = std::thread::scope(|scope| {
        // Two at a time: the gate and the test share the machine.
        let halves = sets.chunks(sets.len().div_ceil(2)).map(|sets| {
            scope.spawn(move || sets.iter().flat_map(|set| agree(*set, count)).collect::<Vec<_>>())
        });
        let running: Vec<_> = halves.collect();
        running.into_iter().flat_map(|half| half.join().unwrap()).collect::<Vec<_>>()
    });

    let mut counted = BTreeMap::new();
    for explanation in &outcomes {
        *counted.entry(explanation.outcome).or_insert(0) += 1;
    }
    // Each kind of requirement has decided something.
    for words in ["one of the scopes", "e-mail address", "acr urn:", "auth_time within", "servers read"] {
        let times = outcomes.iter().filter(|explanation| explanation.because.contains(words)).count();
        assert!(times >= 20, "{words:?} hardly came up: {times}");
    }
    assert_eq!(outcomes.len(), count * sets.len(), "every request is held to it");
    for outcome in ["forward", "login", "challenge", "forbid", "redirect", "own", "refuse"] {
        assert!(
            counted.get(outcome).is_some_and(|times| *times >= 20),
            "{outcome} hardly came up: {counted:?}"
        );
    }
}

/// Asks one gate `count` requests and holds each to what `explain` says, which is given back.
fn agree(seed: u64, count: usize) -> Vec<Explanation> {
    let random = &mut Random(seed);
    let world = world(random);
    let toml = world.gate.folder().join("rolegate.toml");
    let config = config::load(Some(&toml), &[], &Overrides::default()).unwrap().config;
    let rules = std::fs::read_to_string(&toml).unwrap();
    let told = |asked: &Asked| {
        format!("EXPLAIN_SEED={seed}: {}\n{:#?}\n{rules}", asked.described, asked.explanation)
    };

    let cookies = cookies(&world);
    let mark = world.mark();
    let mut wire = None;
    let mut outcomes = Vec::new();
    let mut expected = HashMap::new();
    for _ in 0..count {
        let (asked, bytes, to_head) = request(random, &config, &cookies);
        outcomes.push(asked.explanation.clone());
        let connected: &mut Wire = wire.get_or_insert_with(|| Wire::connect(world.gate.public));
        connected.write(&bytes);
        let answer = connected.answer(to_head).unwrap_or_else(|ended| panic!("{ended:?}: {}", told(&asked)));
        if answer.closes() {
            wire = None;
        }
        match answer.header("x-request-id") {
            Some(id) => drop(expected.insert(id.to_owned(), asked)),
            // What the parser itself refuses is bare and leaves no record.
            None => {
                assert_eq!((asked.explanation.outcome, answer.status), ("refuse", 400), "{}", told(&asked))
            }
        }
    }

    let records = records(&world, &expected);
    let seen: HashMap<String, Seen> = world
        .seen_since(mark)
        .into_iter()
        .map(|seen| (seen.head.one("x-request-id").unwrap().to_owned(), seen))
        .collect();
    let forwarded = expected.values().filter(|asked| asked.explanation.outcome == "forward").count();
    assert_eq!(seen.len(), forwarded, "the upstream sees what is forwarded and nothing else");
    for (id, asked) in &expected {
        let record = records.get(id).unwrap_or_else(|| panic!("no access record: {}", told(asked)));
        let Explanation { outcome, rule, path, .. } = &asked.explanation;
        assert_eq!(record.decision(), *outcome, "{}\n{record:#?}", told(asked));
        assert_eq!(record.text("rule"), rule.as_deref().unwrap_or_default(), "{}\n{record:#?}", told(asked));
        assert_eq!(record.text("path"), path.as_deref().unwrap_or_default(), "{}\n{record:#?}", told(asked));
        if *outcome == "forward" {
            let target = format!("{}{}", path.as_deref().unwrap_or_default(), asked.query);
            assert_eq!(seen[id].target(), latin1(target.as_bytes()), "{}", told(asked));
        }
    }
    outcomes
}

/// A request, and what `explain` says of it: a navigation straight from the client, as `explain` takes it.
fn request(
    random: &mut Random,
    config: &Config,
    cookies: &HashMap<(&str, &str), String>,
) -> (Asked, Vec<u8>, bool) {
    let somebody = random.pick(PEOPLE);
    let (user, roles) = (somebody.name, somebody.roles);
    let (method, host, query) = (*random.pick(METHODS), *random.pick(HOSTS), *random.pick(QUERIES));
    let path = path(random);
    let target = format!("{path}{query}");
    let home = if host.starts_with("two") { "two" } else { "app" };
    let cookie = match user {
        "" => String::new(),
        user => format!("Cookie: {}\r\n", cookies[&(user, home)]),
    };
    let question = Question {
        method: method.to_owned(),
        url: format!("https://{host}{target}"),
        user: Some(user.to_owned()).filter(|user| !user.is_empty()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        claims: if user.is_empty() { Map::new() } else { somebody.claims() },
        ..Question::default()
    };
    let described = format!("{method} https://{host}{target} as {user:?}");
    let bytes = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n{cookie}\r\n")
        .into_bytes();
    (Asked { described, query, explanation: explain(config, &question) }, bytes, method == "HEAD")
}

fn path(random: &mut Random) -> String {
    if random.once_in(12) {
        // Never signout: it would end the session that the others need.
        return format!(
            "{}{}",
            random.pick(&["/oauth2/", "/OAuth2/", "//oauth2/./", "/oauth2%2F", "/a%2F..%2Foauth2/"]),
            random.pick(OWN_PAGES)
        );
    }
    let mut path = String::new();
    for _ in 0..=random.below(4) {
        path.push('/');
        // Mostly what rules speak of.
        let among = if random.once_in(3) { SEGMENTS } else { &SEGMENTS[..8] };
        path.push_str(random.pick::<&str>(among));
    }
    if random.once_in(5) {
        path.push('/');
    }
    path
}

/// The access records by request id, once all are written.
fn records(world: &World, expected: &HashMap<String, Asked>) -> HashMap<String, Access> {
    let found = RefCell::new(HashMap::new());
    world.gate.stdout().wait(|line| {
        if let Some(access) = Access::parse(line) {
            let id = access.text("request_id").to_owned();
            if expected.contains_key(&id) {
                found.borrow_mut().insert(id, access);
            }
        }
        (found.borrow().len() == expected.len()).then_some(())
    });
    found.into_inner()
}

/// A gate with random rules.
fn world(random: &mut Random) -> World {
    let mut setup = Setup::bench();
    setup.public_url = ORIGINS.into();
    setup.rules = rules(random);
    let world = setup.start();
    for somebody in PEOPLE.iter().filter(|somebody| !somebody.name.is_empty()) {
        let (claims, mut user) = (somebody.claims(), User::new(somebody.name, somebody.roles));
        user.access_claims.insert("scope".into(), claims["scope"].clone());
        user.access_claims.insert("auth_time".into(), claims["auth_time"].clone());
        user.id_claims.extend(claims.into_iter().filter(|(claim, _)| claim != "scope"));
        world.pool.user(user);
    }
    world
}

impl Somebody {
    /// What tokens say of them beside name and groups.
    fn claims(&self) -> Map<String, Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "email": format!("{}@{}", self.name, self.domain),
            "email_verified": true,
            "scope": self.scope,
            "acr": self.acr,
            "auth_time": if self.recent { now } else { 0 },
        });
        claims.as_object().unwrap().clone()
    }
}

/// Rules that the configuration takes: each is kept if those before it and it can be run together.
fn rules(random: &mut Random) -> String {
    let mut kept = String::new();
    for _ in 0..6 + random.below(8) {
        let further = format!("{kept}{}", rule(random));
        if config::from_text("rules.toml", &format!("{PROBE}{further}"), &[], &Overrides::default()).is_ok() {
            kept = further;
        }
    }
    kept
}

fn rule(random: &mut Random) -> String {
    const PATHS: &[&str] = &[
        "/",
        "/a",
        "/b",
        "/a/b",
        "/a/**",
        "/b/**",
        "/a/b/**",
        "/admin",
        "/admin/**",
        "/Admin/**",
        "/public/**",
        "/public/admin/**",
        "/x.y",
        "/a/b/c",
        "/**",
        "/c/",
        "/%C3%BC/**",
    ];
    const NEEDS: &[&str] = &[
        r#"any_role = ["admin"]"#,
        r#"any_role = ["user", "editor"]"#,
        r#"all_roles = ["admin", "user"]"#,
        r#"any_user = ["editor", "odd"]"#,
        r#"any_role = ["user,admin"]"#,
        r#"any_scope = ["api/read"]"#,
        "any_role = [\"editor\", \"user\"]\nany_scope = [\"api/read\", \"api/reader\"]",
        r#"any_email_domain = ["corp.test"]"#,
        "any_email_domain = [\"example.com\"]\nany_role = [\"user\"]",
        r#"min_acr = "urn:cognito:loa:3""#,
        "any_role = [\"user\"]\nmin_acr = \"urn:cognito:loa:2\"\nmax_auth_age = \"1h\"",
        r#"max_auth_age = "1h""#,
        "any_role = [\"user\"]\nany_user = [\"admin\"]",
        "public = true",
        "public = true",
    ];
    let mut rule = format!("[[rules]]\npath = {:?}\n{}\n", random.pick(PATHS), random.pick(NEEDS));
    if random.once_in(4) {
        rule += &format!("host = {:?}\n", random.pick(&["app.test", "two.test", "other.test"]));
    }
    if random.once_in(3) {
        let methods = [r#"["GET"]"#, r#"["POST", "PUT"]"#, r#"["HEAD"]"#, r#"["PURGE", "OPTIONS"]"#];
        rule += &format!("methods = {}\n", random.pick(&methods));
    }
    if random.once_in(5) && !rule.contains("public") {
        rule += "unauthenticated = \"401\"\n";
    }
    if random.once_in(4) {
        rule += "encoded_slash = \"keep\"\n";
    }
    // What these say changes nothing for such requests.
    if random.once_in(6) {
        rule += random.pick::<&str>(&["preflight = true\n", "cacheable = true\n"]);
    }
    if random.once_in(8) {
        rule += &format!("from = [{:?}]\n", random.pick(&["127.0.0.0/8", "10.0.0.0/8", "::1/128"]));
    }
    rule
}

/// Each person's Cookie header at each origin, by a real login there.
fn cookies(world: &World) -> HashMap<(&'static str, &'static str), String> {
    let mut cookies = HashMap::new();
    for name in PEOPLE.iter().map(|somebody| somebody.name).filter(|name| !name.is_empty()) {
        for (home, origin) in [("app", "https://app.test"), ("two", "https://two.test:8443")] {
            let mut browser = world.browser().route("two.test", world.gate.public);
            browser.signs_in_as = Some(name.to_owned());
            let page = browser.navigate(&format!("{origin}/oauth2/start?rd=/oauth2-is-no-page"));
            let cookie = browser.jar.header(&format!("{origin}/").parse().unwrap());
            assert!(cookie.contains("__Host-rolegate="), "{name} at {origin}: {page:#?}");
            cookies.insert((name, home), cookie);
        }
    }
    cookies
}

#[test]
fn explain_says_what_each_key_of_a_rule_asks_for() {
    const RULES: &str = r#"
[[rules]]
path = "/every/**"
all_roles = ["a", "b"]
[[rules]]
path = "/scoped/**"
any_scope = ["api/read"]
[[rules]]
path = "/named/**"
any_user = ["ann"]
[[rules]]
path = "/corp/**"
any_email_domain = ["corp.test"]
[[rules]]
path = "/strong/**"
any_role = ["a"]
min_acr = "urn:cognito:loa:3"
max_auth_age = "10m"
[[rules]]
path = "/api/**"
any_role = ["a"]
unauthenticated = "401"
[[rules]]
path = "/far/**"
any_role = ["a"]
from = ["10.0.0.0/8"]
[[rules]]
path = "/posts/**"
any_role = ["a"]
methods = ["POST"]
[[rules]]
path = "/repos/**"
any_role = ["a"]
encoded_slash = "keep"
upstream = "http://127.0.0.1:9200"
"#;
    let loaded = config::from_text("a.toml", &format!("{PROBE}{RULES}"), &[], &Overrides::default());
    let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let strong = json!({"acr": "urn:cognito:loa:4", "auth_time": now});
    for (target, user, roles, claims, outcome, because) in [
        ("/every/x", "ann", &["a", "b"][..], json!({}), "forward", "ann has a, b"),
        ("/every/x", "ann", &["a"], json!({}), "forbid", "needs all of a, b"),
        ("/scoped/x", "ann", &[], json!({"scope": "openid api/read"}), "forward", ""),
        ("/scoped/x", "ann", &[], json!({"scope": "api/reader"}), "forbid", "one of the scopes api/read"),
        ("/named/x", "ann", &[], json!({}), "forward", ""),
        ("/named/x", "bob", &[], json!({}), "forbid", "one of the users ann"),
        ("/corp/x", "ann", &[], json!({"email": "a@corp.test"}), "forward", ""),
        ("/corp/x", "ann", &[], json!({"email": "a@x@corp.test"}), "forbid", "address at one of corp.test"),
        (
            "/corp/x",
            "ann",
            &[],
            json!({"email": "a@corp.test", "email_verified": false}),
            "forbid",
            "verified e-mail address",
        ),
        ("/strong/x", "ann", &["a"], strong.clone(), "forward", ""),
        ("/strong/x", "ann", &["a"], json!({}), "login", "it needs acr urn:cognito:loa:3 or stronger"),
        ("/strong/x", "ann", &["a"], json!({"acr": "urn:cognito:loa:3"}), "login", "auth_time within 600 s"),
        ("/strong/x", "ann", &["b"], strong, "forbid", "one of a"),
        ("/api/x", "", &[], json!({}), "challenge", "401"),
        ("/far/x", "ann", &["a"], json!({}), "forbid", "client address"),
        ("/posts/x", "ann", &["a"], json!({}), "forbid", "this method"),
        ("/repos/a%2fb", "ann", &["a"], json!({}), "forward", ""),
        ("/repos%2Fb", "ann", &["a"], json!({}), "refuse", "servers read differently"),
        ("/api/a%2Fb", "ann", &["a"], json!({}), "refuse", "servers read differently"),
    ] {
        let question = Question {
            method: "GET".into(),
            url: target.into(),
            user: Some(user.to_owned()).filter(|user| !user.is_empty()),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            claims: claims.as_object().unwrap().clone(),
            ..Question::default()
        };
        let explanation = explain(&config, &question);
        assert_eq!(explanation.outcome, outcome, "{target} {claims}: {explanation}");
        assert!(explanation.because.contains(because), "{target} {claims}: {explanation}");
        assert!(explanation.path.is_some(), "{target}: {explanation}");
    }
}

/// Everything but the rules, to see whether rules can be run.
const PROBE: &str = r#"
public_url = ["https://app.test", "https://two.test:8443"]
upstream = "http://127.0.0.1:8080"
required_roles = ["user"]
[cognito]
user_pool_id = "eu-central-1_AbCdEf123"
client_id = "1h57kf5cpq17m0eml12EXAMPLE"
[session]
keys = ["3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg="]
"#;
