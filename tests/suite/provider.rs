//! The gate in front of OpenID providers nobody here wrote, by `[oidc]` configuration alone: `rolegate run`, a provider, a
//! browser, and an upstream that keeps what it was sent.
//!
//! | provider | what it does differently |
//! |---|---|
//! | npm's `oidc-provider` (certified) | opaque access tokens, PKCE required, asks for consent, rotates refresh tokens |
//! | PyPI's `oidc-provider-mock` | no word on PKCE, revocation or client authentication in its discovery document |

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::browser::{Running, in_node, node};

const FILE: &str = "provider.test.mjs";

#[test]
fn signs_in_and_the_upstream_learns_user_and_roles() {
    let house = House::start(npm, 3600);
    house.visit("signs_in_and_the_upstream_learns_user_and_roles");
    house.upstream.saw_the_librarian();
}

#[test]
fn a_user_without_the_role_is_refused_by_a_page() {
    let house = House::start(npm, 3600);
    house.visit("a_user_without_the_role_is_refused_by_a_page");
    assert!(house.upstream.heads().is_empty(), "the upstream hears nothing of someone who may not come in");
}

#[test]
fn sign_out_is_initiated_at_the_provider_and_comes_back() {
    let mut house = House::start(npm, 3600);
    house.visit("sign_out_is_initiated_at_the_provider_and_comes_back");
    house.provider.wait_for("destroyed refresh_token");
}

#[test]
fn the_session_outlives_the_access_token() {
    let mut house = House::start(npm, 5);
    house.visit("the_session_outlives_the_access_token");
    house.provider.wait_for("granted authorization_code");
    house.provider.wait_for("granted refresh_token");
}

#[test]
fn another_provider_needs_no_other_configuration() {
    let house = House::start(pypi, 3600);
    house.visit("another_provider_needs_no_other_configuration");
    house.upstream.saw_the_librarian();
}

/// What the gate and a provider agree on before they meet.
struct Agreement {
    gate: String,
    /// With the characters that a form and a Basic header treat differently, so that the encoding is tested too.
    client_secret: &'static str,
    access_token_seconds: u32,
}

/// Starts a provider; gives it with its issuer.
type Start = fn(&Agreement) -> (Running, String);

fn npm(agreed: &Agreement) -> (Running, String) {
    let mut command = node();
    command
        .arg("provider.mjs")
        .env("GATE", &agreed.gate)
        .env("CLIENT_SECRET", agreed.client_secret)
        .env("ACCESS_TOKEN_SECONDS", agreed.access_token_seconds.to_string());
    let mut provider = Running::start("oidc-provider", command);
    let issuer = provider.wait_for("ready ");
    (provider, issuer)
}

/// Takes any client with any secret; asks for the subject in its form.
fn pypi(agreed: &Agreement) -> (Running, String) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/.venv/bin/oidc-provider-mock");
    assert!(
        program.is_file(),
        "the provider from PyPI is missing: `make test` installs it into tests/browser"
    );
    let (port, _) = free_ports();
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--require-nonce"])
        .args(["--token-max-age", &agreed.access_token_seconds.to_string()])
        .args([
            "--user-claims",
            r#"{"sub": "librarian", "https://example.org/roles": ["reader", "editor"]}"#,
        ]);
    let mut provider = Running::start("oidc-provider-mock", command);
    provider.wait_for("Uvicorn running on");
    (provider, format!("http://127.0.0.1:{port}"))
}

/// Provider, gate and upstream, each on a port of its own; ended when dropped.
struct House {
    agreed: Agreement,
    issuer: String,
    upstream: Recorder,
    provider: Running,
    _gate: Running,
    _files: tempfile::TempDir,
}

impl House {
    fn start(start: Start, access_token_seconds: u32) -> Self {
        let (port, admin) = free_ports();
        let agreed = Agreement {
            gate: format!("http://localhost:{port}"),
            client_secret: "s3cret+/with:%41signs&=~",
            access_token_seconds,
        };
        let (provider, issuer) = start(&agreed);
        let upstream = Recorder::start();
        let files = tempfile::tempdir().expect("a folder for the configuration");
        let secret = files.path().join("client-secret");
        let keys = files.path().join("session-keys");
        let config = files.path().join("rolegate.toml");
        let fresh = Command::new(env!("CARGO_BIN_EXE_rolegate"))
            .arg("secret")
            .output()
            .expect("rolegate secret runs");
        assert!(fresh.status.success(), "rolegate secret: {}", fresh.status);
        keep(&secret, agreed.client_secret.as_bytes());
        keep(&keys, &fresh.stdout);
        let text = format!(
            r#"
public_url     = "{gate}"
listen         = "127.0.0.1:{port}"
admin_listen   = "127.0.0.1:{admin}"
upstream       = "http://{upstream}"
required_roles = ["reader"]

[oidc]
issuer             = "{issuer}"
client_id          = "rolegate-test"
client_secret_file = "{secret}"

[session]
keys_file = "{keys}"

[[identity.roles]]
claim = "https://example.org/roles"

[[rules]]
path     = "/edit/**"
any_role = ["editor"]
"#,
            gate = agreed.gate,
            upstream = upstream.address,
            secret = secret.display(),
            keys = keys.display(),
        );
        fs::write(&config, text).expect("the configuration is written");

        let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
        command.arg("run").arg("--config").arg(&config);
        let mut program = Running::start("rolegate run", command);
        wait_until_ready(&mut program, admin);
        Self { agreed, issuer, upstream, provider, _gate: program, _files: files }
    }

    fn visit(&self, name: &str) {
        let seconds = self.agreed.access_token_seconds.to_string();
        let values = [
            ("GATE", self.agreed.gate.as_str()),
            ("ISSUER", self.issuer.as_str()),
            ("ACCESS_TOKEN_SECONDS", seconds.as_str()),
        ];
        in_node(FILE, name, &values);
    }
}

/// A file that its owner alone may read, as the gate wants its secrets to be.
fn keep(path: &Path, content: &[u8]) {
    let mut file =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).expect("a fresh file");
    file.write_all(content).expect("the file is written");
}

/// Two ports that are free: the gate's address must be written down before the gate runs.
fn free_ports() -> (u16, u16) {
    (free_port(), free_port())
}

/// Below the range that systems give out of themselves, and beside that of the stores, so that nobody has it by the time
/// it is bound, seconds later.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 1_600).expect("a small number");
    let mut ports = (0..1_600).map(|_| 31_100 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 1_600);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    ports.find(is_free).expect("a free port")
}

/// Ready means here that the gate has read the provider's discovery document and keys.
fn wait_until_ready(gate: &mut Running, admin: u16) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let probe = Command::new(env!("CARGO_BIN_EXE_rolegate"))
            .args(["probe", &format!("http://127.0.0.1:{admin}/readyz")])
            .output()
            .expect("rolegate probe runs");
        if probe.status.success() {
            return;
        }
        assert!(!gate.has_ended(), "the gate refused to start");
        assert!(Instant::now() < until, "never ready: {}", String::from_utf8_lossy(&probe.stderr));
        thread::sleep(Duration::from_millis(100));
    }
}

/// An upstream that keeps each request's head and answers with it.
struct Recorder {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the upstream");
        let address = listener.local_addr().expect("a bound address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        // Ends with the test program.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no test thread panicked with it").clone()
    }

    /// The deep link of the tests, visited by the user with two roles.
    fn saw_the_librarian(&self) {
        let head = self.head_of("GET /papers?x=1&y=a%2Fb HTTP/1.1");
        assert_eq!(head.values("x-user"), ["librarian"]);
        assert_eq!(head.values("x-roles"), ["editor,reader"]);
        assert!(head.values("authorization").is_empty(), "no token goes to the upstream:\n{}", head.0);
        let cookies = head.values("cookie").concat();
        assert!(!cookies.contains("rolegate"), "no cookie of the gate goes to the upstream:\n{}", head.0);
    }

    /// The one head with this request line.
    fn head_of(&self, line: &str) -> Head {
        let heads = self.heads();
        let mut found = heads.iter().filter(|head| head.starts_with(&format!("{line}\r\n")));
        let head = found.next().unwrap_or_else(|| panic!("the upstream saw no {line:?} in {heads:#?}"));
        assert!(found.next().is_none(), "the upstream saw {line:?} twice");
        Head(head.clone())
    }
}

fn answer(mut stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    // The tests send no bodies: a head is all there is.
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{head}",
        head.len()
    );
    // A browser's question for an icon is no visit.
    if !head.starts_with("GET /favicon.ico ") {
        kept.lock().expect("no test thread panicked with it").push(head);
    }
    // The gate may have gone away meanwhile; then nobody waits for the answer.
    let _ = stream.write_all(reply.as_bytes());
}

/// A request's head as it came.
struct Head(String);

impl Head {
    /// All values of a header, whatever the case of its name.
    fn values(&self, name: &str) -> Vec<&str> {
        self.0
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}
