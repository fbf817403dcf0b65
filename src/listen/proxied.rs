//! Whose connection a balancer passes on: its PROXY header, taken off the stream to the byte.
//!
//! Threat: headers that never end, and a byte too much, which would be TLS' or HTTP's. Nothing is taken before it is
//! known to belong to the header.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::proxy_protocol::{Found, LOOKED_AT, Malformed, read};
use super::{Peer, Stopping};

/// Why nobody knows whose connection it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("the PROXY header took too long")]
    Late,
    #[error("the connection ended within its PROXY header")]
    Cut,
    #[error("stopping")]
    Stopping,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Takes the header off a connection whose own other end is `balancer`; who the connection is from, for each of its
/// requests.
pub(super) async fn unwrap(
    stream: &mut TcpStream,
    balancer: Peer,
    timeout: Duration,
    stopping: &mut Stopping,
) -> Result<Peer, Unread> {
    tokio::select! {
        taken = take(stream, balancer) => taken,
        () = stopping.last_call() => Err(Unread::Stopping),
        () = tokio::time::sleep(timeout) => Err(Unread::Late),
    }
}

async fn take(stream: &mut TcpStream, balancer: Peer) -> Result<Peer, Unread> {
    let mut bytes = [0; LOOKED_AT];
    let mut taken = 0;
    loop {
        // Only looked at: where the header ends is known once it is read.
        let seen = taken + stream.peek(&mut bytes[taken..]).await?;
        if seen == taken {
            return Err(Unread::Cut);
        }
        match read(&bytes[..seen])? {
            Found::More => {
                stream.read_exact(&mut bytes[taken..seen]).await?;
                taken = seen;
            }
            Found::Whole { length, client } => {
                skip(stream, length - taken).await?;
                return Ok(match client {
                    Some(address) => Peer::at(address),
                    None => Peer { nameless: true, ..balancer },
                });
            }
        }
    }
}

/// What is told beside the addresses is not kept, so its length costs nothing but time.
async fn skip(stream: &mut TcpStream, mut count: usize) -> Result<(), Unread> {
    let mut unused = [0; 256];
    while count > 0 {
        let piece = count.min(unused.len());
        match stream.read(&mut unused[..piece]).await? {
            0 => return Err(Unread::Cut),
            read => count -= read,
        }
    }
    Ok(())
}
