//! Another path at the upstream: what is decided on is the client's, and what is sent follows from that alone.

use std::collections::BTreeMap;
use std::process::Command;

use rolegate::command::explain::{Question, explain};
use rolegate::config::{self, Overrides};
use rolegate::rule::path::canonical_with_slashes;

use super::*;
use crate::random::Random;
use crate::support::dev::claims;

const RULES: &str = "[[rules]]\npath = \"/app/**\"\npublic = true\nupstream = \"stripped\"\nover_role = true\n\
     [[rules]]\npath = \"/app/admin/**\"\nany_role = [\"admin\"]\nupstream = \"stripped\"\n\
     [[rules]]\npath = \"/deep/er/**\"\npublic = true\nover_role = true\nupstream = \"moved\"\nencoded_slash = \"keep\"\n";

fn world() -> World {
    let stripped = Recorder::start();
    let tables = table("stripped", &[at(&stripped)], "strip_prefix = \"/app\"")
        + &table("moved", &[at(&stripped)], "strip_prefix = \"/deep\"\nadd_prefix = \"/v2\"");
    let tables = tables + "[assertion]\naudience = \"app\"\n";
    Setup::bench().tables(&tables).rules(RULES).start_with(crate::support::pool::FakePool::start(), stripped)
}

fn seen_for(world: &World, wire: &mut Wire, raw: &str) -> (u16, Option<upstream::Seen>) {
    let before = world.upstream.mark();
    let answer = get(wire, raw);
    if answer.closes() {
        *wire = super::wire(world);
    }
    (answer.status, world.upstream.since(before).pop())
}

#[test]
fn the_upstream_is_sent_the_rest_of_the_path_and_told_what_was_taken_off() {
    let world = world();
    let mut wire = wire(&world);
    let (status, seen) = seen_for(&world, &mut wire, "/app//x/./y?z=/app");
    let seen = seen.unwrap();
    assert_eq!((status, seen.target()), (200, "/x/y?z=/app"));
    assert_eq!(seen.head.one("x-forwarded-prefix"), Some("/app"));
    let (_, seen) = seen_for(&world, &mut wire, "/deep/er/a%2fb");
    assert_eq!(seen.unwrap().target(), "/v2/er/a%2Fb");
    wire.write(b"GET /public/x HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-Prefix: /evil\r\n\r\n");
    assert_eq!(wire.answer(false).unwrap().status, 200);
    let last = world.upstream.since(Default::default()).pop().unwrap();
    assert_eq!((last.target(), last.head.one("x-forwarded-prefix")), ("/public/x", None));
    // An answer's redirect is the upstream's own affair.
    world.upstream.behave(upstream::answers_headers("Location: /x\r\n", ""));
    assert_eq!(get(&mut wire, "/app/x").header("location"), Some("/x"));
}

#[test]
fn a_signed_statement_is_about_the_path_that_the_upstream_is_sent() {
    let world = world();
    let mut browser = world.signed_in("admin");
    let before = world.upstream.mark();
    assert_eq!(browser.fetch("/app/admin/x?y").status, 200);
    let seen = world.upstream.since(before).pop().unwrap();
    assert_eq!((seen.target(), seen.head.one("x-user")), ("/admin/x?y", Some("admin")));
    let statement = claims(seen.head.one("x-rolegate-assertion").unwrap());
    assert_eq!(statement["path"], "/admin/x");
}

#[test]
fn whatever_is_asked_for_what_is_sent_is_canonical_and_what_explain_says() {
    const PIECES: &[&str] = &[
        "/",
        "//",
        "/./",
        "/../",
        "app",
        "app",
        "/app",
        "/app/",
        "/APP/",
        "%61pp",
        "admin",
        "/admin",
        "/Admin",
        "%2e%2e",
        "%2f",
        "%2F",
        ";x",
        "%3b",
        "%25",
        "%252e",
        "x",
        "/x",
        ".",
        "..",
        "deep/er",
        "/deep/er/",
        "/v2",
        "%c3%a9",
        "..;",
        "public",
        "/healthz",
    ];
    let world = world();
    let file = world.gate.folder().join("rolegate.toml");
    let config = config::load(Some(&file), &[], &Overrides::default()).unwrap().config;
    let mut random = Random(0x7265_7772_6974_6521);
    let mut sent_as: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wire = wire(&world);
    for _ in 0..800 {
        let beginning = *random.pick(&["/", "/app", "/app/", "/deep/er/", "/APP/"]);
        let count = random.below(6);
        let raw = (0..count).fold(beginning.to_owned(), |path, _| path + random.pick::<&str>(PIECES));
        let question = Question { method: "GET".into(), url: raw.clone(), ..Question::default() };
        let explained = explain(&config, &question);
        let (status, seen) = seen_for(&world, &mut wire, &raw);
        let target = seen.as_ref().map(|seen| seen.target().to_owned());
        let said = explained.sent.as_ref().map(|(_, target)| target.clone());
        assert_eq!(target, said, "{raw}: {status}, {explained:?}");
        let Some(target) = target else { continue };
        let again = canonical_with_slashes(&target).unwrap();
        assert_eq!(again.as_str(), target, "{raw}");
        let path = explained.path.unwrap();
        let (to, _) = explained.sent.unwrap();
        let derived = match to.as_str() {
            "stripped" => path.strip_prefix("/app").unwrap().to_owned(),
            "moved" => format!("/v2{}", path.strip_prefix("/deep").unwrap()),
            _ => path.clone(),
        };
        assert_eq!(target, if derived.is_empty() { "/".to_owned() } else { derived }, "{raw}");
        let admin = target.to_ascii_lowercase();
        let admin = to == "stripped" && (admin == "/admin" || admin.starts_with("/admin/"));
        assert!(!admin, "{raw} reached {target}, which asks for a role");
        *sent_as
            .entry(if to == "stripped" || to == "moved" { "rewritten" } else { "as it is" })
            .or_default() += 1;
    }
    assert!(sent_as["rewritten"] > 100, "{sent_as:?}");
}

#[test]
fn a_path_that_does_not_lie_below_the_prefix_is_nowhere() {
    let recorder = Recorder::start();
    let mut setup = app(&[at(&recorder)], "strip_prefix = \"/app\"");
    setup.rules = "[[rules]]\npath = \"/**\"\npublic = true\n".into();
    let world = setup.start();
    let mut wire = wire(&world);
    assert_eq!(get(&mut wire, "/app/x").status, 200);
    for outside in ["/x", "/", "/application", "/APP/x", "/app;x/y"] {
        let answer = get(&mut wire, outside);
        assert!(matches!(answer.status, 401 | 404), "{outside}: {answer:#?}");
    }
    assert_eq!(get(&mut wire, "/x").json()["error"], "path_outside");
    assert_eq!(recorder.count(), 1);
}

#[test]
fn explain_shows_where_a_request_goes_and_as_what() {
    let world = world();
    let output = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args(["explain", "--config"])
        .arg(world.gate.folder().join("rolegate.toml"))
        .args(["GET", "/app/x?y"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("path     /app/x\nupstream stripped\ntarget   /x?y\n"), "{text}");
}
