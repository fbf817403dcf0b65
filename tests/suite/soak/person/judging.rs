//! What a person makes of an answer: as it must be, excused by a fault, or wrong.

use std::time::{Duration, Instant};

use super::{Person, TOLD, at};
use crate::soak::echo;
use crate::soak::house::{ACCESS_LIFE, Account, CalledOff, MAX_AGE, OUTAGE_GRACE};
use crate::soak::ledger::{Count, Wrong};
use crate::support::wire::{Answer, Head};

// === impl Person ===

impl Person {
    pub(super) fn signed_in(&mut self, asked: Instant) {
        self.soak.ledger.count(Count::SignIns);
        (self.since, self.begun, self.out) = (Some(asked), Some(Instant::now()), false);
    }

    /// An answer from the upstream: did it know who this is?
    pub(super) fn is_me(&mut self, head: &Head, asked: Instant) {
        let account = self.account();
        let seen = (head.one(echo::USER), head.one(echo::ROLES));
        if seen != (Some(&account.name), Some(&account.roles)) {
            self.soak.ledger.wrong(Wrong::Identity, &self.tell(&format!("was taken for {seen:?}")));
        }
        let revoked = *account.revoked.lock().unwrap();
        let this_one = |revoked: &Instant| self.since.is_some_and(|since| *revoked > since + REVOKED_BETWEEN);
        if revoked.filter(this_one).is_some_and(|revoked| asked > revoked + MOST_AFTER_REVOCATION) {
            self.soak.ledger.wrong(Wrong::Outlived, &self.tell("was revoked, and goes on"));
        }
        let called_off = *account.called_off.lock().unwrap();
        // Asked once this session was there, and everybody has been told.
        let ours = |off: &CalledOff| {
            let told = off.answered + TOLD;
            self.since.is_some()
                && self.begun.is_some_and(|begun| begun < off.asked)
                && told < asked
                && !self.soak.faults.kept_apart(asked - TOLD, asked)
        };
        if called_off.as_ref().is_some_and(ours) {
            self.soak.ledger.wrong(Wrong::Outlived, &self.tell("signed out everywhere, and goes on"));
        }
        self.out = false;
    }

    /// A head of an answer whose body is not waited for; whether it is the one hoped for.
    pub(super) fn begun(&mut self, asked: Instant, what: &str, head: Head, hoped: u16) -> bool {
        self.soak.ledger.count(Count::Requests);
        let status = head.start.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let answer = Answer { status, head, ..Answer::default() };
        self.jar.keep(&at("/"), &answer);
        if status == hoped {
            self.is_me(&answer.head, asked);
        } else {
            self.refused(what, asked, &answer);
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
        } else if self
            .account()
            .called_off
            .lock()
            .unwrap()
            .is_some_and(|off| off.answered + SECONDS_ARE_WHOLE > since)
        {
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

    pub(super) fn account(&self) -> &Account {
        &self.soak.house.people[self.number / self.soak.plan.browsers_each()]
    }
}

/// A session's times are whole seconds: it may begin almost one before it is made.
const SECONDS_ARE_WHOLE: Duration = Duration::from_secs(2);
/// Revoked so shortly before a sign-in is perhaps after it, for the pool.
const REVOKED_BETWEEN: Duration = Duration::from_secs(2);
/// A session that was revoked is refused at its next refresh. A pool that cannot be asked postpones that, to the
/// access token's end and the grace after it at most; the rest is for whole seconds and a busy machine.
const MOST_AFTER_REVOCATION: Duration =
    Duration::from_secs(ACCESS_LIFE.as_secs() + OUTAGE_GRACE.as_secs() + 10);
