//! The gate's own binary as a child process: started with a configuration, heard through its logs, killed
//! when dropped. Never links the gate's code.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wire::{Answer, Wire};
use super::{PATIENCE, until};

/// A running gate.
pub struct Gate {
    /// The public listener.
    pub public: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
    child: Child,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

/// What the gate wrote to one of its streams so far; grows.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    ended: bool,
}

/// A gate that ended before it listened.
#[derive(Debug)]
pub struct Refused {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// One access record.
#[derive(Debug, Clone)]
pub struct Access(pub Value);

/// How to start a gate.
pub struct Start {
    /// The configuration file's text.
    pub toml: String,
    /// Further files beside it: name and content. Reachable as `{folder}` in the configuration.
    pub files: Vec<(String, Vec<u8>)>,
    /// Variables for its environment, which is empty otherwise.
    pub environment: HashMap<String, String>,
    /// Whether to wait until it says it is ready.
    pub wait_ready: bool,
    /// The program, where it is not the one that was built with the tests.
    pub program: Option<PathBuf>,
    /// What starts it in its place, and becomes it: words before its own command line.
    pub launcher: Vec<String>,
    /// A listener that its launcher gets as standard input.
    pub handed: Option<TcpListener>,
}

// === impl Start ===

impl Start {
    /// With this configuration; `{folder}` in it stands for the folder it lies in.
    pub fn with(toml: impl Into<String>) -> Self {
        Self {
            toml: toml.into(),
            files: Vec::new(),
            environment: HashMap::new(),
            wait_ready: true,
            program: None,
            launcher: Vec::new(),
            handed: None,
        }
    }

    /// Puts a file beside the configuration.
    pub fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((name.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// Does not wait for readiness.
    pub fn unready(mut self) -> Self {
        self.wait_ready = false;
        self
    }

    /// Starts it and waits until it listens.
    pub fn start(self) -> Result<Gate, Refused> {
        let folder = tempfile::tempdir().unwrap();
        let wait_ready = self.wait_ready;
        for (name, content) in &self.files {
            write_private(&folder.path().join(name), content);
        }
        let file = folder.path().join("rolegate.toml");
        write_private(&file, self.toml.replace("{folder}", folder.path().to_str().unwrap()).as_bytes());

        let program = self.program.unwrap_or_else(|| env!("CARGO_BIN_EXE_rolegate").into());
        let words: Vec<_> = self.launcher.iter().map(OsString::from).chain([program.into()]).collect();
        let stdin = self.handed.map_or_else(Stdio::null, |listener| OwnedFd::from(listener).into());
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(["run", "--config"])
            .arg(&file)
            .env_clear()
            .envs(&self.environment)
            .current_dir(folder.path())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let readers = vec![
            stdout.collect_from(child.stdout.take().unwrap()),
            stderr.collect_from(child.stderr.take().unwrap()),
        ];
        let listening = stderr.wait(listening);
        let Some((public, admin)) = listening else {
            if stderr.ended() {
                let code = child.wait().unwrap().code();
                readers.into_iter().for_each(|reader| reader.join().unwrap());
                return Err(Refused { code, stdout: stdout.all(), stderr: stderr.all() });
            }
            let _ = child.kill();
            panic!("the gate does not say that it listens; it says:\n{}", stderr.all());
        };
        let gate = Gate { public, admin, child, stdout, stderr, readers, folder };
        if wait_ready {
            until("the gate is ready", || (gate.admin("/readyz").status == 200).then_some(()));
        }
        Ok(gate)
    }
}

fn write_private(path: &Path, content: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn listening(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| event.get(name).or_else(|| event.get("fields")?.get(name))?.as_str();
    if field("message")? != "listening" {
        return None;
    }
    Some((field("listen")?.parse().ok()?, field("admin")?.parse().ok()?))
}

// === impl Gate ===

impl Gate {
    /// A GET on the admin listener.
    pub fn admin(&self, path: &str) -> Answer {
        let mut wire = Wire::connect(self.admin);
        wire.write(
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin).as_bytes(),
        );
        wire.answer(false).unwrap_or_else(|ended| panic!("GET {path} on the admin listener: {ended:?}"))
    }

    /// Whether the process still runs.
    pub fn alive(&self) -> bool {
        let state = self.status("State:");
        !state.is_empty() && !state.starts_with(['Z', 'X'])
    }

    /// Resident memory.
    pub fn rss_kib(&self) -> u64 {
        self.status("VmRSS:").trim_end_matches("kB").trim().parse().unwrap_or(0)
    }

    fn status(&self, line: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let found = status.lines().find_map(|known| known.strip_prefix(line));
        found.unwrap_or_default().trim().to_owned()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The folder that its configuration lies in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Standard output: the access records.
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// Standard error: the log.
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// The access records from line `from` on.
    pub fn access_since(&self, from: usize) -> Vec<Access> {
        self.stdout.since(from).iter().filter_map(|line| Access::parse(line)).collect()
    }

    /// Sends a signal (`libc::SIGTERM` and the like).
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "could not signal the gate");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = until("the gate ends", || self.child.try_wait().unwrap());
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        (status, self.stderr.all())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        if std::env::var_os("SHOW_GATE").is_some() {
            eprintln!("--- the gate's log\n{}", self.stderr.all());
        }
    }
}

// === impl Lines ===

impl Lines {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.0.lock().unwrap().lines.len()
    }

    /// Those from number `from` on.
    pub fn since(&self, from: usize) -> Vec<String> {
        self.0.0.lock().unwrap().lines.get(from..).unwrap_or_default().to_vec()
    }

    /// All as one text.
    pub fn all(&self) -> String {
        self.since(0).join("\n")
    }

    /// Whether the stream has ended.
    pub fn ended(&self) -> bool {
        self.0.0.lock().unwrap().ended
    }

    /// Waits for the first line that `pick` takes; `None` when the stream ends or patience does.
    pub fn wait<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.wait_since(0, pick)
    }

    /// The same from line `from` on.
    pub fn wait_since<T>(&self, from: usize, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.wait_within(PATIENCE, from, pick)
    }

    /// The same with another patience.
    pub fn wait_within<T>(
        &self,
        patience: Duration,
        from: usize,
        pick: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + patience;
        let (written, more) = &*self.0;
        let mut written = written.lock().unwrap();
        let mut next = from;
        loop {
            while let Some(line) = written.lines.get(next) {
                if let Some(picked) = pick(line) {
                    return Some(picked);
                }
                next += 1;
            }
            let left = end.saturating_duration_since(Instant::now());
            if written.ended || left.is_zero() {
                return None;
            }
            written = more.wait_timeout(written, left).unwrap().0;
        }
    }

    fn collect_from(&self, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                lines.0.0.lock().unwrap().lines.push(String::from_utf8_lossy(&line).into_owned());
                lines.0.1.notify_all();
            }
            lines.0.0.lock().unwrap().ended = true;
            lines.0.1.notify_all();
        })
    }
}

// === impl Access ===

impl Access {
    /// Reads a line of standard output; `None` if it is no access record.
    pub fn parse(line: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(line).ok()?;
        (record.get("kind")?.as_str()? == "access").then_some(Self(record))
    }

    /// A field as text; empty if it is absent or null.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// forward, login, challenge, forbid, refuse, own or redirect.
    pub fn decision(&self) -> &str {
        self.text("decision")
    }

    /// The status answered.
    pub fn status(&self) -> u64 {
        self.0.get("status").and_then(Value::as_u64).unwrap_or(0)
    }
}
