//! How long a refresh's result is kept that nobody took to a browser.

use std::time::Duration;

use super::Generation;
use crate::session::Ticket;

/// For how much longer than others such a result is kept, at `now`: where the refresh token is another than that of
/// `ticket`, it exists nowhere else, and the browser's own counts no more. The browser may come when what it has open
/// ends, with the access token; so that this comes on top of the usual time.
pub(super) fn longer(next: &Generation, ticket: &Ticket, now: u64) -> Duration {
    match next.ticket == *ticket {
        true => Duration::ZERO,
        false => Duration::from_secs(next.session.access_ends.saturating_sub(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Grant, Session};

    #[test]
    fn a_new_refresh_token_that_nobody_took_is_kept_as_long_as_the_access_token_lives() {
        let ticket =
            |token: &str| Ticket { id: "i".into(), begun: 0, ends: 9000, grant: Grant::Token(token.into()) };
        let next = |token: &str| {
            let session = Session { begun: 0, ends: 9000, access_ends: 3700, seen: 0, ..Session::sample() };
            Generation::new(session, ticket(token), None)
        };
        assert_eq!(longer(&next("new"), &ticket("old"), 100), Duration::from_secs(3600));
        assert_eq!(longer(&next("new"), &ticket("old"), 4000), Duration::ZERO);
        assert_eq!(longer(&next("old"), &ticket("old"), 100), Duration::ZERO, "the browser's own is good");
    }
}
