//! `rolegate check`: reads the configuration as `run` would and says everything that is wrong with it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::problem::Problems;
use crate::config::{self, Overrides};

/// Wrong configuration (sysexits.h).
pub const EX_CONFIG: u8 = 78;

/// `strict`: warnings are errors. `env` is this process's environment.
pub fn run(path: Option<&Path>, env: &[(String, String)], strict: bool) -> ExitCode {
    let carets = io::stderr().is_terminal();
    let code = write_report(path, env, strict, carets, &mut io::stdout(), &mut io::stderr());
    ExitCode::from(code)
}

/// The report and the exit code. A line a problem on `err`; carets only for people at a terminal.
fn write_report(
    path: Option<&Path>,
    env: &[(String, String)],
    strict: bool,
    carets: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let (problems, failed) = match config::load(path, env, &Overrides::default()) {
        Ok(loaded) => {
            let failed = strict && loaded.warnings.iter().next().is_some();
            (loaded.warnings, failed)
        }
        Err(problems) => (problems, true),
    };
    // Nobody is left to tell if standard error is closed; the exit code still says it.
    let _ = write_problems(&problems, carets, err);
    if failed {
        return EX_CONFIG;
    }
    let _ = match problems.iter().count() {
        0 => writeln!(out, "the configuration is well"),
        1 => writeln!(out, "the configuration can be run, with 1 warning"),
        count => writeln!(out, "the configuration can be run, with {count} warnings"),
    };
    0
}

/// A line a problem, `file:line:column: message`, as `run` writes them too.
pub fn write_problems(problems: &Problems, carets: bool, err: &mut dyn Write) -> io::Result<()> {
    for problem in problems.iter() {
        writeln!(err, "{problem}")?;
        if carets && let Some(caret) = problems.caret(problem) {
            writeln!(err, "{caret}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(toml: &str, strict: bool) -> (u8, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        std::fs::write(&file, toml).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = write_report(Some(&file), &[], strict, false, &mut out, &mut err);
        let shown =
            |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&file.display().to_string(), "a.toml");
        (code, shown(out), shown(err))
    }

    const GOOD: &str = r#"
public_url = "https://app.example.com"
upstream = "http://127.0.0.1:8080"
required_roles = ["viewer"]
[cognito]
user_pool_id = "eu-central-1_AbCdEf123"
client_id = "1h57kf5cpq17m0eml12EXAMPLE"
[session]
keys = ["3q2+78r+ur4BI0VniavN7/7cuphmUkIfDx4tPEtaaXg="]
"#;

    #[test]
    fn a_good_configuration_exits_with_zero() {
        assert_eq!(report(GOOD, true), (0, "the configuration is well\n".into(), String::new()));
    }

    #[test]
    fn warnings_fail_only_when_strict() {
        let toml = GOOD.replace("https://app.example.com", "http://localhost:4180");
        let (code, out, err) = report(&toml, false);
        assert_eq!(code, 0);
        assert!(out.contains("1 warning"), "{out}");
        assert!(err.starts_with("a.toml:2:14: warning: public_url: "), "{err}");
        assert_eq!(report(&toml, true).0, EX_CONFIG);
    }

    #[test]
    fn errors_exit_with_78_a_line_each() {
        let (code, out, err) = report("upstraem = 1\n", false);
        assert_eq!((code, out.as_str()), (EX_CONFIG, ""));
        assert!(err.lines().count() > 3, "{err}");
        assert!(err.starts_with("a.toml:1:1: upstraem: unknown key; did you mean upstream?\n"), "{err}");
    }
}
