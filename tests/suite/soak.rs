//! Hours in minutes: people with browsers behind the gate, a pool with short lifetimes that rotates refresh tokens and
//! breaks now and then, and what must never happen meanwhile.
//!
//! `make soak SOAK_SECONDS=3600 SOAK_BROWSERS=300` runs it alone and prints the report; two minutes of it with fewer
//! people are a test like any other. `SOAK_SEED` takes the same decisions again, though not in the same order.
//!
//! Must be 0, while everything else is only counted:
//! - unexpected logouts: a redirect to the pool, or a 401, in a session that has time left (`max_age`), that nobody
//!   signed out and whose refresh tokens nobody revoked; also while the pool fails;
//! - wrong identities: the upstream was told another `X-User` or other `X-Roles`;
//! - outlived sign-outs: a cookie from before a sign-out counts, or a session goes on long after its refresh tokens
//!   were revoked;
//! - other errors: 5xx, silence or a redirect loop while the pool is well, and anything unforeseen at any time;
//! - gates grown too far: more than [`Plan::may_grow_kib`] after everybody was there.
//!
//! Not demanded is what nobody could do. An answer of the token endpoint that is lost after the pool has rotated takes
//! the new refresh token with it; the old one works for the pool's grace, counted from its first use. So while answers
//! are lost, come late, or cannot be verified because the pool shows no keys, the grace is Cognito's longest, a minute,
//! and people come again within half of that; at all other times there is none. Likewise a browser that goes away before
//! its new cookies arrive comes again while the gate keeps them for it, within a minute. Somebody who is revoked while
//! they sign in may be sent away once.
//!
//! Errors that a fault explains are counted by cause: 503 for whoever's access token and grace have run out, 502 or 503
//! at a callback. So long after a fault as the gate waits before it asks again, and a little, they are its errors still.
//!
//! A second gate needs a store: [`Plan::gates`] and [`Plan::store`] are where it comes in, and each request then goes to
//! any of them.

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
    /// With cookies alone one: several need a store to refresh once.
    pub gates: usize,
    /// The lines of `[session]` that name the store.
    pub store: Option<String>,
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
fn two_minutes_of_everything_sign_nobody_out_and_mix_nobody_up() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number: SOAK_SECONDS and its like"))
    };
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let plan = Plan {
        seconds: number("SOAK_SECONDS", 120),
        browsers: usize::try_from(number("SOAK_BROWSERS", 60)).unwrap(),
        gates: 1,
        store: None,
        seed: number("SOAK_SEED", clock),
    };
    let soak = Soak::run(plan);
    let report = soak.report();
    assert!(soak.soak.ledger.is_clean(), "{report}");
    println!("{report}");
}

/// What is left when it is over.
struct Over {
    soak: Arc<Soak>,
    /// Memory of each gate in KiB, when everybody was there and at the end.
    memory: Vec<(u64, u64)>,
}

// === impl Plan ===

impl Plan {
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
        let warm = soak.clone();
        let start = std::thread::spawn(move || {
            std::thread::sleep(WARM_UP.min(until.saturating_duration_since(Instant::now())));
            warm.house.memory_kib()
        });
        soak.faults.come_and_go(&soak.house, until);
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
        Over { soak, memory }
    }
}

// === impl Over ===

impl Over {
    /// One screen.
    fn report(&self) -> String {
        let Soak { plan, house, ledger, .. } = &*self.soak;
        let Plan { seconds, browsers, gates, seed, .. } = plan;
        let store = if plan.store.is_some() { "with a store" } else { "cookies alone" };
        let mut text = format!(
            "soak: {seconds} s, {browsers} browsers, gates: {gates}, {store}, rotation on, seed {seed}\n"
        );
        let stats = house.pool.stats();
        let calls = |kind: &str| stats["token"][kind].as_u64().unwrap_or_default();
        row(
            &mut text,
            "refreshes",
            calls("refresh_token"),
            "token calls that the pool did not refuse at once",
        );
        text += &ledger.report(*seconds);
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
        text
    }
}

/// After the last first sign-in, before memory is looked at: by then most connections are open.
const WARM_UP: Duration = Duration::from_secs(20);
