//! The gate's pages speak the browser's language, and nothing else of an answer depends on it.

use crate::support::browser::{Kind, address};
use crate::support::upstream;
use crate::support::wire::Answer;
use crate::support::world::{Setup, World};

const GERMAN: &str = "Accept-Language: de-AT,de;q=0.9,en;q=0.8\r\n";

/// The language of a page, by all that says so.
fn language(answer: &Answer) -> String {
    let text = answer.text();
    let (_, rest) = text.split_once("<html lang=\"").unwrap_or_else(|| panic!("no page: {answer:#?}"));
    let lang = rest.split_once('"').unwrap().0.to_owned();
    assert_eq!(answer.header("content-language"), Some(lang.as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("vary"), None, "what is never stored varies for nobody");
    lang
}

fn speaks(answer: &Answer, tag: &str, words: &str) {
    assert_eq!(language(answer), tag, "{answer:#?}");
    assert!(answer.text().contains(words), "{words}: {}", answer.text());
}

#[test]
fn a_page_is_in_the_language_that_the_browser_likes_best() {
    let world = World::bench();
    let mut browser = world.signed_in("user");
    for (lines, tag, words) in [
        ("", "en", "You are signed in as user."),
        (GERMAN, "de", "Sie sind als user angemeldet."),
        ("Accept-Language: en;q=0.1, fr-CA\r\n", "fr", "Vous êtes connecté en tant que user."),
        (
            "Accept-Language: nl\r\nAccept-Language: es-419;q=0.3, ja;q=0.2\r\n",
            "es",
            "Ha iniciado sesión como user.",
        ),
        ("Accept-Language: ja-JP\r\n", "ja", "user としてサインインしています。"),
        ("Accept-Language: nl, *;q=0.5\r\n", "en", "You are signed in as user."),
        ("Accept-Language: de;q=0\r\n", "en", "You are signed in as user."),
        ("Accept-Language: \u{e9}\r\n", "en", "You are signed in as user."),
    ] {
        let answer = browser.send(Kind::Navigate, "GET", &address("/admin"), lines, "");
        assert_eq!(answer.status, 403);
        speaks(&answer, tag, words);
        for name in ["403", "/oauth2/signout?switch=1", answer.header("x-request-id").unwrap()] {
            assert!(answer.text().contains(name), "{name} in {tag}: {}", answer.text());
        }
    }
    // What a page is about stands in it escaped, in any language.
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/");
    let state = callback.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let said = format!("/oauth2/callback?error=server_error&error_description=%3Cb%3E&state={state}");
    let answer = browser.send(Kind::Navigate, "GET", &address(&said), GERMAN, "");
    assert!(language(&answer) == "de" && !answer.text().contains("<b>"), "{}", answer.text());
}

#[test]
fn every_kind_of_page_is_in_it() {
    let world = World::bench();
    for (kind, method, path, status, words) in [
        (Kind::Navigate, "GET", "/oauth2/userinfo", 401, "Bitte melden Sie sich an"),
        (Kind::Form, "POST", "/app", 401, "Anmelden"),
        (Kind::Frame, "GET", "/app", 401, "Anmelden"),
        (Kind::Navigate, "GET", "/a%2fb", 400, "nicht eindeutig"),
        (Kind::Navigate, "GET", "/oauth2/nothing", 404, "Diese Seite gibt es nicht"),
        (Kind::Navigate, "GET", "/oauth2/signout", 200, "Erneut anmelden"),
    ] {
        let answer = world.browser().send(kind, method, &address(path), GERMAN, "");
        assert_eq!(answer.status, status, "{path}");
        speaks(&answer, "de", words);
    }
    let keeping = Setup::bench().tables("[pages]\nkeep_fragment = true").start();
    let answer = keeping.browser().send(Kind::Navigate, "GET", &address("/app"), GERMAN, "");
    speaks(&answer, "de", "Anmeldung läuft");
    let mut browser = world.signed_in("user");
    let answer = browser.send(Kind::Navigate, "GET", &address("/oauth2/userinfo"), GERMAN, "");
    speaks(&answer, "de", "Abmelden");
    // The request is gone to the upstream by then, and its wishes are known all the same.
    world.upstream.behave(upstream::answers_and_closes("what is no HTTP\r\n\r\n"));
    let answer = browser.send(Kind::Navigate, "GET", &address("/app"), GERMAN, "");
    assert_eq!(answer.status, 502);
    speaks(&answer, "de", "Die Anwendung ist nicht erreichbar");
}

#[test]
fn programs_are_told_in_english() {
    let world = World::bench();
    let mut browser = world.signed_in("user");
    let answer = browser.send(Kind::Fetch, "GET", &address("/admin"), GERMAN, "");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("content-language"), None);
    let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(problem["title"], "You may not see this");
    assert_eq!(problem["detail"], "You are signed in as user. This page needs the role admin.");
}

#[test]
fn a_template_knows_the_language_and_says_itself_which_one_it_is_in() {
    let mut setup = Setup::bench().tables("[pages]\nfolder = \"pages\"");
    let page = "<!doctype html><html lang=\"{{ language }}\"><h1>{{ title }}</h1>\
                {% if language == \"de\" %}Moin{% endif %}{% for link in links %} {{ link.to }}{% endfor %}";
    setup.files.push(("pages/error.html".into(), page.as_bytes().to_vec()));
    let world = setup.start();
    let mut browser = world.browser();
    for (lines, shown) in [
        (GERMAN, "<html lang=\"de\"><h1>Diese Seite gibt es nicht</h1>Moin start_page"),
        ("", "<html lang=\"en\"><h1>There is no such page</h1> start_page"),
    ] {
        let answer = browser.send(Kind::Navigate, "GET", &address("/oauth2/nothing"), lines, "");
        assert!(answer.text().ends_with(shown), "{}", answer.text());
        assert_eq!(answer.header("content-language"), None);
    }
}
