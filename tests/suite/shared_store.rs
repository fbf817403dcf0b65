//! Gates that share a store, end to end: one token call among all of them, a sign-out that counts everywhere, a store
//! that is away, strange or read by others.

use crate::support::balancer::TO_GATE;
use crate::support::browser::{Browser, Kind as Request, address};
use crate::support::replicas::{Kind, Replicas, heard};
use crate::support::store::Server;
use crate::support::wire::Answer;

mod contents;
mod everywhere;
mod facts;
mod moving;
mod outage;
mod replicas;
mod strange;

/// `tests/fixtures/tls` has the certificate for it.
fn over_tls(server: &Server) -> Kind {
    let ca = format!("{}/tests/fixtures/tls/ca.pem", env!("CARGO_MANIFEST_DIR"));
    Kind::at(&format!("store = {:?}\nstore_ca_file = {ca:?}\n", server.url()))
}

/// A script's GET at this gate.
fn fetch(browser: &mut Browser, gate: usize, target: &str) -> Answer {
    heard(|| once(browser, Request::Fetch, gate, target))
}

/// The same with any kind of request, and not asked again whatever comes.
fn once(browser: &mut Browser, kind: Request, gate: usize, target: &str) -> Answer {
    browser.send(kind, "GET", &address(target), &format!("{TO_GATE}: {gate}\r\n"), "")
}

/// X-User and X-Roles as the echo shows them.
fn identity(answer: &Answer) -> (String, String) {
    let json = answer.json();
    let header = |name: &str| {
        let lines = json["headers"].as_array().into_iter().flatten();
        let mut values =
            lines.filter(|line| line[0] == name).map(|line| line[1].as_str().unwrap_or_default());
        values.next().unwrap_or_default().to_owned()
    };
    (header("x-user"), header("x-roles"))
}

/// The prefix of this deployment's keys.
fn prefix(kind: &Kind) -> String {
    let Kind::Store(lines) = kind else { panic!("no store") };
    let line = lines.lines().find_map(|line| line.strip_prefix("store_prefix = ")).unwrap();
    line.trim_matches('"').to_owned()
}

/// The keys of this deployment that begin so, sorted.
fn keys(server: &Server, kind: &Kind, beginning: &str) -> Vec<String> {
    let found = server.ask(&["KEYS", &format!("{}{beginning}*", prefix(kind))]);
    let mut keys: Vec<String> = redis::from_redis_value(found).unwrap();
    keys.sort();
    keys
}

/// How often a navigation at this gate led over the pool before it ended well; nobody types anything there.
fn trips(house: &Replicas, browser: &mut Browser) -> usize {
    browser.signs_in_as = None;
    let mut trips = 0;
    let answer = heard(|| {
        let page = browser.navigate("/x");
        trips += page.hops.iter().filter(|(url, _)| url.path() == "/oauth2/authorize").count();
        page.answer
    });
    assert_eq!(answer.status, 200, "{} gates: {answer:#?}", house.gates.len());
    trips
}
