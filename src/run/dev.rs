//! `rolegate dev` and `rolegate pool`: the whole product on this machine, without an account anywhere.
//!
//! The gate is shown as `localhost` and the pool as `127.0.0.1`, so that they share no cookies. Everything
//! listens on loopback alone, and keys are new at each start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Args;
use tokio::runtime::{Builder, LocalOptions};
use toml_edit::{DocumentMut, Item, Table};

use super::{Again, Listeners, Running, StartError, bind, other, signals, start_on};
use crate::clock;
use crate::command::check::{EX_CONFIG, write_problems};
use crate::config::settings::{Config, Log, LogFormat};
use crate::config::{self, Files, Loaded, Overrides, Source};
use crate::devpool::sample::Sample;
use crate::devpool::{GateAddresses, Pool, PoolHandler, Seed};
use crate::listen::{self, Bounds, Stop};
use crate::telemetry::log::{self, Logging};

/// The flags of `rolegate dev`.
#[derive(Debug, Args)]
pub struct Flags {
    /// Your app, instead of the sample that shows the headers it received.
    #[arg(long)]
    upstream: Option<String>,
    /// Your own rules, role sources and requirements. What concerns the pool ([cognito] or [oidc]), [tls] and the
    /// addresses is filled in, whatever the file says of it; no client certificate is asked for. The log is
    /// text, and there are no records, unless the file says otherwise.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Users, groups and clients; a table that the file leaves out keeps its built-in content.
    #[arg(long)]
    pool: Option<PathBuf>,
    /// Where the gate listens [default: 127.0.0.1:4180, with --allow-remote 0.0.0.0:4180].
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where the admin listener is.
    #[arg(long, default_value = "127.0.0.1:4181")]
    admin_listen: SocketAddr,
    /// Where the dev user pool listens [default: 127.0.0.1:4182, with --allow-remote 0.0.0.0:4182].
    #[arg(long)]
    pool_listen: Option<SocketAddr>,
    /// The gate's address in the browser, where a port is mapped.
    #[arg(long)]
    public_url: Option<String>,
    /// The pool's address in the browser, where a port is mapped.
    #[arg(long)]
    pool_url: Option<String>,
    /// Listen beyond loopback. Passwords are random then, unless --pool sets them.
    #[arg(long)]
    allow_remote: bool,
}

const GATE_PORT: u16 = 4180;
const POOL_PORT: u16 = 4182;
/// How many users are named.
const SHOWN: usize = 12;

/// What ends a command before it serves.
enum Failure {
    /// Printed as it is, exit 1.
    Said(String),
    /// Printed already, exit 78.
    Configuration,
}

/// The gate, the pool and the sample, until Ctrl-C.
pub fn run(flags: &Flags) -> ExitCode {
    finish(begin(flags).and_then(|(running, island, _logging)| {
        while !running.ready() {
            std::thread::sleep(Duration::from_millis(2));
        }
        signals::wait_for_end(|| println!("ready {}", island.shown_at)).map_err(said)?;
        running.stop();
        island.stop();
        Ok(())
    }))
}

/// The dev user pool alone, until Ctrl-C.
pub fn run_pool(
    file: Option<&Path>,
    listen: Option<SocketAddr>,
    pool_url: Option<&str>,
    allow_remote: bool,
) -> ExitCode {
    let _logging = log::start(&readable());
    let serve = || {
        let listen = reached(listen, POOL_PORT, allow_remote);
        only_loopback(listen, "--listen", allow_remote)?;
        let listener = bind(listen, "--listen").map_err(said)?;
        let url = address(pool_url, "127.0.0.1", &listener)?;
        let pool = Pool::new(seed(file, allow_remote)?, &url, None).map_err(said)?;
        let (id, secret) = pool.client();
        let island = Island::start(vec![(listener, Served::Pool(PoolHandler::new(pool.clone())))], url)?;
        eprintln!("issuer        {}\nclient id     {id}\nclient secret {secret}", pool.issuer());
        if pool.issuer() != pool.served_at() {
            eprintln!("keys          {}/.well-known/jwks.json", pool.served_at());
            eprintln!(
                "The issuer has the form of AWS's, by aws_issuer: what trusts these keys takes tokens of this"
            );
            eprintln!("pool for tokens of a real one.");
        }
        signals::wait_for_end(|| println!("ready {}", pool.served_at())).map_err(said)?;
        island.stop();
        Ok(())
    };
    finish(serve())
}

fn begin(flags: &Flags) -> Result<(Running, Island, Logging), Failure> {
    let listen = reached(flags.listen, GATE_PORT, flags.allow_remote);
    let pool_listen = reached(flags.pool_listen, POOL_PORT, flags.allow_remote);
    for (address, flag) in
        [(listen, "--listen"), (flags.admin_listen, "--admin-listen"), (pool_listen, "--pool-listen")]
    {
        only_loopback(address, flag, flags.allow_remote)?;
    }
    let gate = bind(listen, "--listen").map_err(said)?;
    let admin = bind(flags.admin_listen, "--admin-listen").map_err(said)?;
    let pool_listener = bind(pool_listen, "--pool-listen").map_err(said)?;
    let sample = bind(SocketAddr::from(([127, 0, 0, 1], 0)), "the sample's").map_err(said)?;

    let public_url = address(flags.public_url.as_deref(), "localhost", &gate)?;
    let pool_url = address(flags.pool_url.as_deref(), "127.0.0.1", &pool_listener)?;
    let sample_url = address(None, "127.0.0.1", &sample)?;
    let mut filled_in = Overrides::default();
    for key in ["cognito", "oidc", "session.keys_file", "upstream_ca_file", "tls", "control_socket"] {
        filled_in.leave_out(key);
    }
    for key in ["ca_file", "client_certificate_file", "client_key_file"] {
        filled_in.leave_out(&format!("upstreams.{key}"));
    }
    // Without TLS nobody can show one, and the rest of the rule is still worth trying.
    filled_in.leave_out("rules.client_certificate");
    let key = STANDARD.encode(clock::random::<32>().map_err(said)?);
    let upstream = flags.upstream.clone().unwrap_or(sample_url);
    filled_in
        .set("--public-url", "public_url", &public_url)
        .set("--upstream", "upstream", upstream)
        .set("--listen", "listen", gate.local_addr().map_err(said)?.to_string())
        .set("--admin-listen", "admin_listen", admin.local_addr().map_err(said)?.to_string())
        .set("dev", "session.keys", key);

    let written = written(flags);
    // For somebody at a terminal, unless the file says that it is for something else.
    for (key, value) in [("format", "text"), ("access", "false"), ("audit", "false")] {
        if written.get("log").and_then(|log| log.get(key)).is_none() {
            filled_in.set("dev", &format!("log.{key}"), value);
        }
    }
    // The prefix decides the callback's address, so it is read before the pool is made.
    let auth_prefix = written.get("auth_prefix").and_then(Item::as_str).unwrap_or("/oauth2").to_owned();
    let addresses = GateAddresses { public_urls: vec![public_url.clone()], auth_prefix };
    let seed = seed(flags.pool.as_deref(), flags.allow_remote)?;
    let users = users(&seed, flags.allow_remote);
    let pool = Pool::new(seed, &pool_url, Some(&addresses)).map_err(said)?;
    if pool.issuer() != pool.served_at() {
        return Err(Failure::Said(
            "aws_issuer is for `rolegate pool`: with it the gate would look for the keys at Amazon"
                .to_owned(),
        ));
    }
    let (client_id, client_secret) = pool.client();
    filled_in.set("--pool-url", "cognito.issuer", pool.issuer()).set("dev", "cognito.client_id", client_id);
    filled_in.set("dev", "cognito.user_pool_id", pool.issuer().rsplit('/').next().unwrap_or_default());
    if !client_secret.is_empty() {
        filled_in.set("dev", "cognito.client_secret", client_secret);
    }
    let (mut config, source) = load(flags, &filled_in)?;
    // Keys are new at each start: what an earlier one, or a gate in earnest, has in a store is nothing to this one.
    let prefix = format!("rolegate-dev-{}:", URL_SAFE_NO_PAD.encode(clock::random::<6>().map_err(said)?));
    // Where a port is mapped the browser's address of the pool is not one that the gate can reach.
    let shortcut = (pool_url.clone(), address(None, "127.0.0.1", &pool_listener)?);
    let fit = move |config: &mut Config| {
        if let Some(store) = &mut config.session.store {
            store.prefix.clone_from(&prefix);
        }
        config.provider.shortcut = Some(shortcut.clone());
    };
    fit(&mut config);
    let again = source.map(|(source, files)| Again { source, files, fit: Box::new(fit) });
    let logging = log::start(&config.log);

    let servers =
        vec![(pool_listener, Served::Pool(PoolHandler::new(pool))), (sample, Served::Sample(Sample::new()))];
    let island = Island::start(servers, public_url.clone())?;
    let running = start_on(config, again, Listeners { public: gate, admin, redirect: None }).map_err(said)?;
    eprintln!("gate      {public_url}\nuser pool {pool_url}\nusers     {users}");
    Ok((running, island, logging))
}

/// The configuration and, where it is a file's, how to come by it again.
fn load(flags: &Flags, filled_in: &Overrides) -> Result<(Config, Option<(Source, Files)>), Failure> {
    let (loaded, again) = match &flags.config {
        Some(path) => {
            let source = Source::new(Some(path), &[], filled_in.clone());
            let (loaded, files) = source.load();
            (loaded, Some((source, files)))
        }
        None => (config::from_text("built-in rules", BUILT_IN, &[], filled_in), None),
    };
    match loaded {
        Ok(Loaded { config, warnings }) => {
            if flags.config.is_some() {
                let _ = write_problems(&warnings, false, &mut std::io::stderr());
            }
            Ok((config, again))
        }
        Err(problems) => {
            let _ = write_problems(&problems, false, &mut std::io::stderr());
            Err(Failure::Configuration)
        }
    }
}

/// What the file says before anything is filled in; nothing where it cannot be read, which is told of later.
fn written(flags: &Flags) -> Table {
    let text = flags.config.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let document = text.and_then(|text| text.parse::<DocumentMut>().ok());
    document.map(DocumentMut::into_table).unwrap_or_default()
}

/// Who can sign in, for whoever is at the terminal. The passwords of a file stay there.
fn users(seed: &Seed, allow_remote: bool) -> String {
    let people = seed.people();
    let more = people.len().saturating_sub(SHOWN);
    let mut line = people.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        line += &format!(" and {more} more");
    }
    match (seed.has_builtin_users(), allow_remote) {
        (true, false) => line + " (password = name)",
        (true, true) => line + " (passwords above)",
        (false, _) => line,
    }
}

fn seed(file: Option<&Path>, allow_remote: bool) -> Result<Seed, Failure> {
    let mut seed = match file {
        Some(file) => Seed::from_file(file).map_err(|error| {
            eprintln!("{error}");
            Failure::Configuration
        })?,
        None => Seed::builtin(),
    };
    // A file that sets users sets their passwords too.
    if allow_remote {
        for (name, password) in seed.randomize_passwords() {
            eprintln!("user {name:<10} password {password}");
        }
    }
    Ok(seed)
}

/// Where a listener is that a browser must reach: in a container loopback is the container itself, and a port that
/// is published leads nowhere.
fn reached(given: Option<SocketAddr>, port: u16, allow_remote: bool) -> SocketAddr {
    let host = if allow_remote { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    given.unwrap_or_else(|| SocketAddr::from((host, port)))
}

/// Threat: a pool whose passwords everyone knows, on a network.
fn only_loopback(address: SocketAddr, flag: &str, allow_remote: bool) -> Result<(), Failure> {
    if address.ip().is_loopback() || allow_remote {
        return Ok(());
    }
    Err(Failure::Said(format!(
        "{flag} {address} is reachable from other machines, and this is a pool for development: \
         use a loopback address, or --allow-remote if you mean it"
    )))
}

/// `given`, or `http://<host>:<the listener's port>`.
fn address(given: Option<&str>, host: &str, listener: &TcpListener) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given.trim_end_matches('/').to_owned());
    }
    let port = listener.local_addr().map_err(said)?.port();
    Ok(format!("http://{host}:{port}"))
}

/// Pool and sample, on a thread of their own: the gate knows them by their addresses alone.
struct Island {
    shown_at: String,
    stop: Stop,
    thread: JoinHandle<()>,
}

enum Served {
    Pool(PoolHandler),
    Sample(Sample),
}

impl Island {
    fn start(servers: Vec<(TcpListener, Served)>, shown_at: String) -> Result<Self, Failure> {
        let (stop, stopping) = listen::stop::pair();
        let runtime = move || {
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
            runtime.block_on(async move {
                for (listener, served) in servers {
                    let stopping = stopping.clone();
                    tokio::task::spawn_local(async move {
                        let ended = match served {
                            Served::Pool(pool) => {
                                listen::serve(listener, Rc::new(pool), Bounds::default(), stopping).await
                            }
                            Served::Sample(sample) => {
                                listen::serve(listener, Rc::new(sample), Bounds::default(), stopping).await
                            }
                        };
                        if let Err(error) = ended {
                            tracing::error!(%error, "a listener failed");
                        }
                    });
                }
                let mut stopping = stopping;
                stopping.begun().await;
            });
            Ok::<_, std::io::Error>(())
        };
        let run = move || {
            if let Err(error) = runtime() {
                tracing::error!(%error, "the dev pool could not start");
            }
        };
        let thread = std::thread::Builder::new().name("dev-pool".into()).spawn(run).map_err(said)?;
        Ok(Self { shown_at, stop, thread })
    }

    fn stop(self) {
        self.stop.begin();
        let _ = self.thread.join();
    }
}

fn finish(ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration) => ExitCode::from(EX_CONFIG),
        Err(Failure::Said(error)) => {
            eprintln!("rolegate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn said(error: impl std::fmt::Display) -> Failure {
    match other(error) {
        StartError::Other(text) => Failure::Said(text),
        listen @ StartError::Listen { .. } => Failure::Said(listen.to_string()),
    }
}

fn readable() -> Log {
    Log { format: LogFormat::Text, ..Log::default() }
}

const BUILT_IN: &str = r#"
required_roles = ["viewer"]

[[rules]]
path = "/admin/**"
any_role = ["admin"]

[[rules]]
path = "/public/**"
public = true

[log]
level = "warn"
"#;
