//! An upstream for hours: it tells in each answer's head who it was told has come, and keeps nothing.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::forwarding::websocket::ACCEPT;
use crate::support::wire::{Head, Wire};

/// Says in the answer what `X-User` was.
pub const USER: &str = "Seen-User";
/// Says in the answer what `X-Roles` was.
pub const ROLES: &str = "Seen-Roles";
/// Accepts a WebSocket and sends back what comes.
pub const SOCKET: &str = "/socket";
/// An event stream that has no end of its own.
pub const EVENTS: &str = "/events";
/// An answer that takes a while to come.
pub const LARGE: &str = "/large";

/// Starts to listen on a free port, until the process ends.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(Wire::over(stream).patient_for(GATES_TO_KEEP)));
        }
    });
    address
}

fn serve(mut wire: Wire) {
    while let Ok(head) = wire.head() {
        wire.received.clear();
        if !answer(&mut wire, &head) {
            return;
        }
    }
}

/// Whether the connection can be used again.
fn answer(wire: &mut Wire, head: &Head) -> bool {
    let who = format!(
        "{USER}: {}\r\n{ROLES}: {}\r\n",
        head.all("x-user").join(" and "),
        head.all("x-roles").join(" and ")
    );
    match head.start.split(' ').nth(1).unwrap_or_default() {
        SOCKET => {
            let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
            wire.write(format!("{switch}{ACCEPT}{who}\r\n").as_bytes());
            send_back(wire);
            false
        }
        EVENTS => {
            let begin =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
            let mut going_on = wire.write(format!("{begin}{who}\r\n").as_bytes());
            while going_on {
                std::thread::sleep(Duration::from_millis(300));
                going_on = wire.write(b"c\r\ndata: tick\n\n\r\n");
            }
            false
        }
        LARGE => {
            let (pieces, piece) = (16, [b'.'; 16 * 1024]);
            let length = pieces * piece.len();
            wire.write(format!("HTTP/1.1 200 OK\r\n{who}Content-Length: {length}\r\n\r\n").as_bytes());
            (0..pieces).all(|_| {
                std::thread::sleep(Duration::from_millis(10));
                wire.write(&piece)
            })
        }
        _ => wire.write(format!("HTTP/1.1 200 OK\r\n{who}Content-Length: 2\r\n\r\nok").as_bytes()),
    }
}

fn send_back(wire: &mut Wire) {
    while wire.more().is_ok() {
        let bytes = wire.take(wire.pending().len()).unwrap_or_default();
        wire.received.clear();
        if !wire.write(&bytes) {
            return;
        }
    }
}

/// Idle connections are the gate's to keep or to close.
const GATES_TO_KEEP: Duration = Duration::from_secs(120);
