//! What is done to the pool, one after the other with calm between, and which errors that explains.

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

/// Something that is done to the pool, and what takes it back.
struct Step {
    name: &'static str,
    /// Whether anybody may notice.
    excuses: bool,
    begin: &'static [(&'static str, &'static str)],
    end: &'static [(&'static str, &'static str)],
}

/// So many that none is left over before it is taken back.
const STEPS: &[Step] = &[
    Step { name: "new keys", excuses: false, begin: &[("rotate", r#"{"keep": true}"#)], end: &[] },
    Step {
        name: "token: 503",
        excuses: true,
        begin: &[("fail", r#"{"status": 503, "count": 1000000}"#)],
        end: &[("fail", r#"{"status": 503, "count": 0}"#)],
    },
    Step {
        name: "token: 429",
        excuses: true,
        begin: &[("throttle", r#"{"count": 1000000}"#)],
        end: &[("throttle", r#"{"count": 0}"#)],
    },
    Step {
        name: "token: slow",
        excuses: true,
        begin: &[("lifetimes", house::LONG_GRACE), ("slow", r#"{"ms": 3000, "count": 1000000}"#)],
        end: &[("slow", r#"{"ms": 0, "count": 0}"#)],
    },
    Step {
        name: "token: lost",
        excuses: true,
        begin: &[("lifetimes", house::LONG_GRACE), ("lose", r#"{"count": 1000000}"#)],
        end: &[("lose", r#"{"count": 0}"#)],
    },
    Step {
        name: "keys: 503",
        excuses: true,
        begin: &[
            ("lifetimes", house::LONG_GRACE),
            ("fail", r#"{"endpoint": "jwks", "status": 503, "count": 1000000}"#),
            ("rotate", r#"{"keep": false}"#),
        ],
        end: &[("fail", r#"{"endpoint": "jwks", "status": 503, "count": 0}"#)],
    },
    // Everybody has come again before the old tokens die early once more.
    Step { name: "calm", excuses: false, begin: &[], end: &[] },
    Step { name: "calm", excuses: false, begin: &[], end: &[] },
    Step { name: "no grace", excuses: false, begin: &[("lifetimes", house::NO_GRACE)], end: &[] },
];

// === impl Faults ===

impl Faults {
    /// Goes through all that can be done to the pool, again and again, until then.
    pub fn come_and_go(&self, house: &House, until: Instant) {
        let rest = |most: Duration| {
            std::thread::sleep(most.min(until.saturating_duration_since(Instant::now())));
            Instant::now() < until
        };
        for (number, step) in STEPS.iter().cycle().enumerate() {
            // Who is revoked is sent away in good times and in bad ones.
            house.revoke(number * 7 % house.people.len());
            if step.excuses {
                self.0.lock().unwrap().push(Spell { name: step.name, from: Instant::now(), until: None });
            }
            step.begin.iter().for_each(|(what, how)| house.pool.dev(what, how));
            let mut going_on = rest(ON);
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
        let explains = |spell: &&Spell| {
            spell.from <= answered && spell.until.is_none_or(|until| sent <= until + RECOVERY)
        };
        spells.iter().rev().find(explains).map(|spell| spell.name)
    }
}

/// How long each fault lasts: longer than the gate waits for a pool that it can do without (2 s), and long enough for
/// those whose time with their old roles runs out meanwhile.
const ON: Duration = Duration::from_secs(7);
/// The calm after it.
const OFF: Duration = Duration::from_secs(13);
/// So long after its end a fault still explains an error: the gate asks for a session again after 5 s, and what was
/// slow until the end is 3 s late.
const RECOVERY: Duration = Duration::from_secs(9);
