//! `explain` and the running gate give the same answer: random rule sets, random requests, real sockets.
//!
//! `EXPLAIN_SEED=7 EXPLAIN_COUNT=20000 cargo test --test suite explain::` looks elsewhere and longer.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use rolegate::command::explain::{Explanation, Question, explain};
use rolegate::config::settings::Config;
use rolegate::config::{self, Overrides};

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

/// Who asks: nobody, and everybody with a set of roles of their own.
const PEOPLE: &[(&str, &[&str])] = &[
    ("", &[]),
    ("user", &["user"]),
    ("admin", &["admin", "user"]),
    ("editor", &["editor"]),
    ("roleless", &[]),
    ("odd", &["user,admin", "Admin", "é%2C"]),
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
    for outcome in &outcomes {
        *counted.entry(*outcome).or_insert(0) += 1;
    }
    assert_eq!(outcomes.len(), count * sets.len(), "every request is held to it");
    for outcome in ["forward", "login", "challenge", "forbid", "redirect", "own", "refuse"] {
        assert!(
            counted.get(outcome).is_some_and(|times| *times >= 20),
            "{outcome} hardly came up: {counted:?}"
        );
    }
}

/// Asks one gate `count` requests and holds each to what `explain` says; the outcomes.
fn agree(seed: u64, count: usize) -> Vec<&'static str> {
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
        outcomes.push(asked.explanation.outcome);
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
    let (user, roles) = *random.pick(PEOPLE);
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
            random.pick(&["/oauth2/", "/OAuth2/", "//oauth2/./"]),
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
    for (name, groups) in PEOPLE.iter().filter(|(name, _)| !name.is_empty()) {
        world.pool.user(User::new(name, groups));
    }
    world
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
    if random.once_in(8) {
        rule += &format!("from = [{:?}]\n", random.pick(&["127.0.0.0/8", "10.0.0.0/8", "::1/128"]));
    }
    rule
}

/// Each person's Cookie header at each origin, by a real login there.
fn cookies(world: &World) -> HashMap<(&'static str, &'static str), String> {
    let mut cookies = HashMap::new();
    for (name, _) in PEOPLE.iter().filter(|(name, _)| !name.is_empty()) {
        for (home, origin) in [("app", "https://app.test"), ("two", "https://two.test:8443")] {
            let mut browser = world.browser().route("two.test", world.gate.public);
            browser.signs_in_as = Some((*name).to_owned());
            let page = browser.navigate(&format!("{origin}/oauth2/start?rd=/oauth2-is-no-page"));
            let cookie = browser.jar.header(&format!("{origin}/").parse().unwrap());
            assert!(cookie.contains("__Host-rolegate="), "{name} at {origin}: {page:#?}");
            cookies.insert((*name, home), cookie);
        }
    }
    cookies
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
