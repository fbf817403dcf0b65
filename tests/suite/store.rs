//! The shared store's engine against real servers: what must hold whatever stands there, and in every trouble.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use rolegate::background::Background;
use rolegate::config::{self, Overrides};
use rolegate::session::store::engine::{Engine, EngineFault};
use tokio::runtime::{Builder, Handle};

mod cluster;
mod facts;
mod outage;
mod rights;
mod sentinel;
mod tls;

const SMALL: &str = include_str!("../fixtures/config/valid/small.toml");

/// With these lines of `[session]`, which name the store.
fn engine(lines: &str) -> Arc<Engine> {
    let toml = format!("{SMALL}\n{lines}\n");
    let loaded = config::from_text("a.toml", &toml, &[], &Overrides::default());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{lines}"));
    let store = loaded.config.session.store.expect("the lines name a store");
    Arc::new(Engine::new(&store, Background::new(control())).unwrap())
}

/// The same at one address, patient: for what must work however slow the machine is.
fn patient(lines: &str) -> Arc<Engine> {
    engine(&format!("{lines}\nstore_timeout = \"10s\""))
}

/// `store = "…"`.
fn at(url: &str) -> String {
    format!("store = \"{url}\"\n")
}

/// As in the gate, connections are looked after on a thread of their own.
fn control() -> Handle {
    static CONTROL: OnceLock<Handle> = OnceLock::new();
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    };
    CONTROL.get_or_init(start).clone()
}

/// As on a worker.
fn run<F: Future>(work: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Far enough.
fn later() -> u64 {
    now() + 3600
}

fn code<T: std::fmt::Debug>(answer: Result<T, EngineFault>) -> &'static str {
    answer.unwrap_err().code()
}
