//! `rolegate dev` as a child process: dev pool, gate and upstream, and the ways into it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::browser::{Browser, Page};
use super::until;
use super::upstream::Recorder;
use super::wire::{Answer, Wire};

/// Killed when dropped.
pub struct Dev {
    /// The process.
    pub child: Child,
    /// What it prints after the line that says it is ready.
    pub stdout: BufReader<std::process::ChildStdout>,
    /// The gate's port.
    pub port: u16,
    folder: TempDir,
}

// === impl Dev ===

impl Dev {
    /// With everything built in.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these flags as well.
    pub fn start_with(more: &[&str]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), more)
    }

    /// With this pool file, these rules, and an upstream that keeps what it was sent.
    pub fn of(pool: &str, rules: &str, upstream: &Recorder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (pool, rules) = (file("pool.toml", pool), file("rules.toml", rules));
        let upstream = format!("http://{}", upstream.address);
        Self::in_folder(folder, &["--pool", &pool, "--config", &rules, "--upstream", &upstream])
    }

    fn in_folder(folder: TempDir, more: &[&str]) -> Self {
        let log = std::fs::File::create(log_of(folder.path())).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rolegate"))
            .args(["dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--pool-listen", "127.0.0.1:0"])
            .args(more)
            .env_clear()
            // A trigger of one's own is run by what is on the path.
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line.trim_end().strip_prefix("ready http://localhost:").and_then(|port| port.parse().ok());
        let log = || std::fs::read_to_string(log_of(folder.path())).unwrap_or_default();
        let port = port.unwrap_or_else(|| panic!("not the line that was promised: {line:?}\n{}", log()));
        Self { child, stdout, port, folder }
    }

    /// What it has written to standard error so far. Its log is written by a thread of its own, so that a line may be
    /// behind the answer that it is about; see [`Dev::told`].
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_of(self.folder.path())).unwrap()
    }

    /// Waits for a line of its log that has all of `parts`.
    pub fn told(&self, parts: &[&str]) -> String {
        let is_it = |line: &&str| parts.iter().all(|part| line.contains(part));
        until(&format!("a line with {parts:?}"), || self.log().lines().find(is_it).map(str::to_owned))
    }

    /// Puts other rules in the place of those that it was started with; see [`Dev::of`].
    pub fn write_rules(&self, rules: &str) {
        let next = self.folder.path().join("rules.next");
        std::fs::write(&next, rules).unwrap();
        std::fs::rename(next, self.folder.path().join("rules.toml")).unwrap();
    }

    /// The gate's address.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// A path of the gate as a whole address.
    pub fn at(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// A browser that is new.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address()).route("localhost", self.address())
    }

    /// Signs in with the pool's own form, in a browser that is new, and opens a page behind the gate.
    pub fn sign_in(&self, name: &str) -> Answer {
        let start = self.at("/reports?x=1");
        let page = self.sign_in_to(&mut self.browser(), name, "/reports?x=1");
        assert_eq!(page.url.as_str(), start);
        page.answer
    }

    /// The same in this browser, on the way to `path`.
    pub fn sign_in_to(&self, browser: &mut Browser, name: &str, path: &str) -> Page {
        let form = browser.navigate(&self.at(path));
        assert_eq!(form.answer.status, 200, "{form:#?}");
        let html = form.answer.text();
        let token = html.split("name=\"_csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let fields = format!("username={name}&password={name}&_csrf={}", token.unwrap());
        let sent = browser.post(form.url.as_str(), &fields);
        assert_eq!(sent.status, 302, "{sent:#?}");
        browser.navigate(sent.location())
    }

    /// Where the pool is, as a browser is sent there.
    pub fn pool(&self) -> Url {
        let answer = self.browser().open(&self.at("/oauth2/start"));
        Url::parse(answer.location()).unwrap().join("/").unwrap()
    }

    /// An action of the pool's JSON API that goes well: its output.
    pub fn call(&self, action: &str, input: &Value) -> Value {
        let (input, port) = (input.to_string(), self.pool().port().unwrap());
        let mut wire = Wire::connect(([127, 0, 0, 1], port).into());
        wire.write(
            format!(
                "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-amz-json-1.1\r\n\
                 X-Amz-Target: AWSCognitoIdentityProviderService.{action}\r\nContent-Length: {}\r\n\
                 Authorization: AWS4-HMAC-SHA256 Credential=any\r\nConnection: close\r\n\r\n{input}",
                input.len()
            )
            .as_bytes(),
        );
        let answer = wire.answer(false).unwrap();
        assert_eq!(answer.status, 200, "{action}: {answer:#?}");
        answer.json()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("stderr")
}
