//! Several gates of one deployment behind a balancer: the same keys, client, pool, upstream and public origin.

use std::time::{Duration, Instant};

use super::balancer::Balancer;
use super::browser::Browser;
use super::gate::Gate;
use super::pool::FakePool;
use super::store::Server;
use super::token::random;
use super::upstream::Recorder;
use super::wire::Answer;
use super::world::Setup;
use super::{PATIENCE, until};

/// What replicas know of each other.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Nothing: what the browser brings is all there is.
    Cookies,
    /// They share a store: these lines of `[session]`, the same for each gate.
    Store(String),
}

/// The deployment.
pub struct Replicas {
    /// The gates by number; `None` once killed.
    pub gates: Vec<Option<Gate>>,
    /// The user pool.
    pub pool: FakePool,
    /// The upstream.
    pub upstream: Recorder,
    /// What browsers see.
    pub balancer: Balancer,
    /// What each gate was started with.
    pub setup: Setup,
}

// === impl Kind ===

impl Kind {
    /// A store of its own on this server, which others may use under other prefixes; and a patient one, for what must
    /// work however slow the machine is.
    pub fn on(server: &Server) -> Self {
        Self::at(&format!("store = {:?}\n", server.url()))
    }

    /// The same where these lines say.
    pub fn at(lines: &str) -> Self {
        Self::Store(format!("{lines}store_prefix = \"{}:\"\nstore_timeout = \"10s\"\n", random(6)))
    }

    /// Whether what one gate did is known to the others.
    pub fn shares(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

// === impl Replicas ===

impl Replicas {
    /// Starts this many gates.
    pub fn start(kind: &Kind, gates: usize, setup: Setup) -> Self {
        let setup = setup.keys(&random(32));
        let setup = match kind {
            Kind::Cookies => setup,
            Kind::Store(lines) => setup.session(lines),
        };
        let (pool, upstream) = (FakePool::start(), Recorder::start());
        let start = |_| setup.try_start_with(&pool, &upstream).expect("a gate that starts");
        let gates: Vec<Gate> = (0..gates).map(start).collect();
        let balancer = Balancer::start(gates.iter().map(|gate| gate.public).collect());
        Self { gates: gates.into_iter().map(Some).collect(), pool, upstream, balancer, setup }
    }

    /// A new browser profile that comes through the balancer.
    pub fn browser(&self) -> Browser {
        Browser::new(self.balancer.address)
    }

    /// A browser in which this user has signed in, with an access token of so many seconds; later ones live an hour.
    pub fn signed_in(&self, user: &str, life: i64) -> Browser {
        let mut browser = self.browser();
        self.pool.set_life(life);
        browser.sign_in(user);
        self.pool.set_life(3600);
        browser
    }

    /// Kills a gate at once: nothing that it had under way is finished.
    pub fn kill(&mut self, gate: usize) {
        let gate = self.gates[gate].take().expect("a gate that runs");
        gate.signal("KILL");
        until("the killed gate is gone", || (!gate.alive()).then_some(()));
    }
}

/// Asks again while a gate has not heard its store: it says so, by design, where the machine stands still for two
/// seconds. For where that is not the point.
pub fn heard(mut ask: impl FnMut() -> Answer) -> Answer {
    let end = Instant::now() + 3 * PATIENCE;
    loop {
        let answer = ask();
        if !is_store_outage(&answer) || Instant::now() >= end {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a gate says that it cannot do without its store: as a problem document, or as a page.
pub fn is_store_outage(answer: &Answer) -> bool {
    let text = answer.text();
    answer.status == 503
        && (text.contains("store_outage") || text.contains("at a place that cannot be reached"))
}
