//! `rolegate sessions`: asks a running gate, over its control socket, who is signed in, and ends sessions.

mod socket;
mod table;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::check::{EX_CONFIG, write_problems};
use crate::config::{self, Overrides};
use crate::control::words::{Ask, END, Ended, Listed, Reach, SESSIONS, Whom};
use socket::Failure;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the sessions of all gates that share the store.
    List {
        /// The way to the gate.
        #[command(flatten)]
        way: Way,
        /// Those of this X-User alone.
        #[arg(long, conflicts_with = "sub", allow_hyphen_values = true)]
        user: Option<String>,
        /// Those of the person with this `sub` alone.
        #[arg(long, allow_hyphen_values = true)]
        sub: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// End sessions: at every gate with a shared store, else in the one process that is asked.
    End {
        /// The way to the gate.
        #[command(flatten)]
        way: Way,
        /// Whose sessions.
        #[command(flatten)]
        whose: Whose,
        /// With --everyone: yes, everyone.
        #[arg(long)]
        yes: bool,
    },
}

/// The way to the gate.
#[derive(Debug, Args)]
pub struct Way {
    /// The configuration that names the socket (control_socket).
    #[arg(long)]
    config: Option<PathBuf>,
    /// The socket itself, where the configuration cannot be read here.
    #[arg(long, conflicts_with = "config")]
    socket: Option<PathBuf>,
}

/// Exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Whose {
    /// The session with this id.
    #[arg(long, value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    id: Option<String>,
    /// All sessions of this X-User; needs session.store.
    #[arg(long, value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    user: Option<String>,
    /// All sessions of the person with this `sub`.
    #[arg(long, value_parser = NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    sub: Option<String>,
    /// All sessions of all people; needs --yes.
    #[arg(long, requires = "yes")]
    everyone: bool,
}

/// Does it.
pub fn run(command: &Command, env: &[(String, String)]) -> ExitCode {
    let (Command::List { way, .. } | Command::End { way, .. }) = command;
    let socket = match way.socket(env) {
        Ok(socket) => socket,
        Err(code) => return code,
    };
    let done = match command {
        Command::List { user, sub, json, .. } => {
            list(&socket, user.as_deref(), sub.as_deref()).and_then(|listed| shown(&listed, *json))
        }
        Command::End { whose, .. } => end(&socket, whose.whom()).and_then(|ended| told(&ended)),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("rolegate: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn list(socket: &Path, user: Option<&str>, sub: Option<&str>) -> Result<Listed, Failure> {
    let named = [("user", user), ("sub", sub)];
    let named = named.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(named).finish();
    let target = if query.is_empty() { SESSIONS.to_owned() } else { format!("{SESSIONS}?{query}") };
    socket::get(socket, &target)
}

fn end(socket: &Path, whom: Whom) -> Result<Ended, Failure> {
    socket::post(socket, END, &Ask { end: whom })
}

fn shown(listed: &Listed, as_json: bool) -> Result<ExitCode, Failure> {
    let text = if as_json { table::json(listed) } else { table::text(listed) };
    io::stdout().write_all(text.as_bytes()).map_err(Failure::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// What has been done, and what has not. Success is that it is done at every gate that could be told of it.
fn told(ended: &Ended) -> Result<ExitCode, Failure> {
    let listed = match ended.sessions {
        Some(count) => format!(": {}", table::count(count)),
        None => String::new(),
    };
    let (line, code) = match ended.reach {
        Reach::Everywhere => (format!("ended at every gate{listed}"), ExitCode::SUCCESS),
        Reach::Here => (
            "ended in this process alone: without session.store no other gate is told, nor is this one after a restart"
                .into(),
            ExitCode::SUCCESS,
        ),
        Reach::Later => (
            format!(
                "ended at this gate{listed}; the store does not take it, and the other gates are told as soon as it does"
            ),
            ExitCode::FAILURE,
        ),
    };
    writeln!(io::stdout(), "{line}").map_err(Failure::Output)?;
    if !ended.cleared {
        eprintln!("rolegate: what the store keeps of them is not cleared yet; nobody can use it any more");
    }
    Ok(code)
}

// === impl Way ===

impl Way {
    fn socket(&self, env: &[(String, String)]) -> Result<PathBuf, ExitCode> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let loaded =
            config::load(self.config.as_deref(), env, &Overrides::default()).map_err(|problems| {
                let _ = write_problems(&problems, false, &mut io::stderr());
                eprintln!("rolegate: to do without the configuration, name the socket: --socket FILE");
                ExitCode::from(EX_CONFIG)
            })?;
        loaded.config.control_socket.ok_or_else(|| {
            eprintln!(
                "rolegate: the configuration has no control_socket; write control_socket = \"/run/rolegate/control.sock\" \
                 above its tables and start the gate again"
            );
            ExitCode::from(EX_CONFIG)
        })
    }
}

// === impl Whose ===

impl Whose {
    fn whom(&self) -> Whom {
        match self {
            Self { id: Some(id), .. } => Whom::Id(id.clone()),
            Self { user: Some(user), .. } => Whom::User(user.clone()),
            Self { sub: Some(sub), .. } => Whom::Sub(sub.clone()),
            Self { .. } => Whom::Everyone,
        }
    }
}
