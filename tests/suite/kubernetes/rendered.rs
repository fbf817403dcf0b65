//! What Helm and kustomize make of `deploy/`, as JSON; rendered and held against the schemas once for all tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// One set of values, or one folder of kustomize's.
pub struct Rendered {
    /// The file or the folder.
    pub name: String,
    /// What comes out.
    pub documents: Vec<Value>,
}

/// All of them.
pub struct All {
    /// By name.
    pub of: Vec<Rendered>,
    /// What the schemas object to; a line each.
    pub problems: String,
}

/// `tests/fixtures/helm` through the chart, and every folder of `deploy/kubernetes` that can be applied.
pub fn all() -> &'static All {
    static ALL: OnceLock<All> = OnceLock::new();
    ALL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        let mut keep = |name: String, output: &Output| {
            assert!(output.status.success(), "{name}: {}", said(output));
            let file = folder.path().join(name.replace('/', "-"));
            std::fs::write(&file, &output.stdout).unwrap();
            files.push((name, file.to_str().unwrap().to_owned()));
        };
        for values in values() {
            let name = values.file_stem().unwrap().to_str().unwrap().to_owned();
            let output = helm(&["template", "gate", &chart(), "-f", values.to_str().unwrap()]);
            keep(name, &output);
        }
        for name in ["standalone", "sidecar", "native-sidecar", "examples/standalone", "examples/sidecar"] {
            let place = root().join("deploy/kubernetes").join(name);
            keep(
                format!("kubernetes/{name}"),
                &run(&tool("kubectl"), &["kustomize", place.to_str().unwrap()]),
            );
        }
        let paths = files.iter().map(|(_, file)| file.as_str());
        let validated = documents(&["--validate"].into_iter().chain(paths).collect::<Vec<_>>());
        let custom = custom(&[], &validated.stdout);
        let problems = format!("{}{}", said_badly(&validated), said_badly(&custom));
        let found: Value = serde_json::from_slice(&validated.stdout).expect(&problems);
        let mut of: Vec<Rendered> = files
            .into_iter()
            .map(|(name, file)| Rendered { name, documents: found[&file].as_array().unwrap().clone() })
            .collect();
        of.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(of.iter().all(|one| !one.documents.is_empty()));
        All { of, problems: problems.trim().to_owned() }
    })
}

/// The chart with these flags.
pub fn template(flags: &[&str]) -> Rendered {
    let chart = chart();
    let output = helm(&[&["template", "gate", &chart], flags].concat());
    assert!(output.status.success(), "{}", said(&output));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &output.stdout).unwrap();
    let name = file.path().to_str().unwrap();
    let read: Value = serde_json::from_slice(&documents(&[name]).stdout).unwrap();
    Rendered { name: flags.join(" "), documents: read[name].as_array().unwrap().clone() }
}

/// The sets of values.
pub fn values() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("tests/fixtures/helm")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
}

/// The chart's folder.
pub fn chart() -> String {
    root().join("deploy/helm/rolegate").to_str().unwrap().to_owned()
}

/// Helm with these arguments and nothing of this machine's.
pub fn helm(arguments: &[&str]) -> Output {
    run(&tool("helm"), arguments)
}

/// YAML files as JSON, by their names.
pub fn documents(arguments: &[&str]) -> Output {
    let script = root().join("tests/deploy/documents.py");
    let python = installed(root().join("target/deploy-venv/bin/python"));
    run(&python, &[&[script.to_str().unwrap()], arguments].concat())
}

/// What is not Kubernetes' own against its schema.
pub fn custom(arguments: &[&str], documents: &[u8]) -> Output {
    use std::io::Write;
    let script = root().join("tests/deploy/custom.mjs");
    installed(root().join("tests/deploy/node_modules/.package-lock.json"));
    let mut child = Command::new("node")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Node.js is there");
    child.stdin.take().unwrap().write_all(documents).unwrap();
    child.wait_with_output().unwrap()
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All that a program said.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Nothing if it went well.
pub fn said_badly(output: &Output) -> String {
    if output.status.success() {
        return String::new();
    }
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    // Their own folders lie where nothing of this machine is read or left behind.
    let home = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let command = &mut Command::new(program);
    command.args(arguments).env_clear().env("PATH", path).env("HOME", home.path());
    command.stdin(Stdio::null()).output().unwrap()
}

fn tool(name: &str) -> PathBuf {
    installed(root().join("target/deploy-tools").join(name))
}

fn installed(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is not there: `make test-tools` installs it", path.display());
    path
}
