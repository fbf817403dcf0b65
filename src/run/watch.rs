//! Files that are looked at again and again: tells when what they hold has changed, and decides nothing by it.
//!
//! Contents are read and compared, by name, once a second. Notifications of the system would be quicker and are not
//! to be relied on: they do not come over network mounts and some overlays, they follow the file and not the name, so
//! that a rename over it or the swap of a link above it (Kubernetes' `..data`) leaves them watching what nobody reads
//! any more. Times and sizes tell less than a few hundred bytes that are read anyway.
//!
//! On a thread of its own, without a runtime: a mount that hangs holds up nobody else.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// Files under watch, until it is dropped.
pub struct Watch(Sender<()>);

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// What the files hold is not what it was when they were last told of; also at the first look, so that no change
    /// since the start is missed.
    Changed,
    /// Somebody wants them read again, changed or not.
    Asked,
}

/// What the files held, without holding it.
type Fingerprint = Vec<Result<[u8; 32], io::ErrorKind>>;

/// What was seen of the files so far.
#[derive(Default)]
struct Sight {
    last: Fingerprint,
    told: Option<Fingerprint>,
}

// === impl Watch ===

impl Watch {
    /// Looks at `paths` and calls `tell` for each change. One that is missing or cannot be read has changed as well.
    pub fn start(mut paths: Vec<PathBuf>, mut tell: impl FnMut(Why) + Send + 'static) -> io::Result<Self> {
        // A pipe gives what it has once, and was read at the start.
        paths.retain(|path| std::fs::metadata(path).map_or(true, |metadata| metadata.is_file()));
        let (ask, asked) = mpsc::channel();
        let run = move || {
            let mut sight = Sight::default();
            loop {
                let why = match asked.recv_timeout(EVERY) {
                    Ok(()) => Why::Asked,
                    Err(RecvTimeoutError::Timeout) => Why::Changed,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if sight.tells(paths.iter().map(|path| fingerprint(path)).collect(), why) {
                    tell(why);
                }
            }
        };
        // Nobody waits for its end: a read that hangs must not hold up a stop.
        std::thread::Builder::new().name("watch".into()).spawn(run)?;
        Ok(Self(ask))
    }

    /// Has the files read again now, changed or not.
    pub fn look_now(&self) {
        let _ = self.0.send(());
    }
}

// === impl Sight ===

impl Sight {
    /// Whether somebody is to be told that the files are like `now`. A change counts when it was seen twice: half of a
    /// file that is just being written is none.
    fn tells(&mut self, now: Fingerprint, why: Why) -> bool {
        let settled = self.last == now;
        self.last = now;
        let tells = match why {
            Why::Asked => true,
            Why::Changed => settled && self.told.as_ref() != Some(&self.last),
        };
        if tells {
            self.told = Some(self.last.clone());
        }
        tells
    }
}

/// A digest, since what is watched may be secret; or why there is none.
fn fingerprint(path: &Path) -> Result<[u8; 32], io::ErrorKind> {
    let read = || {
        // Asked before it is opened: opening a pipe waits for a writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Zeroizing::new(Vec::new());
        std::fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error: io::Error| error.kind())?;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    Ok(fingerprint)
}

const EVERY: Duration = Duration::from_secs(1);
/// More of a file is not looked at, nor would it be read by anyone here.
const LARGEST: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Result<[u8; 32], io::ErrorKind> = Ok([1; 32]);
    const NEW: Result<[u8; 32], io::ErrorKind> = Ok([2; 32]);
    const HALF: Result<[u8; 32], io::ErrorKind> = Ok([3; 32]);
    const GONE: Result<[u8; 32], io::ErrorKind> = Err(io::ErrorKind::NotFound);

    fn told(looks: &[Result<[u8; 32], io::ErrorKind>]) -> Vec<usize> {
        let mut sight = Sight::default();
        (0..looks.len()).filter(|at| sight.tells(vec![looks[*at]], Why::Changed)).collect()
    }

    #[test]
    fn a_change_is_told_once_when_it_was_seen_twice() {
        assert_eq!(told(&[OLD, OLD, OLD, NEW, NEW, NEW, OLD, OLD]), [1, 4, 7]);
    }

    #[test]
    fn what_is_being_written_or_renamed_is_no_change() {
        assert_eq!(told(&[OLD, OLD, HALF, NEW, NEW]), [1, 4]);
        assert_eq!(told(&[OLD, OLD, GONE, OLD, OLD, HALF, OLD]), [1]);
    }

    #[test]
    fn a_file_that_stays_away_is_told_once_and_its_return_too() {
        assert_eq!(told(&[OLD, OLD, GONE, GONE, GONE, OLD, OLD]), [1, 3, 6]);
    }

    #[test]
    fn who_asks_is_told_at_once_and_nobody_a_second_time() {
        let mut sight = Sight::default();
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
        let before = fingerprint(&at("keys"));
        assert!(before.is_ok());
        std::os::unix::fs::symlink("two", at("data.new")).unwrap();
        std::fs::rename(at("data.new"), at("data")).unwrap();
        assert_ne!(fingerprint(&at("keys")), before);
        std::fs::remove_dir_all(at("two")).unwrap();
        assert_eq!(fingerprint(&at("keys")), Err(io::ErrorKind::NotFound));
        assert_eq!(fingerprint(&at("one")), Err(io::ErrorKind::InvalidInput), "a folder is no file");
    }
}
