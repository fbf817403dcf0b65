//! `rolegate import`: what comes out of another program's configuration is ours, keeps shut what was shut, and runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::browser::{Browser, Kind, ORIGIN, address};
use crate::support::gate::{Gate, Start};
use crate::support::pool::{CLIENT_ID, CLIENT_SECRET, FakePool, POOL_ID, User};
use crate::support::token::random;
use crate::support::upstream::Recorder;

/// Part of every secret in the fixtures.
const SECRET: &str = "not-for-any-file";

#[test]
fn every_fixture_becomes_exactly_the_expected_file_and_report() {
    let mut differences = String::new();
    let files = fixtures();
    assert!(files.len() > 5, "{files:?}");
    for file in &files {
        let answer = import(&[file.to_str().unwrap()]);
        assert!(answer.status.success(), "{}: {answer:?}", file.display());
        for (bytes, extension) in [(&answer.stdout, "toml"), (&answer.stderr, "report")] {
            let text = String::from_utf8(bytes.clone()).unwrap();
            // As it is and as a program in Go may have been given it.
            assert!(
                !text.contains(SECRET) && !text.contains("bm90LWZvci1hbnktZmlsZ"),
                "{}:\n{text}",
                file.display()
            );
            let name = format!("{}.{extension}", file.file_name().unwrap().to_str().unwrap());
            let expected = folder().join("expected").join(name);
            // UPDATE_EXPECTED=1 writes what came out; the difference is then read in the commit.
            if std::env::var_os("UPDATE_EXPECTED").is_some() {
                std::fs::write(&expected, &text).unwrap();
            } else if text != std::fs::read_to_string(&expected).unwrap_or_default() {
                differences += &format!("--- {}\n{text}", expected.display());
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn what_was_whole_passes_the_check_once_its_secrets_are_in_place() {
    for name in ["cognito.cfg", "variables.env", "deployment.yaml"] {
        let place = tempfile::tempdir().unwrap();
        let secrets = place.path().display().to_string();
        for file in ["client-secret", "store-password"] {
            private(&place.path().join(file), &random(24));
        }
        private(&place.path().join("session-keys"), &random(32));
        let text = String::from_utf8(import(&[folder().join(name).to_str().unwrap()]).stdout).unwrap();
        let config = place.path().join("rolegate.toml");
        std::fs::write(&config, text.replace("/run/secrets", &secrets)).unwrap();
        let checked = rolegate(&["check", "--config", config.to_str().unwrap()], None);
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn the_gate_that_was_imported_signs_people_in_and_keeps_shut_what_was_shut() {
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    let gate = started(&pool, &upstream);
    pool.user(User::new("mallory", &["user"]).with("email_verified", false));
    pool.user(User::new("stranger", &["other"]));

    let mut nobody = Browser::new(gate.public);
    for (path, status) in
        [("/assets/app.js", 200), ("/list", 200), ("/assets", 302), ("/app.css", 302), ("/", 302)]
    {
        assert_eq!(nobody.open(path).status, status, "{path}");
    }
    assert_eq!(nobody.send(Kind::Fetch, "POST", &address("/list"), "", "").status, 401);
    assert_eq!(nobody.open("/oauth2/static/app.js").status, 404);

    let mark = upstream.mark();
    let mut person = Browser::new(gate.public);
    person.sign_in("user");
    assert_eq!(person.open("/reports?q=1").status, 200);
    let seen = upstream.wait_for(mark, 1);
    let head = &seen.last().unwrap().head;
    let sub = User::new("user", &[]).sub;
    assert_eq!((head.one("x-forwarded-user"), head.one("x-user")), (Some(sub.as_str()), Some(sub.as_str())));
    // Beside open paths it would carry addresses that nobody verified.
    assert_eq!(head.one("x-forwarded-email"), None);
    assert!(head.one("x-forwarded-groups").unwrap().split(',').any(|group| group == "user"));
    assert_eq!(person.send(Kind::Fetch, "POST", &address("/list"), "", "").status, 200);

    for name in ["mallory", "stranger"] {
        let mark = upstream.mark();
        let mut refused = Browser::new(gate.public);
        refused.sign_in(name);
        assert_eq!(refused.open("/reports").status, 403, "{name}");
        assert!(upstream.since(mark).is_empty(), "{name}");
    }
}

#[test]
fn standard_input_is_read_and_a_file_that_is_there_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("new.toml");
    let words = ["import", "oauth2-proxy", "--output", output.to_str().unwrap(), "-"];
    let text = std::fs::read_to_string(folder().join("minimal.cfg")).unwrap();
    let first = rolegate(&words, Some(&text));
    assert!(first.status.success() && first.stdout.is_empty(), "{first:?}");
    let written = std::fs::read_to_string(&output).unwrap();
    assert!(written.contains("upstream = \"http://127.0.0.1:8080\""), "{written}");
    let again = rolegate(&words, Some("upstreams = [\"http://127.0.0.1:9\"]\n"));
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), written);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a.cfg");
    std::fs::write(&file, format!("client_id = \"a\"\nclient_secret = {SECRET}\n")).unwrap();
    let answer = import(&[file.to_str().unwrap()]);
    let said = String::from_utf8(answer.stderr).unwrap();
    assert_eq!((answer.status.code(), answer.stdout.is_empty()), (Some(78), true), "{said}");
    assert!(said.starts_with(&format!("{}:2: ", file.display())) && !said.contains(SECRET), "{said}");
    assert_eq!(import(&["/no/such/file"]).status.code(), Some(1));
    assert_eq!(import(&["--format", "ini", "x"]).status.code(), Some(64));
}

/// From a configuration for this pool and upstream, with only the addresses of the test put in afterwards.
fn started(pool: &FakePool, upstream: &Recorder) -> Gate {
    let text = format!(
        "provider = \"oidc\"\n\
         oidc_issuer_url = \"https://cognito-idp.eu-central-1.amazonaws.com/{POOL_ID}\"\n\
         client_id = {CLIENT_ID:?}\nclient_secret = {CLIENT_SECRET:?}\nscope = \"openid\"\n\
         redirect_url = \"{ORIGIN}/oauth2/callback\"\nupstreams = [\"http://{}/\"]\n\
         http_address = \"127.0.0.1:0\"\nmetrics_address = \"127.0.0.1:0\"\n\
         email_domains = [\"*\"]\nallowed_groups = [\"user\"]\n\
         skip_auth_routes = [\"^/assets/\", \"GET=^/list$\", \"\\\\.css$\"]\n",
        upstream.address
    );
    let answer = rolegate(&["import", "oauth2-proxy", "-"], Some(&text));
    assert!(answer.status.success(), "{answer:?}");
    let toml = String::from_utf8(answer.stdout).unwrap();
    let here = format!("[cognito]\nissuer = {:?}\n", pool.issuer());
    let toml = toml.replace("[cognito]\n", &here).replace("/run/secrets", "{folder}");
    let start = Start::with(toml).file("client-secret", CLIENT_SECRET).file("session-keys", random(32));
    start.start().unwrap_or_else(|refused| panic!("{refused:#?}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import")
}

fn fixtures() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files
        .filter(|file| file.is_file() && file.extension().is_some_and(|extension| extension != "txt"))
        .collect();
    found.sort();
    found
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn import(words: &[&str]) -> Output {
    rolegate(&[&["import", "oauth2-proxy"], words].concat(), None)
}

fn rolegate(words: &[&str], input: Option<&str>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args(words)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that refuses may have closed it.
    let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}
