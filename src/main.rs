//! The `rolegate` binary: flags to a command, a command to an exit code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use listenfd::ListenFd;
use rolegate::command::{check, doctor, explain, import, probe, schema, secret, sessions};
use rolegate::run::{dev, serve};

/// docs/architecture.md, memory of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An authenticating reverse proxy for Amazon Cognito user pools.
#[derive(Debug, Parser)]
#[command(name = "rolegate", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Run {
        /// The configuration; else ROLEGATE_CONFIG, else /etc/rolegate/rolegate.toml, else the environment alone.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// The whole thing on this machine: a dev user pool, the gate, and a sample upstream.
    Dev(dev::Flags),
    /// The dev user pool alone.
    Pool {
        /// Users, groups and clients; a table that the file leaves out keeps its built-in content.
        #[arg(long)]
        pool: Option<PathBuf>,
        /// Where to listen [default: 127.0.0.1:4182, with --allow-remote 0.0.0.0:4182].
        #[arg(long)]
        listen: Option<SocketAddr>,
        /// The address that browsers and programs use, where it is another one.
        #[arg(long)]
        pool_url: Option<String>,
        /// Listen beyond loopback. Passwords are random then, unless --pool sets them.
        #[arg(long)]
        allow_remote: bool,
    },
    /// Read the configuration as `run` would, and say everything that is wrong or weaker than it looks.
    Check {
        /// The configuration.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Warnings are errors.
        #[arg(long)]
        strict: bool,
    },
    /// Say which rule decides a request, and why.
    Explain {
        /// The configuration.
        #[arg(long)]
        config: Option<PathBuf>,
        /// A role that is present; repeatable.
        #[arg(long = "role")]
        roles: Vec<String>,
        /// Who is signed in.
        #[arg(long)]
        user: Option<String>,
        /// A claim of both tokens, `name=json`; repeatable.
        #[arg(long = "claim", value_parser = claim)]
        claims: Vec<(String, serde_json::Value)>,
        /// The client's address, for rules with `from`.
        #[arg(long)]
        from: Option<std::net::IpAddr>,
        /// The request is a true CORS preflight that asks about METHOD.
        #[arg(long)]
        preflight: bool,
        /// The client shows a certificate that counts, for [tls] client_ca_file.
        #[arg(long)]
        client_certificate: bool,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
        /// The method, e.g. GET.
        method: String,
        /// A URL, or a path at the first public_url.
        url: String,
    },
    /// Ask the real pool whether this configuration works there, and say what to do where it does not.
    Doctor {
        /// The configuration.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read another program's configuration, and write ours.
    Import {
        #[command(subcommand)]
        command: import::Command,
    },
    /// Ask a running gate who is signed in, and end sessions.
    Sessions {
        #[command(subcommand)]
        command: sessions::Command,
    },
    /// Print a fresh session key.
    #[command(after_help = secret::HOW_TO_ROLL)]
    Secret,
    /// Print the configuration's JSON schema.
    Schema,
    /// Exit 0 if the address answers 2xx.
    Probe {
        /// The address.
        url: String,
    },
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn main() -> ExitCode {
    // One provider for all cryptography; both libraries panic at first use without one.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EX_USAGE } else { 0 });
        }
    };
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match arguments.command {
        Command::Run { config } => serve::run(config.as_deref(), &env, ListenFd::from_env()),
        Command::Dev(flags) => dev::run(&flags),
        Command::Pool { pool, listen, pool_url, allow_remote } => {
            dev::run_pool(pool.as_deref(), listen, pool_url.as_deref(), allow_remote)
        }
        Command::Check { config, strict } => check::run(config.as_deref(), &env, strict),
        Command::Explain {
            config,
            roles,
            user,
            claims,
            from,
            preflight,
            client_certificate: certificate,
            json,
            method,
            url,
        } => {
            let claims = claims.into_iter().collect();
            let question =
                explain::Question { method, url, user, roles, claims, from, preflight, certificate };
            explain::run(config.as_deref(), &env, &question, json)
        }
        Command::Doctor { config, json } => doctor::run(config.as_deref(), &env, json),
        Command::Import { command } => import::run(&command),
        Command::Sessions { command } => sessions::run(&command, &env),
        Command::Secret => secret::run(),
        Command::Schema => schema::run(),
        Command::Probe { url } => probe::run(&url),
    }
}

fn claim(text: &str) -> Result<(String, serde_json::Value), String> {
    // Claim names hold `:` and `/`, never `=`.
    let (name, value) =
        text.split_once('=').ok_or("expected name=json, e.g. cognito:groups='[\"admin\"]'")?;
    let value = serde_json::from_str(value).map_err(|error| format!("the value is not JSON: {error}"))?;
    Ok((name.to_owned(), value))
}

/// Wrong flags (sysexits.h).
const EX_USAGE: u8 = 64;
