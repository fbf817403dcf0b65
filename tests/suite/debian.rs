//! The Debian package: built around the program that is tested, judged by lintian, and installed, upgraded, removed and
//! purged by dpkg in a folder that stands for a machine. The machine that the tests run on is never touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

#[test]
fn lintian_finds_no_error_in_the_package() {
    let folder = tempfile::tempdir().unwrap();
    // What it judges is the package around the program, and a small one is read sooner.
    let package = built(Path::new("/bin/true"), folder.path());
    let judged = ran(Command::new("lintian").arg("--fail-on=error").arg(&package));
    assert!(judged.status.success(), "{}", text(&judged));
}

#[test]
fn the_package_comes_stays_what_it_was_made_and_goes() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let first = built(Path::new(PROGRAM), folder.path());
    let second = newer(&first, folder.path());

    machine.dpkg(&["--install", first.to_str().unwrap()]);
    assert_eq!(machine.state(), "install ok installed");
    for file in [
        "usr/bin/rolegate",
        "usr/lib/systemd/system/rolegate.service",
        "usr/lib/systemd/system/rolegate.socket",
        "usr/lib/systemd/system/rolegate-redirect.socket",
        "usr/share/man/man1/rolegate.1.gz",
        "usr/share/man/man5/rolegate.toml.5.gz",
        "usr/share/doc/rolegate/copyright",
        "usr/share/doc/rolegate/changelog.gz",
        "usr/share/doc/rolegate/examples/rolegate.toml",
    ] {
        assert!(machine.at(file).is_file(), "{file}");
    }
    assert!(
        machine.read("etc/passwd").contains("\nrolegate:x:")
            || machine.read("etc/passwd").starts_with("rolegate:x:")
    );
    assert!(
        !machine.at("etc/systemd/system/multi-user.target.wants").exists(),
        "nothing is enabled by itself"
    );
    let keys = machine.read("etc/rolegate/secrets/session-keys");
    assert_eq!(keys.trim().len(), 44, "32 bytes as base64");
    assert_eq!(mode(&machine.at("etc/rolegate/secrets/session-keys")), 0o600);
    assert_eq!(mode(&machine.at("etc/rolegate/secrets")), 0o700);

    fill_in(&machine);
    let mine = machine.read("etc/rolegate/rolegate.toml");
    machine.dpkg(&["--install", second.to_str().unwrap()]);
    assert_eq!(machine.state(), "install ok installed");
    assert_eq!(machine.version(), "99.0-1");
    assert_eq!(machine.read("etc/rolegate/rolegate.toml"), mine, "what an operator wrote stays");
    assert!(
        machine.read("etc/rolegate/rolegate.toml.dpkg-dist").contains("# new here"),
        "what is new is beside it"
    );
    assert_eq!(machine.read("etc/rolegate/secrets/session-keys"), keys, "nobody is signed out by an upgrade");

    std::fs::write(machine.at("etc/rolegate/secrets/client-secret"), "an operator's\n").unwrap();
    machine.dpkg(&["--remove", "rolegate"]);
    assert_eq!(machine.state(), "deinstall ok config-files");
    assert!(!machine.at("usr/bin/rolegate").exists());
    assert_eq!(machine.read("etc/rolegate/rolegate.toml"), mine);
    assert_eq!(machine.read("etc/rolegate/secrets/session-keys"), keys);

    machine.dpkg(&["--purge", "rolegate"]);
    assert_eq!(machine.state(), "", "dpkg knows nothing of it any more");
    let left = files(&machine.at("etc/rolegate"));
    assert_eq!(left, [machine.at("etc/rolegate/secrets/client-secret")], "what the package did not make");
    assert_eq!(files(&machine.at("var/lib/systemd")), Vec::<PathBuf>::new());
}

#[test]
fn the_packaged_configuration_says_what_is_missing_and_is_whole_with_five_lines() {
    let folder = tempfile::tempdir().unwrap();
    let package = built(Path::new(PROGRAM), folder.path());
    let machine = folder.path().join("unpacked");
    assert!(ran(Command::new("dpkg-deb").arg("--extract").args([&package, &machine])).status.success());
    let config = machine.join("etc/rolegate/rolegate.toml");
    for (secret, value) in [
        ("client-secret", crate::support::token::random(32)),
        ("session-keys", crate::support::token::random(32)),
    ] {
        std::fs::write(machine.join("etc/rolegate/secrets").join(secret), value).unwrap();
        private(&machine.join("etc/rolegate/secrets").join(secret));
    }
    // As docs/quick-start-systemd.md has it: root reads the secrets where they are, the service its copies.
    let check = || {
        let secrets = machine.join("etc/rolegate/secrets");
        ran(Command::new(machine.join("usr/bin/rolegate"))
            .args(["check", "--strict", "--config"])
            .arg(&config)
            .env("ROLEGATE_COGNITO__CLIENT_SECRET_FILE", secrets.join("client-secret"))
            .env("ROLEGATE_SESSION__KEYS_FILE", secrets.join("session-keys")))
    };
    let refused = check();
    assert_eq!(refused.status.code(), Some(78));
    let told = text(&refused);
    for key in ["public_url", "upstream", "required_roles", "cognito.user_pool_id", "cognito.client_id"] {
        assert!(told.contains(&format!(" {key}: missing")), "{key}: {told}");
    }
    assert_eq!(told.lines().count(), 5, "{told}");
    uncomment(&config);
    let taken = check();
    assert!(taken.status.success(), "{}", text(&taken));

    let unit = std::fs::read_to_string(machine.join("usr/lib/systemd/system/rolegate.service")).unwrap();
    let written = std::fs::read_to_string(&config).unwrap();
    let handed: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix("LoadCredential=")).collect();
    assert_eq!(handed.len(), 2, "{handed:?}");
    for credential in handed {
        let (name, file) = credential.split_once(':').unwrap();
        assert!(written.contains(&format!("\"/run/credentials/rolegate.service/{name}\"")), "{name}");
        assert!(file.starts_with("/etc/rolegate/secrets/"), "{file}");
    }
}

#[test]
fn every_command_and_flag_stands_in_the_manual_page_and_no_other() {
    let page = std::fs::read_to_string(root().join("docs/rolegate.1")).unwrap();
    let words: Vec<&str> = page.split_whitespace().map(|word| word.trim_start_matches('.')).collect();
    let written = |word: &[&str]| words.windows(word.len()).any(|found| found == word);
    let mut flags = vec!["help".to_owned(), "version".to_owned()];
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(command) = waiting.pop() {
        let help = text(&ran(Command::new(PROGRAM).args(&command).arg("--help")));
        let (_, commands) = help.split_once("Commands:\n").unwrap_or_default();
        for line in commands.lines().take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                assert!(words.iter().any(|word| word.trim_matches(',') == name), "{command:?} {name}");
                waiting.push([command.clone(), vec![name.to_owned()]].concat());
            }
        }
        for line in help.lines() {
            let Some(flag) = line.split_whitespace().find_map(|word| word.strip_prefix("--")) else {
                continue;
            };
            if line.trim_start().starts_with('-') {
                assert!(written(&["Fl", "Fl", flag]), "{command:?} --{flag}");
                flags.push(flag.to_owned());
            }
        }
    }
    assert!(flags.len() > 20, "the help was read: {flags:?}");
    for found in words.windows(3).filter(|found| found[..2] == ["Fl", "Fl"]) {
        assert!(flags.iter().any(|flag| flag == found[2]), "--{} is in the page alone", found[2]);
    }
}

// === a folder that stands for a machine ===

struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc"] {
            std::fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        std::fs::write(folder.path().join("var/lib/dpkg/status"), "").unwrap();
        Self(folder)
    }

    /// Real dpkg, whose machine this folder is. The package's scripts are told of it (DPKG_ROOT) and keep to it; no other
    /// package is there, so what it depends on is not asked for.
    fn dpkg(&self, arguments: &[&str]) {
        let run = ran(Command::new("dpkg")
            .arg(format!("--root={}", self.0.path().display()))
            .args(["--force-script-chrootless", "--force-not-root", "--force-depends", "--force-confold"])
            .arg("--log=/dev/null")
            .args(arguments)
            .env("PATH", PATH));
        assert!(run.status.success(), "dpkg {arguments:?}: {}", text(&run));
    }

    fn asked(&self, field: &str) -> String {
        let run = ran(Command::new("dpkg-query")
            .arg(format!("--admindir={}", self.at("var/lib/dpkg").display()))
            .args(["--show", "--showformat", &format!("${{{field}}}"), "rolegate"]));
        String::from_utf8(run.stdout).unwrap()
    }

    /// Empty if dpkg does not know the package.
    fn state(&self) -> String {
        self.asked("Status")
    }

    fn version(&self) -> String {
        self.asked("Version")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn fill_in(machine: &Machine) {
    uncomment(&machine.at("etc/rolegate/rolegate.toml"));
}

/// Takes the `#` from the lines that show what is to be filled in, the socket's aside.
fn uncomment(config: &Path) {
    let text = std::fs::read_to_string(config).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(key)
            if key.starts_with(|first: char| first.is_ascii_lowercase()) && !key.starts_with("control") =>
        {
            key
        }
        _ => line,
    });
    std::fs::write(config, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

/// The package around `program`.
fn built(program: &Path, folder: &Path) -> PathBuf {
    let run = ran(Command::new(root().join("deploy/debian/build"))
        .args([program, folder])
        // Not packed small, which takes longer than all the rest.
        .envs([("DPKG_DEB_COMPRESSOR_TYPE", "gzip"), ("DPKG_DEB_COMPRESSOR_LEVEL", "1")]));
    assert!(run.status.success(), "{}", text(&run));
    PathBuf::from(String::from_utf8(run.stdout).unwrap().trim_end())
}

/// The package that comes after `package`, whose sample configuration is another.
fn newer(package: &Path, folder: &Path) -> PathBuf {
    let (tree, newer) = (folder.join("tree"), folder.join("newer.deb"));
    assert!(ran(Command::new("dpkg-deb").arg("--raw-extract").args([package, &tree])).status.success());
    for (file, from, to) in [
        ("DEBIAN/control", "\nVersion: ", "\nVersion: 99.0-1\nX-Was: "),
        ("etc/rolegate/rolegate.toml", "# ", "# new here "),
    ] {
        let text = std::fs::read_to_string(tree.join(file)).unwrap();
        std::fs::write(tree.join(file), text.replacen(from, to, 1)).unwrap();
    }
    let run = ran(Command::new("dpkg-deb")
        .args(["-Zgzip", "-z1", "--root-owner-group", "--build"])
        .args([&tree, &newer]));
    assert!(run.status.success(), "{}", text(&run));
    newer
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn ran(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `make test` installs what is missing"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_rolegate");
/// dpkg wants what only root has in its own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
