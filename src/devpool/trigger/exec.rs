//! A person's own Node or Python file, run unmodified in a child process: the event on its standard input, the answer
//! on its standard output, what it prints itself in the log.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::{Failure, MOST_BYTES};
use crate::devpool::random;

/// What the small program around the handler prints.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Printed {
    Value(Value),
    Error(String),
}

/// Runs the file's handler on an event. Dropped before its end, it kills the child.
pub(super) async fn invoke(file: &Path, event: &Value) -> Result<Value, Failure> {
    let mut command = command(file);
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        command.current_dir(folder);
    }
    if let Some(region) = event.get("region").and_then(Value::as_str) {
        command.env("AWS_REGION", region);
    }
    command
        .env("AWS_LAMBDA_FUNCTION_NAME", FUNCTION_NAME)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        let program = program(file);
        Failure::Invocation(format!("{program} could not be started: {error}"))
    })?;
    let (printed, status) = converse(&mut child, event, file)
        .await
        .map_err(|error| Failure::Invocation(format!("the child process could not be spoken to: {error}")))?;
    if !status.success() {
        return Err(Failure::Function(format!(
            "RequestId: {} Error: Runtime exited with error: {}",
            random::uuid(),
            ended(status)
        )));
    }
    // The last line, so that nothing that was printed past the redirection is taken for the answer.
    let line = printed.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    match serde_json::from_slice(line) {
        Ok(Printed::Value(answer)) => Ok(answer),
        Ok(Printed::Error(message)) => Err(Failure::Function(message)),
        Err(_) => Err(Failure::Output("the function ended without an answer".into())),
    }
}

fn program(file: &Path) -> &'static str {
    if file.extension().is_some_and(|extension| extension == "py") { "python3" } else { "node" }
}

fn command(file: &Path) -> Command {
    // An absolute path: the child runs in the file's own folder.
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut command = Command::new(program(file));
    match program(file) {
        "python3" => command.arg("-c").arg(PYTHON),
        _ => command.args(["--input-type=module", "-e", NODE, "--"]),
    };
    command.arg(path);
    command
}

/// Writes and reads at once: a child that prints before it has read everything blocks nobody.
async fn converse(child: &mut Child, event: &Value, file: &Path) -> std::io::Result<(Vec<u8>, ExitStatus)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let event = event.to_string();
    let write = async {
        if let Some(mut stdin) = stdin {
            // A child that ends without reading says more by its status than by a broken pipe.
            let _ = stdin.write_all(event.as_bytes()).await;
        }
    };
    let ((), printed, (), status) =
        tokio::join!(write, read(stdout, MOST_BYTES), log(stderr, file), child.wait());
    Ok((printed?, status?))
}

/// Puts what the child says into the log, line by line as it comes: of one that is given up on, too.
async fn log(from: Option<impl AsyncRead + Unpin>, file: &Path) {
    let Some(mut from) = from else { return };
    let say =
        |line: &[u8]| tracing::info!(file = %file.display(), "trigger: {}", String::from_utf8_lossy(line));
    let (mut line, mut chunk, mut left) = (Vec::new(), vec![0; 16 * 1024], MOST_SAID);
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let read = chunk.get(..count.min(left)).unwrap_or_default();
        left -= read.len();
        for part in read.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if let Some(whole) = line.strip_suffix(b"\n") {
                say(whole);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        say(&line);
    }
}

/// Reads to the end and keeps the first `most` bytes.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize) -> std::io::Result<Vec<u8>> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut chunk).await?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { return Ok(kept) };
        let room = most.saturating_sub(kept.len()).min(read.len());
        kept.extend_from_slice(read.get(..room).unwrap_or_default());
    }
}

/// In the words of Lambda's runtime.
fn ended(status: ExitStatus) -> String {
    status.code().map_or_else(|| "signal: killed".to_owned(), |code| format!("exit status {code}"))
}

const FUNCTION_NAME: &str = "pre-token-generation";
const MOST_SAID: usize = 64 * 1024;
const NODE: &str = include_str!("exec/node.mjs");
const PYTHON: &str = include_str!("exec/python.py");
