//! What is counted while the house runs, what must be 0 of it, and the report.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

/// Counts by name, and the words of what must not happen.
#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    counts: BTreeMap<Count, u64>,
    errors: BTreeMap<String, u64>,
    wrongs: BTreeMap<Wrong, u64>,
    told: Vec<String>,
    slowest: Duration,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    Requests,
    SignIns,
    Passwords,
    SignOuts,
    SignOutsEverywhere,
    /// Of these: with a session that somebody may have called off before.
    ProvedNothing,
    LookedBack,
    EndedByAge,
    EndedByRevocation,
    EndedByTheirOther,
    Sockets,
    EventStreams,
    StreamsEndedByGate,
    LeftInTheMiddle,
    LeftBeforeAnswer,
}

/// What must not happen, not once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Sent to sign in, though the session had time left and nobody ended it.
    Logout,
    /// The upstream was told another user or other roles.
    Identity,
    /// A session went on after its sign-out, or long after it was revoked.
    Outlived,
    /// An error while nothing was broken on purpose, or one that no fault explains.
    Error,
    /// A gate holds more memory than it may.
    Memory,
}

// === impl Ledger ===

impl Ledger {
    /// One more.
    pub fn count(&self, what: Count) {
        *self.entries().counts.entry(what).or_default() += 1;
    }

    /// How many so far.
    pub fn counted(&self, what: Count) -> u64 {
        self.entries().counts.get(&what).copied().unwrap_or_default()
    }

    /// An answer took so long.
    pub fn took(&self, long: Duration) {
        let mut entries = self.entries();
        entries.slowest = entries.slowest.max(long);
    }

    /// An error that a fault explains.
    pub fn error(&self, cause: &str) {
        *self.entries().errors.entry(cause.to_owned()).or_default() += 1;
    }

    /// What must not happen has; `words` say whom and when.
    pub fn wrong(&self, what: Wrong, words: &str) {
        let mut entries = self.entries();
        *entries.wrongs.entry(what).or_default() += 1;
        if entries.told.len() < MOST_TOLD {
            entries.told.push(format!("{what:?}: {words}"));
        }
    }

    /// The same once more, of which the words are told already.
    pub fn wrong_again(&self, what: Wrong) {
        *self.entries().wrongs.entry(what).or_default() += 1;
    }

    /// Whether something went wrong for this person, in words.
    pub fn concerns(&self, name: &str) -> bool {
        self.entries().told.iter().any(|words| words.contains(&format!(" {name}, ")))
    }

    /// Whether nothing happened that must not.
    pub fn is_clean(&self) -> bool {
        self.entries().wrongs.is_empty()
    }

    /// The lines that are this ledger's.
    pub fn report(&self, seconds: u64) -> String {
        let entries = self.entries();
        let of = |what: Count| entries.counts.get(&what).copied().unwrap_or_default();
        let mut text = String::new();
        let requests = of(Count::Requests);
        row(
            &mut text,
            "requests",
            requests,
            &format!("{} a second; the slowest took {:.1?}", requests / seconds.max(1), entries.slowest),
        );
        row(&mut text, "sign-ins", of(Count::SignIns), &format!("{} passwords typed", of(Count::Passwords)));
        let outs = format!(
            "{} of them everywhere, {} of these with a session that may have been over; {} cookies of before \
             shown again",
            of(Count::SignOutsEverywhere),
            of(Count::ProvedNothing),
            of(Count::LookedBack)
        );
        row(&mut text, "sign-outs", of(Count::SignOuts), &outs);
        let ends = [Count::EndedByAge, Count::EndedByRevocation, Count::EndedByTheirOther].map(of);
        let ended = ends.iter().sum();
        let [age, revoked, other] = ends;
        let why = format!("{age} by age, {revoked} revoked at the pool, {other} from another browser");
        row(&mut text, "sessions ended", ended, &why);
        let streams = of(Count::Sockets) + of(Count::EventStreams);
        let kinds = format!(
            "{} WebSockets, {} event streams; {} ended by the gate",
            of(Count::Sockets),
            of(Count::EventStreams),
            of(Count::StreamsEndedByGate)
        );
        row(&mut text, "streams", streams, &kinds);
        let left = of(Count::LeftInTheMiddle) + of(Count::LeftBeforeAnswer);
        let when = format!(
            "{} in the middle of an answer, {} before it",
            of(Count::LeftInTheMiddle),
            of(Count::LeftBeforeAnswer)
        );
        row(&mut text, "answers not awaited", left, &when);
        row(&mut text, "errors under faults", entries.errors.values().sum(), "");
        for (cause, count) in &entries.errors {
            row(&mut text, "", *count, cause);
        }
        text.push_str("must be 0\n");
        for (wrong, name) in [
            (Wrong::Logout, "unexpected logouts"),
            (Wrong::Identity, "wrong identities"),
            (Wrong::Outlived, "outlived sign-outs"),
            (Wrong::Error, "other errors"),
            (Wrong::Memory, "gates grown too far"),
        ] {
            row(&mut text, name, entries.wrongs.get(&wrong).copied().unwrap_or_default(), "");
        }
        for words in &entries.told {
            let _ = writeln!(text, "  {words}");
        }
        text
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A line of the report: what, how many, and what there is to say of them.
pub fn row(text: &mut String, name: &str, count: u64, words: &str) {
    let _ = writeln!(text, "{}", format!("  {name:<20} {count:>9}  {words}").trim_end());
}

/// So many of what went wrong are told in words: enough to find the cause of, and still one screen.
const MOST_TOLD: usize = 20;
