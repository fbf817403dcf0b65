//! The gate's own pages as an operator can change them: templates, and fragments that survive a login.

use url::Url;

use crate::support::browser::{Browser, Kind, address};
use crate::support::pool::FakePool;
use crate::support::token::sha256;
use crate::support::upstream::Recorder;
use crate::support::wire::Answer;
use crate::support::world::{Setup, World};

const LAYOUT: &str = "<!doctype html>\n<html lang=\"de\">\n<title>{{ title }}</title>\n<style>h1{color:#123}</style>\n\
                      {% block body %}{% endblock %}\n<footer>{{ request_id }}</footer>\n";
const FORBIDDEN: &str = "{% extends '_layout.html' %}{% block body %}<h1>Kein Zutritt, {{ user }}</h1>\
                         {% for link in links %}<a href=\"{{ link.href }}\">{{ link.text }}</a>{% endfor %}\
                         <code>{{ code }} {{ status }} {{ reason }}</code>{% endblock %}";
// Refuses to render what the samples do not hold.
const ERROR: &str =
    "{% if code == 'not_found' %}{{ nobody }}{% endif %}<p class=\"mine\">{{ paragraphs|join(' ') }}</p>";

fn with_pages(pages: &[(&str, &str)]) -> Setup {
    let mut setup = Setup::bench().tables("[pages]\nfolder = \"pages\"");
    let file = |(name, text): &(&str, &str)| (format!("pages/{name}"), text.as_bytes().to_vec());
    setup.files.extend(pages.iter().map(file));
    setup
}

#[test]
fn a_template_stands_for_the_built_in_page_and_text_from_outside_is_escaped() {
    let world =
        with_pages(&[("_layout.html", LAYOUT), ("forbidden.html", FORBIDDEN), ("error.html", ERROR)]).start();

    let mut browser = world.signed_in("user");
    let answer = browser.open("/admin");
    assert_eq!(answer.status, 403);
    let text = answer.text();
    let id = answer.header("x-request-id").unwrap();
    for part in ["Kein Zutritt, user", "role_missing 403 Forbidden", "signout?switch=1", id] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(
        answer.header("content-security-policy"),
        Some(
            format!(
                "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'",
                standard(&sha256(b"h1{color:#123}"))
            )
            .as_str()
        )
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));

    // What the pool, or whoever wrote the address, says of an error.
    let mut browser = world.browser();
    let callback = browser.callback_for("user", "/");
    let said = "error=server_error&error_description=%3Cscript%3Ealert(1)%3C/script%3E%22%27";
    let answer = browser.open(&format!("/oauth2/callback?{said}&state={}", browser_state(&callback)));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("class=\"mine\""), "{}", answer.text());
    assert!(
        answer.text().contains("&lt;script&gt;") && !answer.text().contains("<script"),
        "{}",
        answer.text()
    );

    // A program still gets its JSON, and what has no template of its own the built-in page.
    let answer = world.browser().fetch("/admin");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let answer = world.browser().open("/oauth2/signout");
    assert!(answer.text().contains("You are signed out"), "{}", answer.text());
    assert!(!answer.header("content-security-policy").unwrap().contains("img-src"));
}

#[test]
fn a_template_that_fails_is_the_built_in_page_and_a_line_in_the_log() {
    let world = with_pages(&[("error.html", ERROR)]).start();
    let answer = world.browser().open("/oauth2/nothing-here");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("There is no such page"), "{}", answer.text());
    assert!(!answer.header("content-security-policy").unwrap().contains("img-src"), "its own policy");
    let line = world.gate.stderr().wait(|line| line.contains("template failed").then(|| line.to_owned()));
    assert!(line.is_some_and(|line| line.contains("error.html:1")), "the log names file and line");
    // The others of the same template are not touched by it.
    let answer = world.browser().open("/a%2fb");
    assert!(answer.text().contains("class=\"mine\""), "{}", answer.text());
}

#[test]
fn a_broken_template_is_a_configuration_error_with_its_line() {
    for (text, said) in [
        ("<p>\n{{ title|safe }}", "pages/error.html:2: pages.folder: the filter safe"),
        ("\n\n<script>x</script>", "pages/error.html:3: pages.folder: <script>"),
        ("{% if %}", "pages/error.html:1: pages.folder: syntax error"),
    ] {
        let (pool, upstream) = (FakePool::start(), Recorder::start());
        let refused = with_pages(&[("error.html", text)]).unready().try_start_with(&pool, &upstream);
        let refused = refused.err().expect("the gate does not start");
        assert_eq!(refused.code, Some(78));
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
}

#[test]
fn a_login_that_keeps_the_fragment_is_a_page_that_goes_on() {
    let world = keeping();
    let mut browser = world.browser();
    let answer = browser.open("/app?x=1");
    let pool = goes_on(&answer, "keep");
    let state = pool.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    assert!(answer.text().contains(&format!("data-keep=\"{state}\"")), "{}", answer.text());
    assert_eq!(browser.jar.named("__Host-rolegate-login-").len(), 1, "the attempt's cookie is there");

    browser.signs_in_as = Some("user".into());
    let back = browser.send(Kind::Navigate, "GET", &pool, "", "");
    let callback = pool.join(back.location()).unwrap();
    let answer = browser.open(callback.as_str());
    assert_eq!(goes_on(&answer, "back").as_str(), "https://app.test/app?x=1");
    assert!(answer.text().contains(&format!("data-back=\"{state}\"")), "{}", answer.text());
    assert_eq!(browser.open("/app?x=1").status, 200, "the session is there");
    assert!(browser.jar.named("__Host-rolegate-login-").is_empty());

    // The callback again: nothing is kept any more, and the target is still known.
    let answer = browser.open(callback.as_str());
    assert_eq!((answer.status, answer.location()), (302, "https://app.test/"));
    // HEAD says the same without a body.
    let answer = world.browser().send(Kind::Navigate, "HEAD", &address("/app"), "", "");
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
}

#[test]
fn where_no_fragment_is_to_be_kept_the_login_is_a_redirect() {
    let world = keeping();
    // `rd` brings its own, or leads to another origin, which is not told.
    for rd in ["/app%23section", "https://docs.test/x"] {
        let mut browser = world.browser();
        let answer = browser.open(&format!("/oauth2/start?rd={rd}"));
        assert_eq!(answer.status, 302, "{rd}: {answer:#?}");
        browser.signs_in_as = Some("user".into());
        let pool = Url::parse(answer.location()).unwrap();
        let back = browser.send(Kind::Navigate, "GET", &pool, "", "");
        let answer = browser.open(pool.join(back.location()).unwrap().as_str());
        assert_eq!(answer.status, 302, "{rd}: {answer:#?}");
    }
    // A start with a path of ours keeps what its own address has.
    goes_on(&world.browser().open("/oauth2/start?rd=/app"), "keep");
    // A restart does not know where the first attempt was going.
    let callback = callback_of(&world, &mut world.browser());
    assert_eq!(world.browser().open(callback.as_str()).status, 302);
    // What is not sent to log in gets no such page either.
    assert_eq!(world.browser().fetch("/app").status, 401);
    assert_eq!(world.browser().send(Kind::Frame, "GET", &address("/app"), "", "").status, 401);
    // And without the key nobody does.
    assert_eq!(World::bench().browser().open("/app").status, 302);
}

fn keeping() -> World {
    Setup::bench()
        .top("allowed_return_hosts = [\"docs.test\"]")
        .tables("[pages]\nkeep_fragment = true")
        .start()
}

/// The page's one link; asserts what the page owes its reader.
fn goes_on(answer: &Answer, carry: &str) -> Url {
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
    let text = answer.text();
    let script = between(&text, "<script>", "</script>");
    let style = between(&text, "<style>", "</style>");
    assert_eq!(text.matches("<script").count(), 1);
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        standard(&sha256(script.as_bytes())),
        standard(&sha256(style.as_bytes()))
    );
    assert_eq!(answer.header("content-security-policy"), Some(policy.as_str()));
    assert!(!script.contains("http"), "the script is one constant: {script}");
    assert!(text.contains(&format!("data-{carry}=\"")), "{text}");
    let href = between(&text, "href=\"", "\"").replace("&amp;", "&");
    let refresh = between(&text, "content=\"0;url=", "\"").replace("&amp;", "&");
    assert_eq!(href, refresh, "without scripts it goes to the same address");
    Url::parse(&href).unwrap()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} after {from} in {text}")).0
}

fn callback_of(world: &World, browser: &mut Browser) -> Url {
    let pool = goes_on(&browser.open("/app"), "keep");
    browser.signs_in_as = Some("user".into());
    let back = browser.send(Kind::Navigate, "GET", &pool, "", "");
    assert!(pool.as_str().starts_with(&world.pool.origin()), "{pool}");
    pool.join(back.location()).unwrap()
}

fn browser_state(callback: &Url) -> String {
    callback.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

fn standard(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn a_page_that_comes_into_the_folder_is_shown_without_a_restart() {
    let world = with_pages(&[("forbidden.html", FORBIDDEN), ("_layout.html", LAYOUT)]).start();
    let mut browser = world.signed_in("user");
    assert!(!browser.open("/oauth2/nothing").text().contains("class=\"mine\""));
    let from = world.gate.stderr().count();
    std::fs::write(world.gate.folder().join("pages/error.html"), "<p class=\"mine\">{{ status }}</p>")
        .unwrap();
    let taken = |line: &str| line.contains("configuration taken").then_some(());
    let waited = world.gate.stderr().wait_within(std::time::Duration::from_secs(60), from, taken);
    assert!(waited.is_some(), "{}", world.gate.stderr().all());
    assert!(browser.open("/oauth2/nothing").text().contains("class=\"mine\""));
}
