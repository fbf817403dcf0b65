//! A cluster: each key at the node that serves its slot, and what is known of that kept up to date.
//!
//! The map is read again when a node sends us on, is silent, or is gone: a failover shows in the other nodes' maps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value, cmd};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::fault::EngineFault;
use super::line::Dial;
use super::link::{Link, Target, Trouble, now};
use super::slots::{Slots, slot};
use crate::config::settings::StoreAddress;

/// Shared by all of one process.
pub(super) struct Cluster {
    dial: Arc<Dial>,
    /// Where to begin, and to begin again when every known node is gone.
    seeds: Vec<StoreAddress>,
    known: Mutex<Known>,
    /// When the map was read last. One reads it, the others wait.
    read: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    slots: Slots,
    links: HashMap<StoreAddress, Link>,
    /// The map may be wrong; with the node that had better not be asked about it.
    doubt: Option<Option<StoreAddress>>,
}

/// Where a node sends us on to.
enum Onward {
    /// The slot is there now.
    Moved(StoreAddress),
    /// This key may be there already.
    Ask(StoreAddress),
}

/// More are a circle.
const HOPS: usize = 5;

/// A map that was read less than this ago is not read again: all that fail at once want it at once.
const FRESH: Duration = Duration::from_millis(100);

// === impl Cluster ===

impl Cluster {
    pub(super) fn new(dial: Arc<Dial>, seeds: Vec<StoreAddress>) -> Self {
        let known = Mutex::new(Known { doubt: Some(None), ..Known::default() });
        Self { dial, seeds, known, read: tokio::sync::Mutex::new(None) }
    }

    /// Asks the node that has the key.
    pub(super) async fn ask(
        &self,
        key: &str,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<Value, EngineFault> {
        let slot = slot(key.as_bytes());
        let mut node = self.owner(slot, deadline).await?;
        let mut newcomer = false;
        let mut again = true;
        for _ in 0..HOPS {
            let link = self.link(&node);
            let line = match link.line(deadline).await {
                Ok(line) => line,
                Err(fault) => {
                    self.doubt(Some(&node));
                    // Nothing was asked yet: perhaps another node has taken over by now.
                    if std::mem::take(&mut again) {
                        node = self.owner(slot, deadline).await?;
                        newcomer = false;
                        continue;
                    }
                    return Err(fault);
                }
            };
            let answer = match newcomer {
                true => link.ask_on(&line, line.ask_newcomer(command), deadline).await,
                false => link.ask_on(&line, line.ask(command), deadline).await,
            };
            let trouble = match answer {
                Ok(value) => return Ok(value),
                Err(trouble) => trouble,
            };
            match onward(&trouble, &node) {
                Some(Onward::Moved(next)) => {
                    self.doubt(None);
                    (node, newcomer) = (next, false);
                }
                Some(Onward::Ask(next)) => (node, newcomer) = (next, true),
                None => {
                    if is_about_the_node(&trouble) {
                        self.doubt(Some(&node));
                        if !matches!(trouble, Trouble::Silent) && std::mem::take(&mut again) {
                            node = self.owner(slot, deadline).await?;
                            newcomer = false;
                            continue;
                        }
                    }
                    return Err(trouble.at(&line));
                }
            }
        }
        Err(EngineFault::answer("the nodes of the cluster send each other's keys round"))
    }

    /// The way to the node that has the key, for one who wants a line there.
    pub(super) async fn link_for(&self, key: &str, deadline: Instant) -> Result<Link, EngineFault> {
        Ok(self.link(&self.owner(slot(key.as_bytes()), deadline).await?))
    }

    /// The map may be wrong, `about` at least.
    pub(super) fn doubt(&self, about: Option<&StoreAddress>) {
        self.known().doubt = Some(about.cloned());
    }

    async fn owner(&self, slot: u16, deadline: Instant) -> Result<StoreAddress, EngineFault> {
        let doubted = self.known().doubt.is_some();
        // With a map that may be wrong and none to be had, the old one is still the best there is.
        let read = if doubted { self.read_map(deadline).await } else { Ok(()) };
        // Not in the match: what is locked there stays locked to its end.
        let owner = self.known().slots.owner(slot).cloned();
        match (owner, read) {
            (Some(owner), _) => Ok(owner),
            (None, Err(fault)) => Err(fault),
            (None, Ok(())) => {
                self.doubt(None);
                Err(EngineFault::unreachable("no node of the cluster serves this key's slot"))
            }
        }
    }

    async fn read_map(&self, deadline: Instant) -> Result<(), EngineFault> {
        let late = |_| EngineFault::timeout("no node of the cluster answers in time");
        let mut read = timeout_at(deadline, self.read.lock()).await.map_err(late)?;
        let suspect = match (&*read, self.known().doubt.clone()) {
            (_, None) => return Ok(()),
            (Some(last), _) if now() - *last < FRESH => return Ok(()),
            (_, Some(suspect)) => suspect,
        };
        let mut others = self.nodes();
        others.retain(|node| Some(node) != suspect.as_ref());
        let mut found = timeout_at(deadline, self.first_map(others, deadline)).await.map_err(late)?;
        if let (Err(_), Some(suspect)) = (&found, suspect) {
            found = timeout_at(deadline, self.first_map(vec![suspect], deadline)).await.map_err(late)?;
        }
        *read = Some(now());
        let slots = found?;
        let mut known = self.known();
        known.links.retain(|node, _| slots.owners().any(|owner| owner == node) || self.seeds.contains(node));
        known.slots = slots;
        known.doubt = None;
        Ok(())
    }

    /// The map of whoever answers first.
    async fn first_map(&self, nodes: Vec<StoreAddress>, deadline: Instant) -> Result<Slots, EngineFault> {
        let mut answers = JoinSet::new();
        for node in nodes {
            let link = self.link(&node);
            answers.spawn(async move {
                let mut command = cmd("CLUSTER");
                command.arg("SLOTS");
                Slots::read(&link.ask(&command, deadline).await?, &node)
            });
        }
        let mut fault = EngineFault::unreachable("no node of the cluster answers");
        while let Some(answer) = answers.join_next().await {
            match answer {
                Ok(Ok(slots)) if !slots.is_empty() => return Ok(slots),
                Ok(Ok(_)) => fault = EngineFault::unreachable("a node of the cluster knows of no slots"),
                Ok(Err(error)) => fault = error,
                Err(_) => {}
            }
        }
        Err(fault)
    }

    fn nodes(&self) -> Vec<StoreAddress> {
        let known = self.known();
        let mut nodes: Vec<_> = known.slots.owners().chain(&self.seeds).cloned().collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    fn link(&self, node: &StoreAddress) -> Link {
        let mut known = self.known();
        let link = known.links.entry(node.clone());
        link.or_insert_with(|| Link::new(self.dial.clone(), Target::Server(node.clone()))).clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `MOVED` and `ASK`, with the address that may leave out the host: the same as that of who says so.
fn onward(trouble: &Trouble, node: &StoreAddress) -> Option<Onward> {
    let Trouble::Said(error) = trouble else { return None };
    let (text, _) = error.redirect_node()?;
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() || host == "?" { &node.host } else { host };
    let next = StoreAddress { host: host.to_owned(), port: port.parse().ok()? };
    Some(if error.code() == Some("ASK") { Onward::Ask(next) } else { Onward::Moved(next) })
}

/// Whether another node may have taken over, rather than the call being at fault.
fn is_about_the_node(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Silent => true,
        Trouble::Said(error) => super::fault::is_spent(error) || error.code() == Some("CLUSTERDOWN"),
    }
}
