//! A person signs out, here or in all their browsers, and shows the cookies of before again.

use std::time::{Duration, Instant};

use super::{Person, at};
use crate::soak::called_off::TOLD;
use crate::soak::ledger::{Count, Wrong};
use crate::support::browser::{Jar, Kind};

// === impl Person ===

impl Person {
    /// Signs out, now and then while something else is under way; the cookies of before must count no more.
    pub(super) fn sign_out(&mut self) {
        // Who came too late for it is signed out already.
        if self.jar.named(PASS).is_empty() {
            return;
        }
        let before = self.jar.clone();
        let fetch = (self.chance.below(2) == 0).then(|| {
            let bytes = self.request(Kind::Fetch, "GET", &at("/part/late"), "");
            self.send(bytes)
        });
        // In all browsers of this person, where they have several.
        let everywhere = self.soak.plan.shares && self.chance.below(3) == 0;
        let path = if everywhere { "/oauth2/signout?everywhere=1" } else { "/oauth2/signout" };
        let bytes = self.request(Kind::Navigate, "GET", &at(path), "");
        let asked = Instant::now();
        let gate = self.any_gate();
        // Before it is so: the other one may be sent away at once.
        let everywhere = everywhere.then(|| {
            let since = self.since.filter(|_| self.has_pass());
            self.account().called_off.lock().unwrap().asked((self.number, gate), since, asked)
        });
        let sent = self.send_to(gate, bytes);
        let answer = match self.receive(sent) {
            Ok(answer) if answer.status == 302 => answer,
            Ok(answer) => return self.refused("a sign-out", asked, &answer),
            Err(ended) => return self.failed("a sign-out", asked, &format!("{ended:?}")),
        };
        (self.since, self.left) = (None, Some(Instant::now()));
        self.soak.ledger.count(Count::SignOuts);
        if let Some(place) = everywhere {
            self.soak.ledger.count(Count::SignOutsEverywhere);
            if self.account().called_off.lock().unwrap().granted(place, Instant::now()) {
                let others = self.cookies_of_others(asked);
                self.before.extend(others);
            } else {
                self.soak.ledger.count(Count::ProvedNothing);
            }
        }
        if let Some(fetch) = fetch {
            // Whatever it brings: no session.
            let asked = fetch.at;
            if let Err(ended) = self.receive(fetch) {
                self.failed("a fetch beside a sign-out", asked, &format!("{ended:?}"));
            }
        }
        let left = self.pool(Kind::Navigate, "GET", &at(answer.location()), "");
        if left.is_none_or(|left| left.status != 302) {
            self.failed("a sign-out", asked, "the pool did not lead back");
        }
        self.before.push((before, self.number, Instant::now()));
        self.look_back();
    }

    /// Shows the cookies from before sign-outs again, at each gate that must have heard of them by now.
    pub(super) fn look_back(&mut self) {
        let told = if self.soak.plan.gates() == 1 { Duration::ZERO } else { TOLD };
        // Gates that could not hear of each other learn of it afterwards.
        let now = Instant::now();
        let apart = self.soak.plan.shares && self.soak.faults.kept_apart(now - told, now);
        let (due, early): (Vec<_>, Vec<_>) = std::mem::take(&mut self.before)
            .into_iter()
            .partition(|(_, _, out)| out.elapsed() >= told && !apart);
        self.before = early;
        for (before, whose, out) in due {
            let after = std::mem::replace(&mut self.jar, before.clone());
            for gate in 0..self.soak.plan.gates() {
                self.jar = before.clone();
                let bytes = self.request(Kind::Fetch, "GET", &at("/part/stolen"), "");
                let sent = self.send_to(gate, bytes);
                let asked = sent.at;
                let counts = self.receive(sent).is_ok_and(|answer| answer.status == 200);
                self.soak.ledger.count(Count::LookedBack);
                if counts {
                    let words = format!(
                        "signed out {:.1?} ago, and the cookies of browser {whose} still count at gate {gate}",
                        asked - out
                    );
                    self.soak.ledger.wrong(Wrong::Outlived, &self.tell(&words));
                }
            }
            self.jar = after;
        }
    }

    /// So that another browser of this person can look back on them.
    pub(super) fn note_cookies(&self) {
        if let Some(begun) = self.begun.filter(|_| self.since.is_some()) {
            self.account().cookies.lock().unwrap().insert(self.number, (self.jar.clone(), begun));
        }
    }

    /// What the person's other browsers had last of sessions that were there at `asked`.
    fn cookies_of_others(&self, asked: Instant) -> Vec<(Jar, usize, Instant)> {
        let cookies = self.account().cookies.lock().unwrap();
        let there = cookies.iter().filter(|(browser, (_, begun))| **browser != self.number && *begun < asked);
        there.map(|(browser, (jar, _))| (jar.clone(), *browser, Instant::now())).collect()
    }

    /// Whether the browser still has its pass, whole or in parts.
    fn has_pass(&self) -> bool {
        let parts = self.jar.named(PASS);
        parts.iter().any(|cookie| cookie.name == PASS || cookie.name.starts_with(&format!("{PASS}.")))
    }
}

const PASS: &str = "__Host-rolegate";
