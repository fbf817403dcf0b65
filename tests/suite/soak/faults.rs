//! What is done to the pool and the store, one after the other with calm between, and which errors that explains.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::house::{self, House};

/// When something was broken on purpose.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Spell>>);

struct Spell {
    name: &'static str,
    from: Instant,
    /// `None`: it still is.
    until: Option<Instant>,
}

/// Something that is done to the pool or the store, and what takes it back.
struct Step {
    name: &'static str,
    /// Whether anybody may notice.
    excuses: bool,
    store: Option<Stop>,
    begin: &'static [(&'static str, &'static str)],
    end: &'static [(&'static str, &'static str)],
}

/// How the store's server stops, until it goes on.
#[derive(Clone, Copy)]
enum Stop {
    /// It answers nobody, and connections stay.
    Silent,
    /// It is killed, and comes back with what it has on disk.
    Killed,
}

/// Where there is a store, this comes first. The pool gives no grace meanwhile: what it said is written when the store
/// is back.
const STORE_STEPS: &[Step] = &[
    Step { name: "store: silent", excuses: true, store: Some(Stop::Silent), begin: &[], end: &[] },
    Step { name: "store: killed", excuses: true, store: Some(Stop::Killed), begin: &[], end: &[] },
];

/// So many that none is left over before it is taken back.
const POOL_STEPS: &[Step] = &[
    Step {
        name: "new keys",
        excuses: false,
        store: None,
        begin: &[("rotate", r#"{"keep": true}"#)],
        end: &[],
    },
    Step {
        name: "token: 503",
        excuses: true,
        store: None,
        begin: &[("fail", r#"{"status": 503, "count": 1000000}"#)],
        end: &[("fail", r#"{"status": 503, "count": 0}"#)],
    },
    Step {
        name: "token: 429",
        excuses: true,
        store: None,
        begin: &[("throttle", r#"{"count": 1000000}"#)],
        end: &[("throttle", r#"{"count": 0}"#)],
    },
    Step {
        name: "token: slow",
        excuses: true,
        store: None,
        begin: &[("lifetimes", house::LONG_GRACE), ("slow", r#"{"ms": 3000, "count": 1000000}"#)],
        end: &[("slow", r#"{"ms": 0, "count": 0}"#)],
    },
    Step {
        name: "token: lost",
        excuses: true,
        store: None,
        begin: &[("lifetimes", house::LONG_GRACE), ("lose", r#"{"count": 1000000}"#)],
        end: &[("lose", r#"{"count": 0}"#)],
    },
    Step {
        name: "keys: 503",
        excuses: true,
        store: None,
        begin: &[
            ("lifetimes", house::LONG_GRACE),
            ("fail", r#"{"endpoint": "jwks", "status": 503, "count": 1000000}"#),
            ("rotate", r#"{"keep": false}"#),
        ],
        end: &[("fail", r#"{"endpoint": "jwks", "status": 503, "count": 0}"#)],
    },
    // Everybody has come again before the old tokens die early once more.
    Step { name: "calm", excuses: false, store: None, begin: &[], end: &[] },
    Step { name: "calm", excuses: false, store: None, begin: &[], end: &[] },
    Step {
        name: "no grace",
        excuses: false,
        store: None,
        begin: &[("lifetimes", house::NO_GRACE)],
        end: &[],
    },
];

// === impl Faults ===

impl Faults {
    /// Goes through all that can be done, again and again, until then. The pool's part alone begins with a fault that the
    /// seed chooses: a short run sees a few of them.
    pub fn come_and_go(&self, house: &House, seed: u64, until: Instant) {
        let rest = |most: Duration| {
            std::thread::sleep(most.min(until.saturating_duration_since(Instant::now())));
            Instant::now() < until
        };
        let store_steps: &[Step] = if house.store.is_some() { STORE_STEPS } else { &[] };
        let first = if house.store.is_some() { 0 } else { seed as usize % POOL_FAULTS };
        for (number, step) in store_steps.iter().chain(POOL_STEPS).cycle().skip(first).enumerate() {
            // Who is revoked is sent away in good times and in bad ones.
            house.revoke(number * 7 % house.people.len());
            if step.excuses {
                self.0.lock().unwrap().push(Spell { name: step.name, from: Instant::now(), until: None });
            }
            if let Some(stop) = step.store {
                house.with_store(|store| match stop {
                    Stop::Silent => store.pause(),
                    Stop::Killed => store.kill(),
                });
            }
            step.begin.iter().for_each(|(what, how)| house.pool.dev(what, how));
            let mut going_on = rest(ON);
            if let Some(stop) = step.store {
                house.with_store(|store| match stop {
                    Stop::Silent => store.resume(),
                    Stop::Killed => store.restart(),
                });
            }
            step.end.iter().for_each(|(what, how)| house.pool.dev(what, how));
            if step.excuses {
                self.0.lock().unwrap().iter_mut().for_each(|spell| {
                    spell.until.get_or_insert_with(Instant::now);
                });
            }
            going_on = going_on && rest(OFF);
            if !going_on {
                return;
            }
        }
    }

    /// The fault that explains an error of a request that was sent and answered then, if there is one.
    pub fn excuse(&self, sent: Instant, answered: Instant) -> Option<&'static str> {
        let spells = self.0.lock().unwrap();
        spells.iter().rev().find(|spell| spell.touches(sent, answered)).map(|spell| spell.name)
    }

    /// Whether gates could not hear of each other at some time between these two.
    pub fn kept_apart(&self, from: Instant, until: Instant) -> bool {
        let spells = self.0.lock().unwrap();
        let of_store = |spell: &&Spell| STORE_STEPS.iter().any(|step| step.name == spell.name);
        spells.iter().filter(of_store).any(|spell| spell.touches(from, until))
    }
}

// === impl Spell ===

impl Spell {
    /// Whether it, or its recovery, was going on between these two.
    fn touches(&self, from: Instant, until: Instant) -> bool {
        self.from <= until && self.until.is_none_or(|over| from <= over + RECOVERY)
    }
}

/// The first of [`POOL_STEPS`]; the rest is what comes after them.
const POOL_FAULTS: usize = 6;
/// How long each fault lasts: longer than the gate waits for a pool that it can do without (2 s), and long enough for
/// those whose time with their old roles runs out meanwhile.
const ON: Duration = Duration::from_secs(7);
/// The calm after it.
const OFF: Duration = Duration::from_secs(13);
/// So long after its end a fault still explains an error: the gate asks for a session again after 5 s, and what was
/// slow until the end is 3 s late.
const RECOVERY: Duration = Duration::from_secs(9);
