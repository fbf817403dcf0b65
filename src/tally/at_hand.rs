//! Counters on the way of each request, which is not to look them up. ★

use prometheus_client::metrics::family::Family;

use super::{Busy, Outcome};

/// What became of opening a pass. Each is at hand: there is one a request.
#[derive(Debug, Clone)]
pub struct Passes {
    /// All of them, to be shown.
    pub all: Family<Outcome, Busy>,
    /// The key that seals now had sealed it.
    pub current: Busy,
    /// An older key had.
    pub older: Busy,
    /// No key of ours opens it, or what it holds is no session.
    pub unreadable: Busy,
    /// It opens, and was called off.
    pub called_off: Busy,
}

/// What came of a session that a pass names.
#[derive(Debug, Clone)]
pub struct Visits {
    /// All of them, to be shown.
    pub all: Family<Outcome, Busy>,
    /// It counts.
    pub served: Busy,
    /// It is over, or cannot be refreshed any more.
    pub over: Busy,
    /// The pool cannot be reached, and it needs that.
    pub pool_outage: Busy,
    /// The store cannot be reached, and it needs that.
    pub store_outage: Busy,
    /// The browser does not keep the tokens that go with it.
    pub tokens_not_kept: Busy,
    /// What a refresh brought does not fit into cookies.
    pub too_large: Busy,
}

impl Default for Passes {
    fn default() -> Self {
        let all = Family::<Outcome, Busy>::default();
        let of = |outcome| all.get_or_create_owned(&Outcome { outcome });
        Self {
            current: of("current_key"),
            older: of("older_key"),
            unreadable: of("unreadable"),
            called_off: of("called_off"),
            all: all.clone(),
        }
    }
}

impl Default for Visits {
    fn default() -> Self {
        let all = Family::<Outcome, Busy>::default();
        let of = |outcome| all.get_or_create_owned(&Outcome { outcome });
        Self {
            served: of("served"),
            over: of("over"),
            pool_outage: of("pool_outage"),
            store_outage: of("store_outage"),
            tokens_not_kept: of("tokens_not_kept"),
            too_large: of("too_large"),
            all: all.clone(),
        }
    }
}
