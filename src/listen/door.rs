//! Where connections come in: whoever there is room for, until it is time to stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::net::TcpStream;

use super::crowd::{Crowd, Place};
use super::{Stopping, accept, waiting};
use crate::tally::{Connected, Tally};

/// Lets in whoever there is room for.
pub(super) struct Door {
    crowd: Arc<Crowd>,
    tally: Arc<Tally>,
    stopping: Stopping,
}

/// Whoever was let in, for as long as the connection is open. It brings what says when to stop: a worker at rest holds
/// none.
pub(super) struct Guest {
    pub(super) address: SocketAddr,
    pub(super) stopping: Stopping,
    pub(super) place: Place,
    pub(super) connected: Connected,
}

// === impl Door ===

impl Door {
    pub(super) fn new(crowd: Arc<Crowd>, tally: Arc<Tally>, stopping: Stopping) -> Self {
        Self { crowd, tally, stopping }
    }

    /// Accepts until it is time to stop; `begin` is given each connection.
    pub(super) async fn keep(
        mut self,
        listener: TcpListener,
        begin: impl Fn(TcpStream, Guest),
    ) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut in_a_row = 0_u8;
        while let Some((stream, address)) = accept(&listener, &mut self.stopping).await {
            in_a_row = (in_a_row + 1) % TURN;
            if in_a_row == 0 {
                // Whoever is in already has a turn: a flood at the door may be on their own thread.
                tokio::task::yield_now().await;
            }
            match self.let_in(address) {
                Some(guest) => begin(stream, guest),
                // Nothing is left of it here, not even a socket that waits for its last packets.
                None => drop(stream.set_zero_linger()),
            }
        }
        for (stream, address) in waiting(listener) {
            if let Some(guest) = self.let_in(address)
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                begin(stream, guest);
            }
        }
        Ok(())
    }

    fn let_in(&self, address: SocketAddr) -> Option<Guest> {
        let place = self.crowd.enter(address.ip())?;
        let connected = self.tally.connected("front");
        Some(Guest { address, stopping: self.stopping.clone(), place, connected })
    }
}

/// Connections that are accepted before others have a turn.
const TURN: u8 = 16;
