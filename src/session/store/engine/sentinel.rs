//! Sentinels, asked all at once: where the master is; and whether it thinks so itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::cmd;
use tokio::task::JoinSet;

use super::answer;
use super::fault::EngineFault;
use super::line::{Dial, Line};
use crate::config::settings::StoreAddress;

/// Who knows where the master of `service` is.
pub(super) struct Sentinels {
    addresses: Vec<StoreAddress>,
    service: String,
    /// The way to sentinels: their own password.
    ask: Arc<Dial>,
}

// === impl Sentinels ===

impl Sentinels {
    pub(super) fn new(addresses: Vec<StoreAddress>, service: String, ask: Dial) -> Self {
        Self { addresses, service, ask: Arc::new(ask) }
    }

    /// A line to the master. A sentinel that was cut off may name yesterday's: what each names is tried in turn, and
    /// only a server that calls itself master counts.
    pub(super) async fn line(&self, dial: &Dial) -> Result<Line, EngineFault> {
        let mut answers = JoinSet::new();
        for sentinel in &self.addresses {
            let (ask, sentinel, service) = (self.ask.clone(), sentinel.clone(), self.service.clone());
            answers.spawn(async move { named(&ask, &sentinel, &service).await });
        }
        let mut tried = BTreeSet::new();
        let mut fault = EngineFault::unreachable("no sentinel answers");
        while let Some(answer) = answers.join_next().await {
            let found = match answer {
                Ok(Ok(Some(master))) if !tried.insert(master.clone()) => continue,
                Ok(Ok(Some(master))) => master_at(dial, &master).await,
                Ok(Ok(None)) => Err(EngineFault::unreachable("a sentinel knows no master of that name")),
                Ok(Err(error)) => Err(error),
                Err(_) => continue,
            };
            match found {
                Ok(line) => return Ok(line),
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }
}

async fn named(
    ask: &Dial,
    sentinel: &StoreAddress,
    service: &str,
) -> Result<Option<StoreAddress>, EngineFault> {
    let line = ask.to(sentinel).await?;
    let mut command = cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    answer::master(&ask.once(&line, &command).await?)
}

async fn master_at(dial: &Dial, server: &StoreAddress) -> Result<Line, EngineFault> {
    let line = dial.to(server).await?;
    if answer::is_master(&dial.once(&line, &cmd("ROLE")).await?)? {
        Ok(line)
    } else {
        Err(EngineFault::unreachable(format!("{server} is not the master any more, or not yet")))
    }
}
