//! The image and the compose file, as far as they can be held without a container engine: the program in an empty
//! root, the three processes of the compose file with exactly its variables, and what the Dockerfile says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::browser::Running;
use crate::kubernetes::rendered::{custom, documents, root, said, said_badly};
use crate::support::browser::{Browser, Page};
use crate::support::gate::{Gate, Start};
use empty_root::{EmptyRoot, Way};

mod empty_root;

/// As `rolegate dev` has them, with the addresses in the log.
const RULES: &str = "required_roles = [\"viewer\"]\n[log]\nformat = \"text\"\nlevel = \"info\"\n";

/// OPS-16.
#[test]
fn the_program_needs_nothing_around_it_and_no_rights() {
    let root = EmptyRoot::new();
    root.file("/etc/rolegate/rolegate.toml", RULES);
    // Where the image's base has the authorities of the world.
    root.file("/etc/ssl/certs/ca-certificates.crt", include_str!("../fixtures/tls/ca.pem"));
    let files = root.files();
    assert!(files.len() <= 7 && !files.iter().any(|name| name.contains("sh")), "no shell: {files:?}");
    let mut command = root.rolegate(&["dev", "--config", "/etc/rolegate/rolegate.toml"]);
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--pool-listen",
        "127.0.0.1:0",
    ]);
    let mut dev = Running::start("rolegate dev in an empty root", command);
    let listening = dev.find("listening");
    let admin = listening.split_once("admin=").unwrap().1.split_whitespace().next().unwrap().replace('"', "");
    let port: u16 = dev.find("ready http://localhost:").parse().unwrap();

    let status = std::fs::read_to_string(format!("/proc/{}/status", dev.id())).unwrap();
    let line = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("Name:"), "rolegate");
    assert_eq!((line("CapPrm:"), line("CapEff:")), ("0".repeat(16), "0".repeat(16)), "{status}");
    assert_eq!(line("NoNewPrivs:"), "1", "{status}");
    if root.way() != Way::Namespace {
        let id = root.uid.to_string();
        assert_eq!(line("Uid:"), [&*id; 4].join(" "));
        assert_eq!((line("Gid:"), line("Groups:")), ([&*id; 4].join(" "), id));
        assert_eq!(line("CapInh:"), "0".repeat(16));
    }
    if root.way() != Way::Plain {
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", dev.id())).unwrap();
        let own = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
        assert!(own.split(' ').nth(5).unwrap().split(',').any(|option| option == "ro"), "{mounts}");
    }

    let gate = ([127, 0, 0, 1], port).into();
    let page = sign_in(&mut Browser::new(gate).route("localhost", gate), port, "viewer");
    assert_eq!(page.answer.status, 200, "{page:#?}");
    let shown = page.answer.text().to_ascii_lowercase();
    assert!(shown.contains("x-user") && shown.contains("viewer"), "{shown}");

    // What the image's health check runs, where it runs.
    for (path, code) in [("/readyz", 0), ("/livez", 0), ("/nothing", 1)] {
        let output = root.rolegate(&["probe", &format!("http://{admin}{path}")]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{path}: {}", said(&output));
    }
}

#[test]
fn allow_remote_alone_serves_where_published_ports_lead() {
    // Where namespaces are forbidden, the ports of this machine itself.
    let alone = Command::new("unshare").args(["--net", "true"]).output().unwrap().status.success();
    let up = "import fcntl, os, socket, struct, sys\n\
        fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH22x', b'lo', 0x49))\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    let program = env!("CARGO_BIN_EXE_rolegate");
    let mut command = Command::new(if alone { "unshare" } else { program });
    if alone {
        command.args(["--net", "python3", "-c", up, program]);
    }
    command.args(["dev", "--allow-remote"]);
    let mut dev = Running::start("rolegate dev --allow-remote", command);
    let passwords = dev.find("user viewer");
    assert!(!passwords.ends_with("password viewer"), "{passwords}");
    assert_eq!(dev.find("ready http://"), "localhost:4180");
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", dev.id())).unwrap();
    // Of the kernel's table: the address, reversed, and the port; 0A is "listening".
    let open: BTreeSet<&str> = table
        .lines()
        .filter(|line| line.split_whitespace().nth(3) == Some("0A"))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    for (address, what) in
        [("00000000:1054", "the gate"), ("00000000:1056", "the pool"), ("0100007F:1055", "the admin port")]
    {
        assert!(open.contains(address), "{what}: {open:?}");
    }
}

#[test]
fn the_compose_file_is_valid() {
    let file = root().join("deploy/container/compose.yaml");
    let read = documents(&[file.to_str().unwrap()]);
    let checked = custom(&["compose"], &read.stdout);
    assert!(checked.status.success(), "{}", said(&checked));
    let wrong = String::from_utf8(read.stdout).unwrap().replace("read_only", "readonly");
    assert!(said_badly(&custom(&["compose"], wrong.as_bytes())).contains("additional properties"));
}

#[test]
fn the_compose_files_three_processes_sign_somebody_in() {
    let compose = compose();
    let house = House::start(&compose, &environment(&compose["services"]["gate"]));
    let page = house.sign_in("viewer");
    assert_eq!(page.answer.status, 200, "{page:#?}");
    let said = page.answer.text().to_ascii_lowercase();
    assert!(said.contains("x-user: viewer") && said.contains("x-roles: viewer"), "{said}");
    assert!(!said.contains("cookie: "), "the session is the gate's own: {said}");
    assert_eq!(house.sign_in("guest").answer.status, 403);

    let probe = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args(["probe", &format!("http://{}/readyz", house.gate.admin)])
        .status();
    assert!(probe.unwrap().success());
}

#[test]
fn every_service_of_the_compose_file_is_as_shut_in_as_the_program_allows() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
    }
    let app = &compose["services"]["app"];
    assert!(app.get("ports").is_none() && app["networks"] == serde_json::json!(["inside"]));
    assert_eq!(compose["networks"]["inside"]["internal"], true);
    // A container that is started again gets a new network: whoever shared the old one would be left in it.
    let pool = &compose["services"]["pool"];
    assert!(compose["services"]["gate"]["network_mode"] == "service:pool" && pool.get("restart").is_none());
    let published = pool["ports"].as_array().unwrap();
    assert!(published.iter().all(|port| port.as_str().unwrap().starts_with("127.0.0.1:")), "{published:?}");
    assert!(published.iter().all(|port| !port.as_str().unwrap().contains("4181")), "{published:?}");
}

#[test]
fn in_front_of_a_legacy_application_it_is_five_variables_and_two_secrets() {
    let page = std::fs::read_to_string(root().join("docs/quick-start-docker.md")).unwrap();
    let command = page.split("docker run -d --name gate").nth(1).unwrap().split("```").next().unwrap();
    let given: BTreeMap<String, String> = command
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-e ")?.trim_end_matches(" \\").split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (secrets, variables): (Vec<_>, Vec<_>) = given.keys().partition(|name| name.ends_with("_FILE"));
    assert_eq!((variables.len(), secrets.len()), (5, 2), "{given:?}");

    let folder = tempfile::tempdir().unwrap();
    secrets_in(folder.path());
    let environment = given
        .iter()
        .map(|(name, value)| (name, value.replace("/run/secrets", folder.path().to_str().unwrap())));
    let output = Command::new(env!("CARGO_BIN_EXE_rolegate"))
        .args(["check", "--strict"])
        .env_clear()
        .envs(environment)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));

    // The same names and one that leads to the dev pool are all that the compose file sets, which signs people in.
    let mut names: BTreeSet<String> = environment_names(&compose());
    assert!(names.remove("ROLEGATE_COGNITO__ISSUER"));
    assert_eq!(names, given.into_keys().collect());
}

#[test]
fn the_linter_finds_nothing_to_complain_of_in_the_dockerfile() {
    let hadolint = root().join("target/deploy-venv/bin/hadolint");
    assert!(hadolint.exists(), "hadolint is not there: `make test-tools` installs it");
    let output = Command::new(hadolint).arg(root().join("Dockerfile")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_image_checks_itself_with_a_command_that_needs_no_shell_and_that_works() {
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let after = |word: &str| {
        let lines = dockerfile.lines().map(str::trim);
        lines.filter_map(|line| line.strip_prefix(word)).next_back().unwrap().trim().to_owned()
    };
    let listed = |text: String| serde_json::from_str::<Vec<String>>(&text).expect("the form without a shell");
    assert_eq!(listed(after("ENTRYPOINT")), ["/usr/bin/rolegate"]);
    let check = dockerfile.split("HEALTHCHECK").nth(1).unwrap().split("CMD").nth(1).unwrap();
    let check = listed(check.lines().next().unwrap().trim().to_owned());
    assert_eq!(check[..2], ["/usr/bin/rolegate", "probe"]);
    let admin = dockerfile.split("ROLEGATE_ADMIN_LISTEN=").nth(1).unwrap().lines().next().unwrap();
    let port = admin.rsplit(':').next().unwrap();
    assert_eq!(check[2], format!("http://127.0.0.1:{port}/readyz"));
    assert_ne!(after("USER").split(':').next().unwrap().parse::<u32>().unwrap(), 0);
    let bases = dockerfile.lines().rfind(|line| line.starts_with("FROM")).unwrap();
    assert!(bases.contains("distroless"), "{bases}");
}

#[test]
fn what_the_dockerfile_copies_is_all_that_the_build_reads() {
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let ignored = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let sent: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let copied: BTreeSet<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|line| !line.starts_with("--from")))
        .flat_map(|line| line.split_whitespace().filter(|word| !word.starts_with("./")))
        .collect();
    assert_eq!(sent, copied);

    let folder = tempfile::tempdir().unwrap();
    for name in &copied {
        let copy = Command::new("cp").arg("-r").arg(root().join(name)).arg(folder.path()).status();
        assert!(copy.unwrap().success(), "{name}");
    }
    // Cargo reads the manifest with every target that it names; nothing is built.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let read = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--locked"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", said(&read));
    let mut missing = Vec::new();
    included(&folder.path().join("src"), &mut missing);
    assert_eq!(missing, Vec::<String>::new(), "included by the program, and not copied");
}

/// Files that the code includes and that are not there; those that only tests include do not count.
fn included(folder: &Path, missing: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            included(&entry, missing);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&entry).unwrap();
            let program = source.split("#[cfg(test)]").next().unwrap();
            for include in program.split("include_str!(\"").chain(program.split("include_bytes!(\"")).skip(1)
            {
                let Some((name, _)) = include.split_once("\")") else { continue };
                let tests =
                    entry.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
                if !name.contains(char::is_whitespace) && !tests && !folder.join(name).exists() {
                    missing.push(format!("{}: {name}", entry.display()));
                }
            }
        }
    }
}

/// The compose file, as JSON.
fn compose() -> Value {
    let file = root().join("deploy/container/compose.yaml");
    let file = file.to_str().unwrap();
    let output = documents(&[file]);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[file][0].take()
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let variables = service["environment"].as_object().unwrap();
    variables.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn environment_names(compose: &Value) -> BTreeSet<String> {
    environment(&compose["services"]["gate"]).into_keys().collect()
}

fn secrets_in(folder: &Path) {
    let key = Command::new(env!("CARGO_BIN_EXE_rolegate")).arg("secret").output().unwrap();
    std::fs::write(folder.join("session-keys"), key.stdout).unwrap();
    // As the head of the compose file makes it.
    std::fs::write(folder.join("client-secret"), "a-secret-for-development-only\n").unwrap();
    let shut = |name: &str| Command::new("chmod").arg("600").arg(folder.join(name)).status().unwrap();
    assert!(shut("session-keys").success() && shut("client-secret").success());
}

/// The compose file's three services as processes on loopback; what a container engine does for names, ports and
/// mounts is done by replacing them.
struct House {
    gate: Gate,
    shown_at: String,
    _app: Running,
    _pool: Running,
    _secrets: tempfile::TempDir,
}

impl House {
    fn start(compose: &Value, environment: &BTreeMap<String, String>) -> Self {
        let folder = root().join("deploy/container");
        let words = |service: &str| -> Vec<String> {
            let command = compose["services"][service]["command"].as_array().unwrap();
            command.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let here = |path: &str| folder.join(path.trim_start_matches('/')).to_str().unwrap().to_owned();

        let mut command = Command::new(&words("app")[0]);
        command.arg(here(&words("app")[1])).env("HOST", "127.0.0.1").env("PORT", "0");
        let mut app = Running::start("the application", command);
        let app_port = app.wait_for("listening on ");

        let mut told = words("pool");
        assert_eq!(told.remove(0), "pool");
        let shown = told.iter().position(|word| word.starts_with("--pool-url=")).unwrap();
        let shown = told.remove(shown).split_once('=').unwrap().1.to_owned();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
        command.env_clear().args(["pool", "--listen", "127.0.0.1:0"]);
        command.args(told.iter().map(|word| match word.strip_prefix("--pool=") {
            Some(file) => format!("--pool={}", here(file)),
            None => word.clone(),
        }));
        let mut pool = Running::start("the pool", command);
        let issuer = pool.wait_for("ready ");

        let secrets = tempfile::tempdir().unwrap();
        secrets_in(secrets.path());
        let id = issuer.rsplit('/').next().unwrap();
        assert_eq!(
            environment["ROLEGATE_COGNITO__ISSUER"],
            format!("{shown}/{id}"),
            "the gate finds the pool there"
        );
        let mut start = Start::with("");
        for (name, value) in environment {
            let value = value
                .replace("http://app:8080", &format!("http://127.0.0.1:{app_port}"))
                .replace(&format!("{shown}/{id}"), &issuer)
                .replace("/run/secrets", secrets.path().to_str().unwrap());
            start.environment.insert(name.clone(), value);
        }
        // The image's, for any free port.
        start.environment.insert("ROLEGATE_LISTEN".into(), "127.0.0.1:0".into());
        start.environment.insert("ROLEGATE_ADMIN_LISTEN".into(), "127.0.0.1:0".into());
        let shown_at = environment["ROLEGATE_PUBLIC_URL"].clone();
        let gate = start.start().unwrap();
        Self { gate, shown_at, _app: app, _pool: pool, _secrets: secrets }
    }

    /// In a browser that finds the gate where its port is published.
    fn sign_in(&self, name: &str) -> Page {
        let port = url::Url::parse(&self.shown_at).unwrap().port().unwrap();
        sign_in(&mut Browser::new(self.gate.public).route("localhost", self.gate.public), port, name)
    }
}

/// Through the pool's own form; the password is the name.
fn sign_in(browser: &mut Browser, port: u16, name: &str) -> Page {
    let form = browser.navigate(&format!("http://localhost:{port}/reports?x=1"));
    assert_eq!(form.answer.status, 200, "{form:#?}");
    let html = form.answer.text();
    let token = html.split("name=\"_csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let sent = browser.post(form.url.as_str(), &format!("username={name}&password={name}&_csrf={token}"));
    assert_eq!(sent.status, 302, "{sent:#?}");
    browser.navigate(sent.location())
}
