//! `rolegate import`: another program's configuration as ours. The new file goes to standard output, what became of each
//! option to standard error; no value of a secret goes anywhere.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use crate::command::check::EX_CONFIG;
use crate::config::problem::Severity;
use crate::config::{self, Overrides};

mod alpha;
mod bag;
mod cfg;
mod convert;
mod expression;
pub mod options;
mod page;
mod read;
mod report;
mod shell;
mod yaml;

pub use convert::{Import, convert};
pub use read::{Format, Given, Source, Unreadable, read};
pub use report::{Entry, Report, STRICTER};

/// Whose configuration.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// oauth2-proxy's: its configuration file, its variables, its flags, or the YAML around them.
    Oauth2Proxy {
        /// The form, where the text does not tell it.
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Where the new configuration goes; a file that is there already is left alone. Default: standard output.
        #[arg(long)]
        output: Option<PathBuf>,
        /// What is read; `-` is standard input.
        file: PathBuf,
    },
}

/// Longer than any configuration, shorter than what fills a memory.
const LONGEST: u64 = 1 << 20;

/// 0 once everything was taken over or named, 78 where the text cannot be read, 1 where there is none or no place to
/// write to.
pub fn run(command: &Command) -> ExitCode {
    let Command::Oauth2Proxy { format, output, file } = command;
    let name = if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
    let text = match text_of(file) {
        Ok(text) => text,
        Err(error) => return failed(&format!("{name}: {error}"), 1),
    };
    let given = match read(&text, *format) {
        Ok(given) => given,
        Err(unreadable) => return failed(&format!("{name}:{unreadable}"), EX_CONFIG),
    };
    let shown = output.as_deref().unwrap_or(Path::new("rolegate.toml")).display().to_string();
    let mut import = convert(&given);
    import.report.todo.extend(complaints(&shown, &import.toml));
    let written = match output {
        None => io::stdout().write_all(import.toml.as_bytes()),
        Some(path) => write_new(path, &import.toml),
    };
    if let Err(error) = written {
        return failed(&format!("{}: {error}", output.as_deref().unwrap_or(Path::new("-")).display()), 1);
    }
    // Nobody is left to tell if standard error is closed.
    let _ = write!(io::stderr(), "{}", import.report);
    ExitCode::SUCCESS
}

/// What `rolegate check` would say of it, but for secrets that are not there yet.
pub fn complaints(name: &str, toml: &str) -> Vec<String> {
    let Err(problems) = config::from_text(name, toml, &[], &Overrides::default()) else { return Vec::new() };
    // What was left out has its own line by then, which says why.
    let said = |message: &str| message.starts_with("cannot read ") || message.starts_with("missing");
    problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error && !said(&problem.message))
        .map(ToString::to_string)
        .collect()
}

fn text_of(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("longer than 1 MiB, which no configuration is"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("not UTF-8"))
}

/// A file that is there may be the only copy of what somebody has written by hand.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

fn failed(message: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests;
