//! What is done about an upstream's addresses while nobody asks: names are resolved, checks are made. One task each in
//! the process, until another configuration counts.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connect::{self, Connector};
use super::upstream::{Group, Member};
use crate::background::Background;
use crate::config::settings::HealthCheck;

/// Looks a name up.
pub(super) type Resolver = Arc<dyn Fn(String, u16) -> Looking + Send + Sync>;
/// The addresses of a name, once they are known.
type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// One address as it is written, and what it is asked with.
#[derive(Clone)]
pub(super) struct Tended {
    pub(super) connector: Connector,
    /// What it calls itself.
    pub(super) host: HeaderValue,
    /// Its name and port, if it has one.
    pub(super) name: Option<(String, u16)>,
}

/// The tasks of one configuration: they end with it.
#[derive(Default)]
pub(super) struct Tasks(Vec<AbortHandle>);

/// What the system says of names.
pub(super) fn system() -> Resolver {
    Arc::new(|host, port| Box::pin(connect::addresses(host, port)))
}

// === impl Tasks ===

impl Tasks {
    /// Follows the names of `group` every so often.
    pub(super) fn resolve(
        &mut self,
        group: &Arc<Group>,
        written: &[Tended],
        every: Duration,
        resolver: &Resolver,
        background: &Background,
    ) {
        for (at, tended) in written.iter().enumerate() {
            let Some((host, port)) = tended.name.clone() else { continue };
            let (group, resolver) = (group.clone(), resolver.clone());
            let work = async move {
                let mut fails = false;
                loop {
                    let found = resolver(host.clone(), port).await;
                    let failed_before =
                        std::mem::replace(&mut fails, !matches!(&found, Ok(some) if !some.is_empty()));
                    let pause = if fails { every.min(AGAIN) } else { every };
                    // Once: it is counted each time.
                    if fails && !failed_before {
                        let error = found.as_ref().err().map(ToString::to_string).unwrap_or_default();
                        tracing::warn!(
                            upstream = group.name(),
                            host,
                            error,
                            "an upstream's name leads nowhere"
                        );
                    }
                    group.resolved(at, found.unwrap_or_default());
                    sleep(pause).await;
                }
            };
            self.0.push(background.spawn(work).abort_handle());
        }
    }

    /// Checks every address of `group` every so often, each by itself: one that hangs holds up no other.
    pub(super) fn check(
        &mut self,
        group: &Arc<Group>,
        written: &[Tended],
        check: &HealthCheck,
        background: &Background,
    ) {
        let (group, written, check) = (group.clone(), written.to_vec(), check.clone());
        let work = async move {
            let mut turns = interval(check.interval);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (mut checks, mut under_way) = (JoinSet::new(), Vec::<Member>::new());
            loop {
                tokio::select! {
                    _ = turns.tick() => {}
                    Some(checked) = checks.join_next() => {
                        match checked {
                            Ok((member, outcome)) => {
                                group.checked(&member, outcome);
                                under_way.retain(|other| !other.is(&member));
                            }
                            Err(_) => under_way.clear(),
                        }
                        continue;
                    }
                }
                for member in group.members().iter() {
                    if under_way.iter().any(|other| other.is(member)) {
                        continue;
                    }
                    under_way.push(member.clone());
                    let Tended { connector, host, .. } = written[member.at].clone();
                    let connector = match member.address {
                        Some(address) => connector.at(address),
                        None => connector,
                    };
                    let (member, check) = (member.clone(), check.clone());
                    checks.spawn(async move {
                        let outcome = passes(&connector, host, &check).await;
                        (member, outcome)
                    });
                }
            }
        };
        self.0.push(background.spawn(work).abort_handle());
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// One check, on a connection of its own: an address that takes no new ones does not answer.
async fn passes(connector: &Connector, host: HeaderValue, check: &HealthCheck) -> Result<(), &'static str> {
    let ask = async {
        let stream = connector.connect().await.map_err(|fault| fault.reason())?;
        let closed = |_| "upstream_closed";
        // Ends with this check, whatever the address does.
        let mut work = JoinSet::new();
        let request = Request::get(&check.path).header(USER_AGENT, "rolegate");
        let answer = if connector.speaks_http2() {
            let wire = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (mut sender, connection) = wire.map_err(closed)?;
            work.spawn(connection);
            let (scheme, host) = (connector.scheme(), host.to_str().map_err(|_| "check_request")?);
            let request = request.uri(format!("{scheme}://{host}{}", check.path));
            sender.send_request(request.body(String::new()).map_err(|_| "check_request")?).await
        } else {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(closed)?;
            work.spawn(connection);
            let request = request.header(HOST, host).header(CONNECTION, "close");
            sender.send_request(request.body(String::new()).map_err(|_| "check_request")?).await
        };
        let answer = answer
            .map_err(|error| if error.is_parse() { "upstream_bad_answer" } else { "upstream_closed" })?;
        if check.status.contains(&answer.status().as_u16()) { Ok(()) } else { Err("check_status") }
    };
    timeout(check.timeout, ask).await.unwrap_or(Err("check_timeout"))
}

/// After a name could not be resolved, unless names are resolved more often anyway.
const AGAIN: Duration = Duration::from_secs(5);
