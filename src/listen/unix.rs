//! A unix socket for its own user alone: made so that at no moment anybody else could reach it, removed at the end.

use std::fs::{self, DirBuilder, Permissions};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use super::{Bounds, Handler, Peer, Stopping, http1};

/// A socket that is listened on. Its file goes when this does.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    file: File,
}

/// Who is at the other end, as the system says: nothing that they could have made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Their user.
    pub uid: u32,
    /// Their process, where the system tells.
    pub pid: Option<i32>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindFault {
    /// Another process listens there.
    #[error("somebody answers there already: is another gate running with this name?")]
    Taken,
    /// There is a file that no socket may take the place of.
    #[error("a file that is no socket is there, and it is not overwritten")]
    NoSocket,
    /// The system's reason.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The file of a socket: ours for as long as it is the one that was made.
#[derive(Debug)]
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// A folder that nobody else may enter, for as long as this lives.
struct Private(PathBuf);

/// Listens at `path`, which is replaced if it is what a dead process left.
///
/// Threat: a socket has the rights of the umask from `bind` on, and whoever connects before a `chmod` stays connected.
/// So it is made in a folder that only its user may enter, and comes to its place with the rights it is to have.
pub fn bind(path: &Path) -> Result<Bound, BindFault> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
        Ok(known) if !known.file_type().is_socket() => return Err(BindFault::NoSocket),
        Ok(_) if answers(path)? => return Err(BindFault::Taken),
        Ok(_) => {}
    }
    let private = Private::beside(path)?;
    let made = private.0.join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let known = fs::symlink_metadata(&made)?;
    fs::rename(&made, path)?;
    let file = File { path: path.to_path_buf(), device: known.dev(), inode: known.ino() };
    Ok(Bound { listener, file })
}

/// Whether anybody listens at this socket.
fn answers(path: &Path) -> io::Result<bool> {
    // std's own would wait for ever where the queue of a process that hangs is full.
    let runtime = Builder::new_current_thread().enable_io().build()?;
    match runtime.block_on(UnixStream::connect(path)) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
        Ok(_) => Ok(true),
    }
}

/// Accepts on the current thread until `stopping`, each connection a local task with a handler of its own.
pub async fn serve<H: Handler>(
    bound: Bound,
    make: impl Fn(Caller) -> H,
    bounds: Bounds,
    mut stopping: Stopping,
) -> io::Result<()> {
    let Bound { listener, file: _file } = bound;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let next = async {
            let room = room.clone().acquire_owned().await;
            (room, listener.accept().await)
        };
        let (room, accepted) = tokio::select! {
            next = next => next,
            () = stopping.begun() => return Ok(()),
        };
        let caller = accepted.and_then(|(stream, _)| {
            let peer = stream.peer_cred()?;
            Ok((stream, Caller { uid: peer.uid(), pid: peer.pid() }))
        });
        match caller {
            Ok((stream, caller)) => {
                let connection = served(stream, make(caller), bounds.clone(), stopping.clone());
                tokio::task::spawn_local(async move {
                    let _room = room;
                    connection.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn served<H: Handler>(
    stream: UnixStream,
    handler: H,
    bounds: Bounds,
    stopping: Stopping,
) -> impl Future<Output = ()> {
    // Nobody has an address here: what names a peer is its `Caller`.
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    http1::connection(stream, Peer::at(nowhere), Rc::new(handler), Rc::new(bounds), stopping)
}

// === impl Private ===

impl Private {
    fn beside(path: &Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for name in 0..TRIES {
            // Short: all of it must fit into the address of a socket. What a killed process left is passed over.
            let private = folder.join(format!(".{name:03}"));
            match DirBuilder::new().mode(0o700).create(&private) {
                Ok(()) => return Ok(Self(private)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}

// === impl File ===

impl Drop for File {
    fn drop(&mut self) {
        // Another gate may have taken the name since.
        let known = fs::symlink_metadata(&self.path);
        if known.is_ok_and(|known| known.dev() == self.device && known.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// At once. Whoever holds one without asking anything loses it to the bounds.
const MOST: usize = 32;
/// Names for the folder.
const TRIES: u16 = 1000;
