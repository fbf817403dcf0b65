//! gRPC through the gate, between a client and a server nobody here wrote: PyPI's `grpcio`, in tests/clients/calls.py.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bearer;
use crate::browser::Running;
use crate::clients::run;
use crate::front;
use crate::support::gate::Access;
use crate::support::world::{Setup, Who, World};

/// Of an upstream's certificate, in the tests of `forward`.
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/forward/tests/tls");
const FRONT_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/front-ca.pem");

const ADMIN: &str = "[[rules]]\npath = \"/test.Admin/**\"\nmethods = [\"POST\"]\nany_role = [\"admin\"]";

/// The tests of the client that are about any way.
const ALWAYS: [&str; 7] = [
    "every_kind_of_call_passes",
    "many_and_large_calls_share_what_there_is",
    "the_identity_is_there_once_and_nobody_elses",
    "an_error_is_told_in_the_trailers",
    "a_deadline_reaches_the_server",
    "a_call_that_is_cancelled_is_cancelled_at_the_server",
    "whoever_may_not_is_told_so_in_its_own_words",
];

/// A gate before gRPC's own server.
struct Bench {
    world: World,
    /// Where the gate really is.
    address: SocketAddr,
    /// The metadata that says who calls.
    session: String,
    secure: bool,
    _server: Running,
}

#[test]
fn grpc_passes_from_tls_to_cleartext_with_a_cookie() {
    Bench::behind_tls().run();
}

#[test]
fn grpc_passes_from_cleartext_to_tls_with_a_bearer_token() {
    let (server, upstream) = server(&[&format!("{TLS}/upstream.pem"), &format!("{TLS}/upstream.key")]);
    let mut setup = bearer::bench().rules(ADMIN);
    setup.upstream = format!("h2://{upstream}");
    let ca = std::fs::read(format!("{TLS}/ca.pem")).unwrap();
    setup.files.push(("ca.pem".into(), ca));
    let world = setup.top("upstream_ca_file = \"{folder}/ca.pem\"\nhttp2_cleartext = true").start();
    let session = format!("authorization Bearer {}", bearer::access(&world, "user"));
    let address = world.gate.public;
    let bench = Bench { world, address, session, secure: false, _server: server };
    bench.run();
}

#[test]
fn a_call_of_grpc_ends_with_the_session_behind_it() {
    let test = "a_call_ends_with_the_session_behind_it";
    let mut bench = Bench::behind_tls();
    let mut browser = bench.world.signed_in("user");
    bench.session = format!("cookie {}", browser.cookies("/"));
    let mut call = Running::start("a call", bench.command(test));
    call.wait_for("begun");
    assert_eq!(browser.open("/oauth2/signout").status, 302);
    call.wait_for(&format!("passed {test}"));
}

// === impl Bench ===

impl Bench {
    fn behind_tls() -> Self {
        let (server, upstream) = server(&[]);
        let mut setup: Setup = front::setup("").rules(ADMIN);
        setup.upstream = format!("h2c://{upstream}");
        let (world, address) = front::tunnelled(setup);
        let session = format!("cookie {}", world.session(Who::User).cookie);
        Self { world, address, session, secure: true, _server: server }
    }

    fn run(&self) {
        let from = self.world.gate.stdout().count();
        // One process: its start takes longer than most of them.
        let tests = ALWAYS.join("+");
        run(self.command(&tests), &tests);
        // A record is written when its answer is over, and a moment later.
        let forwarded = |line: &str| Access::parse(line).filter(|record| record.decision() == "forward");
        assert!(self.world.gate.stdout().wait_since(from, forwarded).is_some(), "something was forwarded");
        let records = self.world.gate.access_since(from);
        let mut forwarded = records.iter().filter(|record| record.decision() == "forward");
        assert!(forwarded.all(|record: &Access| record.text("user") == "user"), "{records:#?}");
        self.world.no_secret_in("the log", &self.world.gate.stderr().all());
    }

    fn command(&self, test: &str) -> Command {
        let mut command = python();
        command.args([&self.address.to_string(), test]).env("SESSION", &self.session);
        if self.secure {
            command.arg(FRONT_CA);
        }
        command
    }
}

fn server(arguments: &[&str]) -> (Running, String) {
    let mut command = python();
    command.arg("serve").args(arguments);
    let mut server = Running::start("a server of gRPC", command);
    let address = server.wait_for("ready ");
    (server, address)
}

fn python() -> Command {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python: PathBuf = tmp.parent().unwrap_or(tmp).join("clients-venv/bin/python");
    assert!(
        python.with_file_name("installed").is_file(),
        "gRPC's tests need grpcio: `make test` installs it into target/clients-venv"
    );
    let mut command = Command::new(python);
    command.arg("calls.py").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"));
    command
}
