//! A root with nothing in it but the program and the libraries that it loads, and a way into it as a container would
//! have it: nobody in particular, without capabilities, nothing to write to.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a base with glibc and libgcc has, such as distroless/cc: all that the program may need.
const CARRIED: &[&str] =
    &["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];

/// The root.
pub struct EmptyRoot {
    folder: TempDir,
    /// Who enters.
    pub uid: u32,
    way: Way,
}

/// How one enters, by what this machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As root, with a mount of its own that is read-only.
    Mounted,
    /// As root, where mounts are forbidden: nothing in it belongs to who enters.
    Plain,
    /// As somebody, in a namespace of users of their own.
    Namespace,
}

// === impl EmptyRoot ===

impl EmptyRoot {
    /// With the program at `/usr/bin/rolegate`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_rolegate"));
        put(folder.path(), Path::new("/usr/bin/rolegate"), program);
        for library in libraries(program) {
            put(folder.path(), &library, &library);
        }
        open_to_all(folder.path());
        let way = Way::of_this_machine(folder.path());
        // High and of nobody; another one for each run of the suite.
        let uid = 1_000_000 + std::process::id() % 1_000_000;
        Self { folder, uid, way }
    }

    /// How it is entered.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Every file in it.
    pub fn files(&self) -> Vec<String> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    files.push(entry.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        files
    }

    /// Another file in it, readable by everybody.
    pub fn file(&self, path: &str, text: &str) {
        let place = self.folder.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
        open_to_all(self.folder.path());
    }

    /// The program in it, with these arguments. Every step on the way is replaced by the next: the child that is
    /// started becomes the program.
    pub fn rolegate(&self, arguments: &[&str]) -> Command {
        let root = self.folder.path().to_str().unwrap();
        let id = self.uid.to_string();
        let user = format!("{id}:{id}");
        // What the last step needs to become somebody else in there; it leaves that with them.
        let stripped = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set", BOUNDS];
        let change = ["chroot", "--userspec", &user, "--groups", &id, root];
        let (user, group, place) =
            (format!("--map-user={id}"), format!("--map-group={id}"), format!("--root={root}"));
        let mapped = ["setpriv", "--no-new-privs", "unshare", "--user", &user, &group, &place, "--wd=/"];
        let mut words: Vec<&str> = match self.way {
            Way::Mounted => vec!["unshare", "--mount", "--propagation=private", "sh", "-c", READ_ONLY, root],
            Way::Plain => Vec::new(),
            Way::Namespace => {
                vec!["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, root]
            }
        };
        match self.way {
            Way::Mounted | Way::Plain => words.extend(stripped.iter().chain(&change)),
            Way::Namespace => words.extend(&mapped),
        }
        words.push("/usr/bin/rolegate");
        words.extend(arguments);
        let mut command = Command::new(words[0]);
        // PATH is for the steps on the way; nothing in the root could be found by it.
        command.args(&words[1..]).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }
}

const BOUNDS: &str = "-all,+sys_chroot,+setuid,+setgid";

/// `$0` is the root, `$@` what is done with it then.
const READ_ONLY: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;

// === impl Way ===

impl Way {
    fn of_this_machine(root: &Path) -> Self {
        let works = |arguments: &[&str]| {
            let arguments = [arguments, &["sh", "-c", READ_ONLY, root.to_str().unwrap(), "true"]].concat();
            let tried = Command::new("unshare").args(arguments).stderr(Stdio::null()).status();
            tried.expect("unshare is there: `make test-tools` installs it").success()
        };
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            return if works(&["--mount", "--propagation=private"]) { Self::Mounted } else { Self::Plain };
        }
        assert!(
            works(&["--user", "--map-root-user", "--mount"]),
            "an empty root can be entered by root, or where user namespaces are allowed; here by neither"
        );
        Self::Namespace
    }
}

/// What the program loads, as the loader says; each must be something that the image's base carries.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let found: Vec<PathBuf> = said
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect();
    for library in &found {
        let name = library.file_name().unwrap().to_str().unwrap();
        assert!(CARRIED.contains(&name), "{name} is not in the image's base: {said}");
    }
    assert!(found.len() >= 3, "{said}");
    found
}

fn put(root: &Path, at: &Path, from: &Path) {
    let place = root.join(at.strip_prefix("/").unwrap());
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::copy(from, place).unwrap();
}

/// Nobody in it owns anything, and everybody may read.
fn open_to_all(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            open_to_all(&entry);
        } else {
            let mode = std::fs::metadata(&entry).unwrap().permissions().mode();
            std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(mode | 0o444)).unwrap();
        }
    }
}
