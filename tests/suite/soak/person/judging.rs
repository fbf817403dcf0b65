//! What a person makes of an answer: as it must be, excused by a fault, or wrong.

use std::time::{Duration, Instant};

use super::{Person, Sent, at};
use crate::soak::called_off::{SECONDS_ARE_WHOLE, TOLD};
use crate::soak::echo;
use crate::soak::house::{ACCESS_LIFE, Account, MAX_AGE, OUTAGE_GRACE};
use crate::soak::ledger::{Count, Wrong};
use crate::support::wire::{Answer, Head};

// === impl Person ===

impl Person {
    pub(super) fn signed_in(&mut self, asked: Instant) {
        self.soak.ledger.count(Count::SignIns);
        (self.since, self.begun, self.out) = (Some(asked), Some(Instant::now()), false);
    }

    /// An answer from the upstream by way of this gate: did it know who this is?
    pub(super) fn is_me(&mut self, head: &Head, (asked, gate): (Instant, usize)) {
        self.out = false;
        let account = self.account();
        let seen = (head.one(echo::USER), head.one(echo::ROLES));
        if seen != (Some(&account.name), Some(&account.roles)) {
            self.soak.ledger.wrong(Wrong::Identity, &self.tell(&format!("was taken for {seen:?}")));
        }
        let (Some(since), Some(begun)) = (self.since, self.begun) else {
            return self.is_nobody(asked, gate);
        };
        let revoked = account.revoked.lock().unwrap().filter(|revoked| *revoked > since + REVOKED_BETWEEN);
        if let Some(revoked) = revoked.filter(|revoked| asked > *revoked + MOST_AFTER_REVOCATION) {
            let words = format!(
                "was revoked at {:.1?}, and goes on at gate {gate}, asked at {:.1?}",
                self.at(revoked),
                self.at(asked)
            );
            self.soak.ledger.wrong(Wrong::Outlived, &self.tell(&words));
        }
        if let Some(words) = self.outlives_a_sign_out(begun, (asked, gate)) {
            if self.outlived.contains(&(begun, gate)) {
                self.soak.ledger.wrong_again(Wrong::Outlived);
            } else {
                self.outlived.push((begun, gate));
                self.soak.ledger.wrong(Wrong::Outlived, &self.tell(&words));
            }
        }
    }

    /// Known to the upstream without a sign-in: a refresh beside the sign-out brought new cookies, and they count no more
    /// once every gate is told.
    fn is_nobody(&self, asked: Instant, gate: usize) {
        let Some(left) = self.left.filter(|left| *left + TOLD < asked) else { return };
        if !self.soak.faults.kept_apart(asked - TOLD, asked) {
            let words = format!(
                "signed out at {:.1?}, and goes on at gate {gate}, asked at {:.1?}",
                self.at(left),
                self.at(asked)
            );
            self.soak.ledger.wrong(Wrong::Outlived, &self.tell(&words));
        }
    }

    /// How a session that was there at `begun` is known to go on after its person signed out everywhere.
    fn outlives_a_sign_out(&self, begun: Instant, (asked, gate): (Instant, usize)) -> Option<String> {
        if self.soak.faults.kept_apart(asked - TOLD, asked) {
            return None;
        }
        let called_off = self.account().called_off.lock().unwrap();
        let off = called_off.must_have_ended(begun, asked)?;
        let (browser, there) = off.by;
        Some(format!(
            "signed out everywhere, and goes on: signed in at {:.1?}; browser {browser} with a session of {:.1?} asked \
             gate {there} for it at {:.1?}; gate {gate} was asked for a page at {:.1?}",
            self.at(begun),
            self.at(off.since?),
            self.at(off.asked),
            self.at(asked)
        ))
    }

    /// A head of an answer whose body is not waited for; whether it is the one hoped for.
    pub(super) fn begun(&mut self, sent: &Sent, what: &str, head: Head, hoped: u16) -> bool {
        self.soak.ledger.count(Count::Requests);
        let status = head.start.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let answer = Answer { status, head, ..Answer::default() };
        self.jar.keep(&at("/"), &answer);
        if status == hoped {
            self.is_me(&answer.head, (sent.at, sent.gate));
        } else {
            self.refused(what, sent.at, &answer);
        }
        status == hoped
    }

    /// An answer that is none of the upstream's.
    pub(super) fn refused(&mut self, what: &str, asked: Instant, answer: &Answer) {
        if answer.status == 401 {
            return self.sent_away(what, asked);
        }
        let json = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
        let error = json["error"].as_str().unwrap_or_default();
        self.failed(what, asked, format!("{} {error}", answer.status).trim_end());
    }

    pub(super) fn failed(&mut self, what: &str, asked: Instant, how: &str) {
        match self.soak.faults.excuse(asked, Instant::now()) {
            Some(fault) => self.soak.ledger.error(&format!("{how} ({what}), {fault}")),
            None => self.soak.ledger.wrong(Wrong::Error, &self.tell(&format!("{what}: {how}"))),
        }
    }

    /// Told to sign in: was that to be expected?
    pub(super) fn sent_away(&mut self, what: &str, asked: Instant) {
        let Some(since) = self.since else { return };
        if std::mem::replace(&mut self.out, true) {
            return;
        }
        let age = since.elapsed();
        if age + SECONDS_ARE_WHOLE >= MAX_AGE {
            self.soak.ledger.count(Count::EndedByAge);
        } else if self
            .account()
            .revoked
            .lock()
            .unwrap()
            .is_some_and(|revoked| revoked + REVOKED_BETWEEN > since)
        {
            // What was revoked before was another session, or this one's code would not have been taken.
            self.soak.ledger.count(Count::EndedByRevocation);
        } else if self.account().called_off.lock().unwrap().may_have_ended(since) {
            self.soak.ledger.count(Count::EndedByTheirOther);
        } else {
            let fault = self.soak.faults.excuse(asked, Instant::now()).unwrap_or("calm");
            let cookies: Vec<&str> =
                self.jar.named("__Host-").iter().map(|cookie| cookie.name.as_str()).collect();
            let words = format!("{what} asked to sign in at the age of {age:.1?}, {fault}, with {cookies:?}");
            self.soak.ledger.wrong(Wrong::Logout, &self.tell(&words));
        }
    }

    pub(super) fn tell(&self, words: &str) -> String {
        let (after, who) = (self.soak.begun.elapsed(), &self.account().name);
        format!("after {after:.1?} {who}, browser {}: {words}", self.number)
    }

    /// How long after the beginning of it all.
    fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.soak.begun)
    }

    pub(super) fn account(&self) -> &Account {
        &self.soak.house.people[self.number / self.soak.plan.browsers_each()]
    }
}

/// Revoked so shortly before a sign-in is perhaps after it, for the pool.
const REVOKED_BETWEEN: Duration = Duration::from_secs(2);
/// A session that was revoked is refused at its next refresh. A pool that cannot be asked postpones that, to the
/// access token's end and the grace after it at most; the rest is for whole seconds and a busy machine.
const MOST_AFTER_REVOCATION: Duration =
    Duration::from_secs(ACCESS_LIFE.as_secs() + OUTAGE_GRACE.as_secs() + 10);
