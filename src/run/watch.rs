//! Files that are looked at again and again: tells when what they hold has changed, and decides nothing by it.
//!
//! Contents are read and compared, by name, once a second. Notifications of the system would be quicker and are not
//! to be relied on: they do not come over network mounts and some overlays, they follow the file and not the name, so
//! that a rename over it or the swap of a link above it (Kubernetes' `..data`) leaves them watching what nobody reads
//! any more. Times and sizes tell less than a few hundred bytes that are read anyway.
//!
//! On a thread of its own, without a runtime: a mount that hangs holds up nobody else.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::oneshot;

use super::reload::Outcome;
pub use crate::config::Files;
use crate::config::{self, Fingerprint};

/// Files under watch, until it is dropped.
pub struct Watch(Sender<oneshot::Sender<Outcome>>);

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// What the files hold is not what it was when they were last told of.
    Changed,
    /// Somebody wants them read again, changed or not.
    Asked,
}

/// What became of it.
pub struct Told {
    /// The files to look at from now on, as they were when they were read for this.
    pub files: Files,
    /// For whoever asked.
    pub outcome: Outcome,
}

/// What was seen of the files so far.
struct Sight {
    /// As whoever is told has read them.
    read: Files,
    /// At the last look.
    last: Vec<Fingerprint>,
    /// When somebody was last told.
    told: Vec<Fingerprint>,
}

// === impl Watch ===

impl Watch {
    /// Looks at `files` and calls `tell` for each change. One that is missing or cannot be read has changed as well.
    pub fn start(files: Files, mut tell: impl FnMut(Why) -> Told + Send + 'static) -> io::Result<Self> {
        let (ask, asked) = mpsc::channel::<oneshot::Sender<Outcome>>();
        let run = move || {
            let mut sight = Sight::of(files);
            loop {
                let asks = match asked.recv_timeout(EVERY) {
                    Ok(asks) => Some(asks),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                let why = if asks.is_some() { Why::Asked } else { Why::Changed };
                let now = sight.read.iter().map(|(path, _)| config::look(path)).collect();
                if sight.tells(now, why) {
                    let Told { files, outcome } = tell(why);
                    sight.is_read(files);
                    let _ = asks.map(|asks| asks.send(outcome));
                }
            }
        };
        // Nobody waits for its end: a read that hangs must not hold up a stop.
        std::thread::Builder::new().name("watch".into()).spawn(run)?;
        Ok(Self(ask))
    }

    /// Has the files read again now, changed or not. How that ends comes out of what is returned.
    pub fn look_now(&self) -> oneshot::Receiver<Outcome> {
        let (asks, outcome) = oneshot::channel();
        let _ = self.0.send(asks);
        outcome
    }
}

// === impl Sight ===

impl Sight {
    fn of(read: Files) -> Self {
        let told: Vec<_> = read.iter().map(|(_, held)| *held).collect();
        Self { read, last: told.clone(), told }
    }

    /// Whether somebody is to be told that the files are like `now`. A change counts when it was seen twice: half of a
    /// file that is just being written is none.
    fn tells(&mut self, now: Vec<Fingerprint>, why: Why) -> bool {
        let settled = self.last == now;
        self.last = now;
        let differs = || {
            let before = self.read.iter().zip(&self.told);
            before.zip(&self.last).any(|(((_, read), told), now)| now != read && now != told)
        };
        let tells = why == Why::Asked || (settled && differs());
        if tells {
            self.told.clone_from(&self.last);
        }
        tells
    }

    /// What was read when somebody was told. What a file held at the look before that is remembered beside it: where
    /// the two never agree (a folder, a device), once is enough.
    fn is_read(&mut self, files: Files) {
        let seen: BTreeMap<_, _> =
            self.read.drain(..).map(|(path, _)| path).zip(self.told.drain(..)).collect();
        *self = Self::of(files);
        for ((path, _), told) in self.read.iter().zip(&mut self.told) {
            *told = *seen.get(path).unwrap_or(told);
        }
    }
}

const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Fingerprint = Ok([1; 32]);
    const NEW: Fingerprint = Ok([2; 32]);
    const HALF: Fingerprint = Ok([3; 32]);
    const GONE: Fingerprint = Err(io::ErrorKind::NotFound);

    fn sight(held: Fingerprint) -> Sight {
        Sight::of(vec![("/nowhere/keys".into(), held)])
    }

    /// At which of these looks somebody is told, who reads what was just seen.
    fn told(looks: &[Fingerprint]) -> Vec<usize> {
        let mut sight = sight(OLD);
        let mut tells = |at: &usize| {
            let tells = sight.tells(vec![looks[*at]], Why::Changed);
            if tells {
                sight.is_read(vec![("/nowhere/keys".into(), looks[*at])]);
            }
            tells
        };
        (0..looks.len()).filter(|at| tells(at)).collect()
    }

    #[test]
    fn a_change_is_told_once_when_it_was_seen_twice() {
        assert_eq!(told(&[OLD, OLD, OLD, NEW, NEW, NEW, OLD, OLD]), [4, 7]);
    }

    #[test]
    fn what_is_being_written_or_renamed_is_no_change() {
        assert_eq!(told(&[OLD, OLD, HALF, NEW, NEW]), [4]);
        assert_eq!(told(&[OLD, OLD, GONE, OLD, OLD, HALF, OLD]), [0; 0]);
    }

    #[test]
    fn a_file_that_stays_away_is_told_once_and_its_return_too() {
        assert_eq!(told(&[OLD, OLD, GONE, GONE, GONE, OLD, OLD]), [3, 6]);
    }

    #[test]
    fn what_changed_before_the_first_look_is_told() {
        assert_eq!(told(&[NEW, NEW, NEW]), [1]);
    }

    #[test]
    fn what_changed_between_the_look_and_the_reading_is_told_of_no_more() {
        let mut sight = sight(OLD);
        assert!(!sight.tells(vec![HALF], Why::Changed));
        assert!(sight.tells(vec![HALF], Why::Changed));
        sight.is_read(vec![("/nowhere/keys".into(), NEW)]);
        assert!(!sight.tells(vec![NEW], Why::Changed));
        assert!(!sight.tells(vec![NEW], Why::Changed));
    }

    #[test]
    fn a_file_that_never_looks_as_it_was_read_is_told_of_once() {
        let mut sight = sight(OLD);
        let tells: Vec<_> = (0..4)
            .map(|_| {
                let tells = sight.tells(vec![GONE], Why::Changed);
                if tells {
                    sight.is_read(vec![("/nowhere/keys".into(), OLD)]);
                }
                tells
            })
            .collect();
        assert_eq!(tells, [false, true, false, false]);
    }

    #[test]
    fn who_asks_is_told_at_once_and_nobody_a_second_time() {
        let mut sight = sight(OLD);
        assert!(sight.tells(vec![OLD], Why::Asked));
        assert!(sight.tells(vec![NEW], Why::Asked));
        assert!(!sight.tells(vec![NEW], Why::Changed));
        assert!(sight.tells(vec![NEW], Why::Asked));
    }

    #[test]
    fn a_file_is_what_its_name_leads_to_now() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["one", "two"] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("keys"), version).unwrap();
        }
        std::os::unix::fs::symlink("one", at("data")).unwrap();
        std::os::unix::fs::symlink("data/keys", at("keys")).unwrap();
        let before = config::look(&at("keys"));
        assert!(before.is_ok());
        std::os::unix::fs::symlink("two", at("data.new")).unwrap();
        std::fs::rename(at("data.new"), at("data")).unwrap();
        assert_ne!(config::look(&at("keys")), before);
        std::fs::remove_dir_all(at("two")).unwrap();
        assert_eq!(config::look(&at("keys")), Err(io::ErrorKind::NotFound));
    }
}
