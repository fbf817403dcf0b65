//! `rolegate doctor` against pools with one thing wrong each: that thing is found, with what mends it, and nothing
//! else is blamed.

use std::process::Command;

use serde_json::{Value, json};

use crate::browser::{Running, node};
use crate::support::pool::{CLIENT_ID, CLIENT_SECRET, Endpoint, FakePool, POOL_ID, Reply};
use crate::support::wire::Wire;

mod others;

const ID: &str = "eu-central-1_DevPool1";
const CLIENT: &str = "doctorsclient4rolegate0001";
const SECRET: &str = "a-secret-that-nobody-may-ever-read";
const AUTHORIZE: [&str; 4] = ["client", "login", "callback", "scopes"];

/// A pool file with one client, to which everything is registered.
const POOL: &str = r#"
[pool]
id = "eu-central-1_DevPool1"
[[clients]]
id = "doctorsclient4rolegate0001"
secrets = ["a-secret-that-nobody-may-ever-read"]
callback_urls = ["https://app.test/oauth2/callback", "https://two.test/oauth2/callback"]
logout_urls = ["https://app.test/oauth2/signout", "https://two.test/oauth2/signout"]
scopes = ["openid", "email", "profile"]
"#;

/// `rolegate pool` with a file.
struct Pool {
    _program: Running,
    issuer: String,
    _folder: tempfile::TempDir,
}

/// What the doctor said: as text, and as JSON of another run.
struct Told {
    code: Option<i32>,
    text: String,
    json: Value,
}

#[test]
fn everything_well_exits_with_zero() {
    let told = doctor(&config(&Pool::start(POOL)));
    assert_eq!(told.code, Some(0), "{}", told.text);
    told.all_ok_but(&["lifetimes", "rotation", "trigger"]);
    assert!(told.text.contains("\nnothing failed, 3 could not be seen from here\n"), "{}", told.text);
    assert!(!told.text.contains('\x1b'), "no colours where nobody sits at a terminal");
    assert_eq!(told.json["well"], true);
}

#[test]
fn row_03_doctor_prints_the_addresses_of_a_pool_and_names_the_404_of_a_wrong_id() {
    let pool = Pool::start(POOL);
    let told = doctor(&config(&pool));
    let origin = pool.origin();
    for line in [
        format!("  issuer         {}", pool.issuer),
        format!("  authorization  {origin}/oauth2/authorize"),
        format!("  token          {origin}/oauth2/token"),
        format!("  jwks           {}/.well-known/jwks.json", pool.issuer),
        format!("  sign-out       {origin}/logout"),
        format!("  revocation     {origin}/oauth2/revoke"),
        "  callback       https://app.test/oauth2/callback".into(),
        "  sign-out       https://app.test/oauth2/signout".into(),
        "ok      callback    https://app.test/oauth2/callback is registered".into(),
    ] {
        assert!(told.text.lines().any(|known| known == line), "{line:?} in\n{}", told.text);
    }
    assert_eq!(told.code, Some(0), "{}", told.text);

    let told = doctor(&config(&pool).replace(ID, "eu-central-1_Another"));
    assert_eq!(told.code, Some(1));
    told.failed("discovery", "answered 404: there is no pool eu-central-1_Another in eu-central-1");
}

#[test]
fn a_wrong_pool_id_is_found() {
    let told = doctor(&config(&Pool::start(POOL)).replace(ID, "eu-central-1_Another"));
    told.alone("discovery", "answered 404", "aws cognito-idp list-user-pools --region eu-central-1 ");
    told.hides(&["issuer", "domain", "keys", "client", "login", "callback", "scopes", "sign-out"]);
    assert!(told.text.contains("the region is what stands before the first _"), "{}", told.text);
    assert!(told.text.contains("  callback       https://app.test/oauth2/callback"), "{}", told.text);
}

#[test]
fn a_wrong_region_is_found_by_the_domain() {
    let pool = Pool::start(POOL);
    let toml = config(&pool)
        .replace(ID, "eu-west-1_DevPool1")
        .replace("[cognito]", "[cognito]\ndomain = \"https://us.auth.eu-central-1.amazoncognito.com\"");
    let told = doctor(&toml);
    told.alone(
        "discovery",
        "no pool eu-west-1_DevPool1 in eu-west-1",
        "user_pool_id = \"eu-central-1_DevPool1\"",
    );
    told.hides(&["issuer", "domain", "keys", "client", "login", "callback", "scopes", "sign-out"]);
}

#[test]
fn a_misspelt_region_is_found() {
    // RFC 6761 §6.4: no such name is ever found.
    let toml = with_issuer("https://cognito-idp.eu-centrl-1.amazonaws.invalid/eu-centrl-1_DevPool1")
        .replace(ID, "eu-centrl-1_DevPool1");
    let told = doctor(&toml);
    told.alone("discovery", "there is no host of that name", "user_pool_id = \"eu-central-1_DevPool1\"");
    assert_eq!(told.finding("clock")["level"], "unseen");
}

#[test]
fn a_pool_without_a_domain_is_found() {
    let pool = Pool::start(POOL);
    pool.fault("domain", &json!({ "there": false }));
    let told = doctor(&config(&pool));
    told.alone("domain", "the pool has no domain", "--domain eu-central-1devpool1");
    told.hides(&AUTHORIZE);
    told.hides(&["sign-out"]);
    told.ok(&["discovery", "issuer", "keys", "clock"]);
}

#[test]
fn another_domain_than_the_pools_is_found() {
    let pool = Pool::start(POOL);
    let toml = config(&pool).replace("[cognito]", "[cognito]\ndomain = \"https://login.example.com\"");
    let told = doctor(&toml);
    told.alone(
        "domain",
        "the configuration says https://login.example.com",
        &format!("[cognito] domain = \"{}\"", pool.origin()),
    );
    told.ok(&["discovery", "issuer", "keys", "clock", "login", "callback", "scopes", "sign-out"]);
    told.hides(&["client"]);
    assert_eq!(pool.stats()["token"], json!({}), "a secret goes nowhere the gate would not send it");
}

#[test]
fn a_wrong_client_secret_is_found() {
    let pool = Pool::start(POOL);
    let told = doctor(&config(&pool).replace(SECRET, "another-secret-that-is-not-the-clients"));
    told.alone(
        "client",
        "invalid_client: the app client's secret is rejected, its id doctorsclient4rolegate0001 is right",
        "aws cognito-idp describe-user-pool-client --region eu-central-1 --user-pool-id eu-central-1_DevPool1 \
         --client-id doctorsclient4rolegate0001 --query UserPoolClient.ClientSecret --output text",
    );
    told.all_ok_but(&["client", "lifetimes", "rotation", "trigger"]);
}

#[test]
fn a_secret_that_is_not_configured_is_found() {
    let pool = Pool::start(POOL);
    let toml = config(&pool).replace(&format!("client_secret = {SECRET:?}\n"), "");
    let told = doctor(&toml);
    told.alone(
        "client",
        "has a secret, and none is configured",
        "[cognito] client_secret_file = \"/run/secrets/cognito-client-secret\"",
    );
    told.all_ok_but(&["client", "lifetimes", "rotation", "trigger"]);
}

#[test]
fn a_client_without_a_secret_needs_none() {
    let pool = Pool::start(&POOL.replace(&format!("secrets = [{SECRET:?}]\n"), ""));
    let told = doctor(&config(&pool).replace(&format!("client_secret = {SECRET:?}\n"), ""));
    assert_eq!(told.code, Some(0), "{}", told.text);
    // And one that is configured all the same is found.
    let told = doctor(&config(&pool));
    told.alone(
        "client",
        "the app client's secret is rejected",
        "if it prints None, the client has no secret",
    );
    told.all_ok_but(&["client", "lifetimes", "rotation", "trigger"]);
}

#[test]
fn a_secret_that_was_rolled_away_is_a_warning_beside_one_that_is_good() {
    let pool = Pool::start(POOL);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, format!("{SECRET}\nanother-secret-that-is-not-the-clients\n")).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let toml = config(&pool).replace(
        &format!("client_secret = {SECRET:?}"),
        &format!("client_secrets_file = {:?}", file.to_str().unwrap()),
    );
    let told = doctor(&toml);
    assert_eq!(told.code, Some(0), "{}", told.text);
    assert!(
        told.text.contains("ok      client      secret 1 of 2: id and secret are right"),
        "{}",
        told.text
    );
    assert!(told.text.contains("warn    client      secret 2 of 2: invalid_client"), "{}", told.text);
    for secret in [SECRET, "another-secret-that"] {
        assert!(!told.text.contains(secret) && !told.json.to_string().contains(secret));
    }
}

#[test]
fn an_identity_provider_that_the_client_has_not_is_found() {
    let pool = Pool::start(POOL);
    let told = doctor(&config(&pool).replace("[cognito]", "[cognito]\nidentity_provider = \"Gogle\""));
    told.alone(
        "login",
        "the provider refuses a login: invalid_request",
        "aws cognito-idp list-identity-providers ",
    );
    told.ok(&["client", "callback", "sign-out"]);
}

#[test]
fn a_wrong_client_id_is_found() {
    let told = doctor(&config(&Pool::start(POOL)).replace(CLIENT, "nobodysclient4rolegate0001"));
    told.alone(
        "client",
        "the client_id nobodysclient4rolegate0001 is not the provider's",
        "aws cognito-idp list-user-pool-clients --region eu-central-1 --user-pool-id eu-central-1_DevPool1 ",
    );
    told.hides(&["login", "callback", "scopes", "sign-out"]);
    told.ok(&["discovery", "issuer", "domain", "keys", "clock"]);
}

#[test]
fn a_callback_that_is_not_registered_is_found() {
    let told = doctor(&config(&Pool::start(
        &POOL.replace("https://app.test/oauth2/callback", "https://app.test/callback"),
    )));
    told.alone(
        "callback",
        "redirect_mismatch: https://app.test/oauth2/callback is not registered",
        ".CallbackURLs += [\"https://app.test/oauth2/callback\"]",
    );
    assert!(told.text.contains("register https://app.test/oauth2/callback in "), "{}", told.text);
    told.ok(&["discovery", "issuer", "domain", "keys", "clock", "client", "sign-out"]);
    told.hides(&["login", "scopes"]);
}

#[test]
fn each_public_url_has_addresses_of_its_own() {
    let pool = Pool::start(
        &POOL.replace("\"https://two.test/oauth2/callback\"", "").replace("callback\", ]", "callback\"]"),
    );
    let toml = config(&pool).replace("\"https://app.test\"", "[\"https://app.test\", \"https://two.test\"]");
    let told = doctor(&toml);
    told.alone(
        "callback",
        "https://two.test/oauth2/callback is not registered",
        "[\"https://two.test/oauth2/callback\"]",
    );
    assert!(
        told.text.contains("ok      callback    https://app.test/oauth2/callback is registered"),
        "{}",
        told.text
    );
    told.ok(&["client", "login", "scopes", "sign-out"]);
}

#[test]
fn a_sign_out_address_that_is_not_registered_is_found() {
    let told =
        doctor(&config(&Pool::start(&POOL.replace("https://app.test/oauth2/signout", "https://app.test/"))));
    told.alone(
        "sign-out",
        "https://app.test/oauth2/signout is not registered",
        ".LogoutURLs += [\"https://app.test/oauth2/signout\"]",
    );
    told.all_ok_but(&["sign-out", "lifetimes", "rotation", "trigger"]);
}

#[test]
fn a_missing_scope_is_found_by_its_name() {
    let told = doctor(&config(&Pool::start(&POOL.replace(", \"profile\"]", "]"))));
    told.alone(
        "scopes",
        "invalid_scope: the client may not ask for profile",
        ".AllowedOAuthScopes += [\"profile\"]",
    );
    assert!(told.text.contains("or do without: [cognito] scopes = [\"openid\", \"email\"]"), "{}", told.text);
    told.all_ok_but(&["scopes", "lifetimes", "rotation", "trigger"]);
}

#[test]
fn a_clock_that_is_off_by_minutes_is_found_with_its_side() {
    for (advance, side) in [(300, "behind"), (-300, "ahead of")] {
        let pool = Pool::start(POOL);
        pool.fault("clock", &json!({ "advance": advance }));
        let told = doctor(&config(&pool));
        told.alone("clock", side, "timedatectl set-ntp true");
        let found = told.finding("clock")["found"].as_str().unwrap().to_owned();
        assert!(["299 s", "300 s", "301 s"].iter().any(|about| found.contains(about)), "{found}");
        told.all_ok_but(&["clock", "lifetimes", "rotation", "trigger"]);
    }
}

#[test]
fn a_clock_that_is_a_little_off_is_a_warning() {
    let pool = Pool::start(POOL);
    pool.fault("clock", &json!({ "advance": 30 }));
    let told = doctor(&config(&pool));
    assert_eq!(
        (told.code, told.finding("clock")["level"].as_str()),
        (Some(0), Some("warn")),
        "{}",
        told.text
    );
    told.all_ok_but(&["clock", "lifetimes", "rotation", "trigger"]);
}

#[test]
fn asking_signs_nobody_in_and_takes_one_call_a_secret() {
    let pool = Pool::start(POOL);
    doctor(&config(&pool));
    let stats = pool.stats();
    // Text and JSON are two runs.
    assert_eq!(stats["token"], json!({ "authorization_code": 2 }));
    assert_eq!((&stats["sign_ins"], &stats["revoke"]), (&json!(0), &json!(0)));
    assert_eq!(stats["held"], json!({ "codes": 0, "sessions": 0, "grants": 0, "refresh_tokens": 0 }));
}

#[test]
fn who_may_write_a_role_is_said_to_be_unseen_with_the_command_to_look() {
    let pool = Pool::start(POOL);
    let toml = config(&pool) + "[[identity.roles]]\nclaim = \"custom:role\"\n";
    let told = doctor(&toml);
    assert_eq!(told.code, Some(0), "{}", told.text);
    let finding = told.finding("attributes");
    assert_eq!(finding["level"], "unseen");
    assert!(finding["found"].as_str().unwrap().contains("who may write custom:role"), "{finding}");
    let command = finding["fix"][1].as_str().unwrap();
    assert!(command.contains("--query UserPoolClient.WriteAttributes"), "{command}");
    assert!(
        command.contains("list-user-pool-clients --region eu-central-1 --user-pool-id eu-central-1_DevPool1")
    );
    told.all_ok_but(&["attributes", "lifetimes", "rotation", "trigger"]);
}

#[test]
fn a_wrong_configuration_exits_with_78_and_asks_nobody() {
    let pool = Pool::start(POOL);
    let (code, out, err) = run(&config(&pool).replace("required_roles", "required_role"), &[]);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    assert!(err.contains("required_role: unknown key"), "{err}");
    assert_eq!(pool.stats()["discovery"], 0);
}

/// The configuration of a gate in front of a pool.
fn config(pool: &Pool) -> String {
    with_issuer(&pool.issuer)
}

fn with_issuer(issuer: &str) -> String {
    format!(
        "public_url = \"https://app.test\"\nupstream = \"http://127.0.0.1:8080\"\nrequired_roles = [\"viewer\"]\n\
         [session]\nkeys = [\"3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg=\"]\n\
         [cognito]\nuser_pool_id = {ID:?}\nissuer = {issuer:?}\nclient_id = {CLIENT:?}\nclient_secret = {SECRET:?}\n"
    )
}

/// Runs the program both ways. Neither may show a secret.
fn doctor(toml: &str) -> Told {
    let (code, text, err) = run(toml, &[]);
    let (again, json, _) = run(toml, &["--json"]);
    let secrets = toml.lines().filter_map(|line| line.strip_prefix("client_secret = "));
    for secret in secrets.map(|secret| secret.trim_matches('"')).chain(["3q2+78r"]) {
        for shown in [&text, &json, &err] {
            assert!(!shown.contains(secret), "a secret is shown:\n{shown}");
        }
    }
    assert_eq!(code, again, "{text}");
    let json = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}\n{err}"));
    Told { code, text, json }
}

fn run(toml: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rolegate.toml");
    std::fs::write(&file, toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
    let output = command.args(["doctor", "--config"]).arg(&file).args(flags).env_clear().output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

// === impl Pool ===

impl Pool {
    fn start(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool.toml");
        std::fs::write(&path, file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
        command.args(["pool", "--listen", "127.0.0.1:0", "--pool"]).arg(&path);
        let mut program = Running::start("rolegate pool", command);
        let issuer = program.wait_for("ready ");
        Self { _program: program, issuer, _folder: folder }
    }

    fn origin(&self) -> &str {
        self.issuer.rsplit_once('/').unwrap().0
    }

    fn fault(&self, which: &str, body: &Value) {
        self.dev("POST", which, &body.to_string());
    }

    fn stats(&self) -> Value {
        serde_json::from_slice(&self.dev("GET", "stats", "")).unwrap()
    }

    fn dev(&self, method: &str, which: &str, body: &str) -> Vec<u8> {
        let authority = self.origin().strip_prefix("http://").unwrap();
        let mut wire = Wire::connect(authority.parse().unwrap());
        let head = format!(
            "{method} /_dev/{which} HTTP/1.1\r\nHost: {authority}\r\nX-Rolegate-Dev: 1\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.write(head.as_bytes());
        let answer = wire.answer(false).unwrap();
        assert!(answer.status < 300, "{which}: {}", answer.text());
        answer.body
    }
}

// === impl Told ===

impl Told {
    /// The first finding about something that is not well; else the first one.
    fn finding(&self, what: &str) -> &Value {
        let of = || self.findings().filter(|finding| finding["what"] == what);
        let found = of().find(|finding| finding["level"] != "ok").or_else(|| of().next());
        found.unwrap_or_else(|| panic!("nothing about {what}:\n{}", self.text))
    }

    fn failed(&self, what: &str, found: &str) {
        let finding = self.finding(what);
        assert_eq!(finding["level"], "fail", "{}", self.text);
        assert!(finding["found"].as_str().unwrap().contains(found), "{found:?} in\n{}", self.text);
    }

    /// This failed, with what mends it, and nothing else did: on one line of the text, the fix below it.
    fn alone(&self, what: &str, found: &str, fix: &str) {
        assert_eq!(self.code, Some(1), "{}", self.text);
        self.failed(what, found);
        let blamed: Vec<&Value> =
            self.findings().filter(|finding| ["fail", "warn"].contains(&level(finding))).collect();
        assert_eq!(blamed.len(), 1, "{}", self.text);
        let lines: Vec<&str> = self.text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with("fail") && line.contains(found));
        let at = at.unwrap_or_else(|| panic!("no line says it:\n{}", self.text));
        let mut below = lines[at + 1..].iter().take_while(|line| line.starts_with("    "));
        assert!(below.any(|line| line.contains(fix)), "{fix:?} below it:\n{}", self.text);
    }

    /// All of these are well.
    fn ok(&self, what: &[&str]) {
        for what in what {
            assert_eq!(level(self.finding(what)), "ok", "{what}:\n{}", self.text);
        }
    }

    /// These were not looked at, and why is said.
    fn hides(&self, what: &[&str]) {
        for what in what {
            let finding = self.finding(what);
            assert_eq!(level(finding), "unseen", "{what}:\n{}", self.text);
            assert!(
                finding["found"].as_str().unwrap().starts_with("not looked at: "),
                "{what}:\n{}",
                self.text
            );
        }
    }

    /// All but these are well.
    fn all_ok_but(&self, but: &[&str]) {
        for finding in self.findings() {
            let what = finding["what"].as_str().unwrap();
            assert_eq!(level(finding) == "ok", !but.contains(&what), "{what}:\n{}", self.text);
        }
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.json["findings"].as_array().unwrap().iter()
    }
}

fn level(finding: &Value) -> &str {
    finding["level"].as_str().unwrap()
}
