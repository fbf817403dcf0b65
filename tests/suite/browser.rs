//! A real browser at a real gate: each test starts `rolegate dev` on free ports and runs its namesake in
//! `tests/browser/gate.test.mjs` or `pages.test.mjs`. What the browser saw is kept in `target/screenshots`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::upstream::{self, Recorder};

/// How long one browser test may take before it counts as stuck: node's own limit is shorter and says more.
const NODE_PATIENCE: Duration = Duration::from_secs(300);
/// How long a program may take to say that it is ready.
const START_PATIENCE: Duration = Duration::from_secs(60);

macro_rules! in_the_browser {
    ($($name:ident),+ $(,)?) => { $(
        #[test]
        fn $name() {
            let gate = Dev::start(&[]);
            in_node("gate.test.mjs", stringify!($name), &[("GATE", &gate.address)]);
        }
    )+ };
}

in_the_browser! {
    deep_link_comes_back_to_exactly_that_address,
    wrong_password_is_asked_again_and_the_deep_link_survives,
    missing_role_is_explained_and_another_account_comes_back,
    everything_works_without_scripts,
    sign_out_ends_the_gates_and_the_pools_session,
    the_landing_page_of_someone_signed_in_offers_to_sign_out,
    two_tabs_sign_in_first_tab_first,
    two_tabs_sign_in_last_tab_first,
    thirty_restored_tabs_with_the_pools_session_show_no_error,
    thirty_restored_tabs_without_any_session_show_no_error,
    blocked_cookies_of_the_gate_get_a_page_that_says_so,
    all_cookies_off_ends_at_the_page_that_says_so,
    going_back_after_the_login_is_no_error,
    a_fetch_without_a_session_is_told_and_gets_no_cookie,
    a_form_and_a_frame_without_a_session_get_a_page_with_a_link,
    the_other_pages_of_the_gate_are_proper_pages,
}

#[test]
fn a_stopped_upstream_is_a_page_with_a_request_id() {
    // Port 1 of loopback: nothing listens there, so the connection is refused.
    let gate = Dev::start(&["--upstream", "http://127.0.0.1:1"]);
    in_node("gate.test.mjs", "a_stopped_upstream_is_a_page_with_a_request_id", &[("GATE", &gate.address)]);
}

#[test]
fn going_back_after_the_sign_out_shows_nothing_protected() {
    // An application whose pages a browser may keep.
    let upstream = Recorder::start();
    let lines = "Content-Type: text/html\r\nCache-Control: max-age=3600\r\n";
    let page = "<!doctype html><html lang=\"en\"><title>Report</title><h1>Protected</h1></html>";
    upstream.behave(upstream::answers_headers(lines, page));
    let gate = Dev::start(&["--upstream", &format!("http://{}", upstream.address)]);
    let name = "going_back_after_the_sign_out_shows_nothing_protected";
    in_node("gate.test.mjs", name, &[("GATE", &gate.address)]);
}

#[test]
fn a_page_that_needs_a_stronger_sign_in_asks_for_it_and_says_so_if_it_does_not_come() {
    let rule = "[[rules]]\npath = \"/strong/**\"\nany_role = [\"viewer\"]\nmin_acr = \"urn:cognito:loa:3\"\n";
    let name = "a_page_that_needs_a_stronger_sign_in_asks_for_it_and_says_so_if_it_does_not_come";
    with_config(rule, &[], name);
}

#[test]
fn a_deep_links_fragment_survives_the_login() {
    with_config("[pages]\nkeep_fragment = true\n", &[], "a_deep_links_fragment_survives_the_login");
}

#[test]
fn without_scripts_a_kept_fragment_is_lost_and_nothing_else() {
    let name = "without_scripts_a_kept_fragment_is_lost_and_nothing_else";
    with_config("[pages]\nkeep_fragment = true\n", &[], name);
}

#[test]
fn a_template_of_ones_own_is_shown_with_its_style() {
    let page = include_str!("../fixtures/pages/page.html");
    let layout = include_str!("../fixtures/pages/_layout.html");
    let files = [("pages/page.html", page), ("pages/_layout.html", layout)];
    with_config("[pages]\nfolder = \"pages\"\n", &files, "a_template_of_ones_own_is_shown_with_its_style");
}

#[test]
fn too_many_sign_ins_are_a_page_that_says_so() {
    with_config("[limits]\nlogin_rate = 1\n", &[], "too_many_sign_ins_are_a_page_that_says_so");
}

macro_rules! pages_in_the_browser {
    ($($name:ident),+ $(,)?) => { $(
        #[test]
        fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let config = folder.path().join("rolegate.toml");
            std::fs::write(&config, format!("{DEV_RULES}[pages]\nkeep_fragment = true\n")).unwrap();
            // Port 1 of loopback: nothing listens there, so every page of an upstream that is gone is at hand.
            let flags = ["--config", config.to_str().unwrap(), "--upstream", "http://127.0.0.1:1"];
            let gate = Dev::start(&flags);
            in_node("pages.test.mjs", stringify!($name), &[("GATE", &gate.address)]);
        }
    )+ };
}

pages_in_the_browser! {
    every_page_passes_axe_wide_and_narrow_light_and_dark,
    every_page_passes_axe_in_the_other_languages,
    each_pages_first_link_leads_on_without_scripts,
}

/// The namesake in the browser, with these tables and files for the gate.
fn with_config(tables: &str, files: &[(&str, &str)], name: &str) {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let config = folder.path().join("rolegate.toml");
    std::fs::write(&config, format!("{DEV_RULES}{tables}")).unwrap();
    let gate = Dev::start(&["--config", config.to_str().unwrap()]);
    in_node("gate.test.mjs", name, &[("GATE", &gate.address)]);
}

/// As the built-in ones of `rolegate dev`.
const DEV_RULES: &str = r#"
required_roles = ["viewer"]
[[rules]]
path = "/admin/**"
any_role = ["admin"]
[[rules]]
path = "/public/**"
public = true
"#;

/// `rolegate dev`, stopped when dropped.
struct Dev {
    _program: Running,
    address: String,
}

impl Dev {
    fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolegate"));
        command.arg("dev");
        for flag in ["--listen", "--admin-listen", "--pool-listen"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        command.args(flags);
        let mut program = Running::start("rolegate dev", command);
        // A line of the log may say that something else is ready.
        let address = format!("http{}", program.wait_for("ready http").trim_end_matches('/'));
        assert!(address.starts_with("http://localhost:"), "the ready line names the gate: {address}");
        Self { _program: program, address }
    }
}

/// A program of the test, ended when the test ends, however it ends. What it writes is written again by the test, so
/// that cargo shows it exactly when the test fails.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    lines: mpsc::Receiver<String>,
    told: String,
}

impl Running {
    pub(crate) fn start(name: &'static str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} does not start: {error}; `make test` installs what is missing")
            });
        let (send, lines) = mpsc::channel();
        follow(child.stdout.take(), send.clone());
        follow(child.stderr.take(), send);
        Self { name, child, lines, told: String::new() }
    }

    /// Waits for a line that holds `words`, and gives what follows them on it.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let until = Instant::now() + START_PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("{} never said {words:?}", self.name)
            };
            self.told.push_str(&line);
            self.told.push('\n');
            if let Some((_, rest)) = line.split_once(words) {
                return rest.trim().to_owned();
            }
        }
    }

    /// The same, where it may have come already: what is written to two pipes comes in any order.
    pub(crate) fn find(&mut self, words: &str) -> String {
        let told = self.told.lines().find_map(|line| line.split_once(words));
        match told {
            Some((_, rest)) => rest.trim().to_owned(),
            None => self.wait_for(words),
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is as good as ended now.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.told.extend(self.lines.iter().map(|line| line + "\n"));
        eprintln!("--- {}\n{}", self.name, self.told);
    }
}

/// Passes each line on until the program closes the pipe.
fn follow(pipe: Option<impl Read + Send + 'static>, send: mpsc::Sender<String>) {
    let pipe = pipe.expect("the pipe was asked for");
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { break };
            if send.send(line).is_err() {
                break;
            }
        }
    });
}

/// Runs the one test `name` of `tests/browser/<file>`. Fails with all that node said.
pub(crate) fn in_node(file: &str, name: &str, values: &[(&str, &str)]) {
    let mut command = node();
    command
        // One test by its whole name; TAP, because its last lines count what was run.
        .args(["--test", "--test-reporter=tap", &format!("--test-name-pattern=^{name}$"), file])
        .env("SCREENSHOTS", screenshots())
        .envs(values.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("node starts, it answered a moment ago");
    let (send, lines) = mpsc::channel();
    follow(child.stdout.take(), send.clone());
    follow(child.stderr.take(), send);

    let until = Instant::now() + NODE_PATIENCE;
    let mut said = String::new();
    while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
        said.push_str(&line);
        said.push('\n');
    }
    // Either both pipes are closed and node is ending, or it is stuck and made to end.
    if Instant::now() >= until {
        let _ = child.kill();
    }
    let status = child.wait().expect("node ends");
    // Node counts a pattern that fits no test as a success: what must be seen is the one test that passed.
    let one_passed = said.lines().any(|line| line == "# pass 1");
    assert!(status.success() && one_passed, "{name} in {file}: {status}\n{said}");
    eprintln!("{said}");
}

/// Node in the folder of the browser tests. What is missing is a failure that says how to get it, never a skipped test.
pub(crate) fn node() -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        ["playwright-core", "axe-core"].iter().all(|name| folder.join("node_modules").join(name).is_dir()),
        "the browser tests need their packages: `make test` installs them into tests/browser"
    );
    let version = Command::new("node").arg("--version").output();
    assert!(
        version.is_ok_and(|output| output.status.success()),
        "the browser tests need Node.js 20 or newer on the PATH, see CONTRIBUTING.md"
    );
    let mut command = Command::new("node");
    command.current_dir(folder);
    // The test's own settings of the gate, if any, are not for the browser's side.
    command.env_remove("NODE_OPTIONS");
    command
}

fn screenshots() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tmp.parent().unwrap_or(tmp).join("screenshots");
    std::fs::create_dir_all(&folder).expect("the folder for screenshots");
    folder
}
