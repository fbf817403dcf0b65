//! The gate in front of the dev user pool, which is strict where a scripted pool would not notice: its clients, its
//! secrets, the identity providers behind it, what its tokens are bound to.

use std::process::Command;

use tempfile::TempDir;
use url::Url;

use crate::browser::Running;
use crate::login::query_of;
use crate::support::browser::{Browser, Kind};
use crate::support::gate::{Gate, Start};
use crate::support::token::random;
use crate::support::upstream::Recorder;
use crate::support::wire::Answer;

const CLIENT: &str = "devclient4the2suite";
const OLD: &str = "the-old-secret-of-the-client";
const NEW: &str = "the-new-secret-of-the-client";

/// A pool with a client of two secrets and a second identity provider, a gate, and an upstream.
struct House {
    gate: Gate,
    upstream: Recorder,
    issuer: String,
    _pool: Running,
    _folder: TempDir,
}

impl House {
    fn start(secrets: &[&str], lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.toml");
        let seed = format!(
            "[[clients]]\nid = {CLIENT:?}\nsecrets = [{OLD:?}, {NEW:?}]\n\
             callback_urls = [\"https://app.test/oauth2/callback\"]\n\
             logout_urls = [\"https://app.test/oauth2/signout\"]\n\
             [[identity_providers]]\nname = \"Google\"\ntype = \"Google\"\nidentifiers = [\"example.org\"]\n\
             [[federated_users]]\nprovider = \"Google\"\nid = \"1085\"\ngroups = [\"viewer\"]\n\
             attributes = {{ email = \"fay@example.org\" }}\n"
        );
        std::fs::write(&file, seed).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
        command.args(["pool", "--listen", "127.0.0.1:0", "--pool"]).arg(&file);
        let mut pool = Running::start("rolegate pool", command);
        let issuer = pool.wait_for("ready ");

        let upstream = Recorder::start();
        let pool_id = issuer.rsplit_once('/').unwrap().1;
        let toml = format!(
            "public_url = \"https://app.test\"\nupstream = \"http://{}\"\nrequired_roles = [\"viewer\"]\n\
             listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             [cognito]\nuser_pool_id = {pool_id:?}\nissuer = {issuer:?}\nclient_id = {CLIENT:?}\n\
             client_secrets_file = \"{{folder}}/secrets\"\n{lines}\n\
             [session]\nkeys_file = \"{{folder}}/keys\"\n",
            upstream.address
        );
        let start = Start::with(toml).file("secrets", secrets.join("\n")).file("keys", random(32));
        Self { gate: start.start().unwrap(), upstream, issuer, _pool: pool, _folder: folder }
    }

    /// From a link to `start` to the callback's answer. At whichever page of the pool it ends, these fields are
    /// filled in.
    fn sign_in(&self, query: &str, fields: &[(&str, &str)]) -> (Browser, Answer) {
        let mut browser = Browser::new(self.gate.public);
        let back = |next: &Url| next.query_pairs().any(|(name, _)| name == "code");
        let page = browser.follow(&format!("/oauth2/start?rd=%2Fx&{query}"), back);
        let callback = match page.answer.status {
            302 => page.url.join(page.answer.location()).unwrap(),
            _ => {
                let text = page.answer.text();
                let csrf = text.split_once("name=\"_csrf\" value=\"").expect("a form of the pool").1;
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.append_pair("_csrf", csrf.split_once('"').unwrap().0);
                form.extend_pairs(fields);
                let form = form.finish();
                let answer = browser.send(Kind::Program, "POST", &page.url, "", &form);
                page.url.join(answer.location()).unwrap()
            }
        };
        assert_eq!(callback.path(), "/oauth2/callback", "{callback}");
        let answer = browser.open(callback.as_str());
        (browser, answer)
    }

    fn user_of(&self, browser: &mut Browser) -> String {
        let mark = self.upstream.mark();
        assert_eq!(browser.fetch("/x").status, 200);
        let seen = self.upstream.since(mark);
        seen[0].head.one("x-user").unwrap().to_owned()
    }
}

#[test]
fn a_rejected_secret_does_not_use_up_the_code() {
    let unknown = random(30);
    let house = House::start(&[&unknown, NEW], "");
    for _ in 0..2 {
        let (mut browser, answer) = house.sign_in("", &[("username", "viewer"), ("password", "viewer")]);
        assert_eq!(answer.location(), "https://app.test/x", "{answer:#?}");
        assert_eq!(house.user_of(&mut browser), "viewer");
    }
    let of_it = |line: &str| line.contains("took another of the app client's secrets").then_some(());
    house.gate.stderr().wait(of_it).expect("a line in the log");
    let said = house.gate.stderr().all();
    assert!(!said.contains(NEW) && !said.contains(&unknown), "{said}");
    // Either secret of a client that has two will do.
    let house = House::start(&[OLD], "");
    let (_, answer) = house.sign_in("", &[("username", "viewer"), ("password", "viewer")]);
    assert_eq!(answer.location(), "https://app.test/x");
}

#[test]
fn an_offered_identity_provider_is_gone_to_straight_away() {
    let house = House::start(&[OLD], "identity_provider = [\"COGNITO\", \"Google\"]");
    let (mut browser, answer) = house.sign_in("identity_provider=Google", &[("user", "Google_1085")]);
    assert_eq!(answer.location(), "https://app.test/x", "{answer:#?}");
    assert_eq!(house.user_of(&mut browser), "Google_1085");
    let (mut browser, _) =
        house.sign_in("identity_provider=COGNITO", &[("username", "viewer"), ("password", "viewer")]);
    assert_eq!(house.user_of(&mut browser), "viewer");
    let refused = Browser::new(house.gate.public).open("/oauth2/start?identity_provider=Facebook");
    assert_eq!(refused.status, 400, "{refused:#?}");

    let house = House::start(&[OLD], "idp_identifier = \"example.org\"");
    let (mut browser, _) = house.sign_in("", &[("user", "Google_1085")]);
    assert_eq!(house.user_of(&mut browser), "Google_1085");
}

#[test]
fn a_login_is_bound_to_the_resource() {
    let resource = "resources = [\"https://api.example.com/v1\"]\nlogin_hint = \"viewer\"";
    let house = House::start(&[OLD], resource);
    let (mut browser, answer) = house.sign_in("", &[("username", "viewer"), ("password", "viewer")]);
    assert_eq!(answer.location(), "https://app.test/x", "{answer:#?}");
    assert_eq!(house.user_of(&mut browser), "viewer");
    let location = Browser::new(house.gate.public).open("/x").location().to_owned();
    assert_eq!(query_of(&Url::parse(&location).unwrap(), "resource"), "https://api.example.com/v1");
}

#[test]
fn a_silent_login_without_a_session_at_the_pool_ends_at_its_form_and_with_one_is_silent() {
    let house = House::start(&[OLD], "prompt = [\"none\", \"login\"]");
    let (mut browser, answer) =
        house.sign_in("prompt=none", &[("username", "viewer"), ("password", "viewer")]);
    assert_eq!(answer.location(), "https://app.test/x", "{answer:#?}");
    assert_eq!(house.user_of(&mut browser), "viewer");
    let again = browser.follow("/oauth2/start?prompt=none&rd=%2Fy", |next| next.path() == "/oauth2/callback");
    let callback = again.url.join(again.answer.location()).unwrap();
    assert_eq!(again.answer.status, 302, "no page was shown: {again:#?}");
    assert_eq!(browser.open(callback.as_str()).location(), "https://app.test/y");
    // And where the password is asked for, it is.
    let page = browser.follow("/oauth2/start?prompt=login", |next| next.path() == "/oauth2/callback");
    assert!(page.answer.text().contains("name=\"password\""), "{page:#?}");
    assert!(page.url.as_str().starts_with(house.issuer.rsplit_once('/').unwrap().0));
}
