//! Hours in minutes: people with browsers behind the gate, a pool with short lifetimes that rotates refresh tokens and
//! breaks now and then, and what must never happen meanwhile.
//!
//! There are two houses: one gate with cookies alone, and two gates with a store, where each request goes to either of
//! them and each person has two browsers. `make soak SOAK_SECONDS=3600 SOAK_BROWSERS=300` runs one after the other, half
//! the time each, and prints the reports; a minute of each with fewer browsers is a test like any other. `SOAK_SEED`
//! takes the same decisions again, though not in the same order.
//!
//! Must be 0, while everything else is only counted:
//! - unexpected logouts: a redirect to the pool, or a 401, in a session that has time left (`max_age`), that nobody
//!   signed out and whose refresh tokens nobody revoked; also while the pool or the store fails;
//! - wrong identities: the upstream was told another `X-User` or other `X-Roles`;
//! - outlived sign-outs: a cookie from before a sign-out counts, with a store at any gate after five seconds; or a
//!   session goes on after its person signed out everywhere, or long after its refresh tokens were revoked;
//! - other errors: 5xx, silence or a redirect loop while pool and store are well, and anything unforeseen at any time;
//! - gates grown too far: more than [`Plan::may_grow_kib`] after everybody was there.
//!
//! Not demanded is what nobody could do. An answer of the token endpoint that is lost after the pool has rotated takes
//! the new refresh token with it; the old one works for the pool's grace, counted from its first use. So while answers
//! are lost, come late, or cannot be verified because the pool shows no keys, the grace is Cognito's longest, a minute,
//! and people come again within half of that; at all other times there is none, also while the store is away. Likewise a browser that goes away before
//! its new cookies arrive comes again while the gate keeps them for it, within a minute. Somebody who is revoked while
//! they sign in may be sent away once.
//!
//! Errors that a fault explains are counted by cause: 503 for whoever's access token and grace have run out, 502 or 503
//! at a callback. So long after a fault as the gate waits before it asks again, and a little, they are its errors still.
//!
//! The store falls silent for a while, and is killed and comes back with what it had: one that loses its data signs
//! people out by design. While gates cannot hear of each other, and shortly after, nobody demands that they know. Nor does
//! a session that was called off itself call off others.

mod called_off;
mod echo;
mod faults;
mod house;
mod ledger;
mod person;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faults::Faults;
use house::House;
use ledger::{Count, Ledger, Wrong, row};
use person::Person;

/// What is to run, and for how long.
pub struct Plan {
    pub seconds: u64,
    pub browsers: usize,
    /// Two gates that share a store; else one with cookies alone.
    pub shares: bool,
    pub seed: u64,
}

/// All of it while it runs.
pub struct Soak {
    plan: Plan,
    house: House,
    ledger: Ledger,
    faults: Faults,
    begun: Instant,
}

#[test]
fn a_minute_of_everything_signs_nobody_out_and_mixes_nobody_up() {
    soak(false);
}

#[test]
fn a_minute_of_everything_at_two_gates_with_a_store_signs_nobody_out_and_mixes_nobody_up() {
    soak(true);
}

fn soak(shares: bool) {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number: SOAK_SECONDS and its like"))
    };
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let plan = Plan {
        seconds: number("SOAK_SECONDS", 60),
        browsers: usize::try_from(number("SOAK_BROWSERS", 40)).unwrap(),
        shares,
        seed: number("SOAK_SEED", clock),
    };
    let over = Soak::run(plan);
    let report = over.report();
    assert!(over.soak.ledger.is_clean(), "{report}");
    println!("{report}");
}

/// What is left when it is over.
struct Over {
    soak: Arc<Soak>,
    /// Memory of each gate in KiB, when everybody was there and at the end.
    memory: Vec<(u64, u64)>,
    /// What the store used at the same times, in KiB.
    store: Option<(u64, u64)>,
}

// === impl Plan ===

impl Plan {
    /// How many gates there are.
    pub fn gates(&self) -> usize {
        if self.shares { 2 } else { 1 }
    }

    /// How many browsers each person has.
    pub fn browsers_each(&self) -> usize {
        if self.shares { 2 } else { 1 }
    }

    /// What allocators, counters and the connections of each browser take their time to reach, however long it runs.
    fn may_grow_kib(&self) -> u64 {
        16 * 1024 + 32 * self.browsers as u64
    }
}

// === impl Soak ===

impl Soak {
    fn run(plan: Plan) -> Over {
        let house = House::start(&plan);
        let soak = Arc::new(Self {
            plan,
            house,
            ledger: Ledger::default(),
            faults: Faults::default(),
            begun: Instant::now(),
        });
        let until = soak.begun + Duration::from_secs(soak.plan.seconds);
        let people: Vec<_> = (0..soak.plan.browsers)
            .map(|number| {
                let person = Person::new(soak.clone(), number);
                std::thread::spawn(move || person.live(until))
            })
            .collect();
        let everybody = soak.plan.browsers as u64;
        while soak.ledger.counted(Count::SignIns) < everybody && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
        }
        let store = soak.house.store_memory_kib();
        let warm = soak.clone();
        let start = std::thread::spawn(move || {
            std::thread::sleep(WARM_UP.min(until.saturating_duration_since(Instant::now())));
            warm.house.memory_kib()
        });
        soak.faults.come_and_go(&soak.house, soak.plan.seed, until);
        for person in people {
            if person.join().is_err() {
                soak.ledger.wrong(Wrong::Error, "a person's thread panicked");
            }
        }
        let memory: Vec<(u64, u64)> =
            start.join().unwrap().into_iter().zip(soak.house.memory_kib()).collect();
        for (gate, (start, end)) in memory.iter().enumerate() {
            if *end > start + soak.plan.may_grow_kib() || *end == 0 {
                soak.ledger.wrong(Wrong::Memory, &format!("gate {gate}: {start} KiB, then {end} KiB"));
            }
        }
        let store = store.zip(soak.house.store_memory_kib());
        Over { soak, memory, store }
    }
}

// === impl Over ===

impl Over {
    /// One screen.
    fn report(&self) -> String {
        let Soak { plan, house, ledger, .. } = &*self.soak;
        let Plan { seconds, browsers, shares, seed } = plan;
        let gates = plan.gates();
        let store = if *shares { "with a store" } else { "cookies alone" };
        let mut text = format!(
            "soak: {seconds} s, {browsers} browsers, gates: {gates}, {store}, rotation on, seed {seed}\n"
        );
        let stats = house.pool.stats();
        let calls = |kind: &str| stats["token"][kind].as_u64().unwrap_or_default();
        row(
            &mut text,
            "refreshes",
            calls("refresh_token"),
            "token calls of all gates that the pool did not refuse at once",
        );
        text += &ledger.report(*seconds);
        let concerned = house.people.iter().filter(|account| ledger.concerns(&account.name));
        for account in concerned.take(MOST_CONCERNED) {
            let _ = writeln!(text, "what the gates last said of {}", account.name);
            house.said_of(&account.name).iter().for_each(|line| text.extend(["  ", line, "\n"]));
        }
        text.push_str("what the gates warned of\n");
        for (reason, count) in house.warnings() {
            row(&mut text, "", count, &reason);
        }
        for (gate, (start, end)) in self.memory.iter().enumerate() {
            let _ = writeln!(
                text,
                "memory of gate {gate}: {start} KiB with everybody there, {end} KiB at the end; may grow by {}",
                plan.may_grow_kib()
            );
        }
        if let Some((start, end)) = self.store {
            let _ =
                writeln!(text, "memory of the store: {start} KiB with everybody there, {end} KiB at the end");
        }
        text
    }
}

/// What went wrong for a few is told in full.
const MOST_CONCERNED: usize = 3;
/// After the last first sign-in, before memory is looked at: by then most connections are open.
const WARM_UP: Duration = Duration::from_secs(20);
