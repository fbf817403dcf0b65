//! What the service manager is told (sd_notify): ready, reading again, stopping, alive, and a line of status.
//!
//! Without a manager nothing is sent. What cannot be sent changes nothing: the manager sees that for itself.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How long it waits for a sign of life before it ends the process.
    patience: Option<Duration>,
}

// === impl Manager ===

impl Manager {
    /// The one that `env` names (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID) to the process `pid`.
    pub(super) fn named(env: &[(String, String)], pid: u32) -> Self {
        let value = |name| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let socket = value("NOTIFY_SOCKET").and_then(|name| match open(name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, name, "the service manager cannot be told anything");
                None
            }
        });
        let ours = value("WATCHDOG_PID").is_none_or(|named| named.parse() == Ok(pid));
        let patience = value("WATCHDOG_USEC").filter(|_| ours).and_then(|micros| micros.parse().ok());
        Self { socket, patience: patience.filter(|micros| *micros > 0).map(Duration::from_micros) }
    }

    /// It serves, and `status` says how.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Another line of status.
    pub(super) fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(status)]);
    }

    /// It reads its files again; [`Manager::ready`] must follow, whatever comes of it.
    pub(super) fn reloading(&self) {
        // Tells this reload's message from one of a reload before; systemd takes none without it.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => {
                self.tell(&[NotifyState::Reloading, now, NotifyState::Status("reading its files again")])
            }
            Err(error) => tracing::warn!(%error, "the service manager is not told of the reload"),
        }
    }

    /// It ends, and takes up to `time` for it, whatever the unit says.
    pub(super) fn stopping(&self, time: Duration) {
        let micros = u32::try_from((time + MARGIN).as_micros()).unwrap_or(u32::MAX);
        let status = format!("finishing what is open, for {} s at most", time.as_secs());
        self.tell(&[
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(micros),
            NotifyState::Status(&status),
        ]);
    }

    /// Tells of life at half of the manager's patience, for as long as `beats` does. Never ends.
    pub(super) async fn keep_awake(&self, beats: impl AsyncFn() -> bool) {
        let (Some(_), Some(patience)) = (&self.socket, self.patience) else {
            return std::future::pending().await;
        };
        loop {
            sleep(patience / 2).await;
            if beats().await {
                self.tell(&[NotifyState::Watchdog]);
            }
        }
    }

    /// Has `status` looked at every second, and tells what it says when that is new. Never ends.
    pub(super) async fn keep_told(&self, mut told: String, status: impl Fn() -> String) {
        if self.socket.is_none() {
            return std::future::pending().await;
        }
        loop {
            sleep(LOOK).await;
            let now = status();
            if now != told {
                self.status(&now);
                told = now;
            }
        }
    }

    fn tell(&self, states: &[NotifyState]) {
        let Some((socket, address)) = &self.socket else { return };
        let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
        if let Err(error) = socket.send_to_addr(lines.join("\n").as_bytes(), address) {
            tracing::warn!(%error, said = lines.first(), "the service manager was not told");
        }
    }
}

/// The name is looked up at each message, so that a manager which makes its socket anew is found again.
fn open(name: &str) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(hidden) => SocketAddr::from_abstract_name(hidden)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that hangs must not hold up whoever tells it something.
    socket.set_write_timeout(Some(MARGIN))?;
    Ok((socket, address))
}

/// How soon a change of status is told.
const LOOK: Duration = Duration::from_secs(1);
/// Beyond the time that was asked for.
const MARGIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(env: &[(&str, &str)]) -> Manager {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Manager::named(&env, 7)
    }

    #[test]
    fn a_watchdog_of_another_process_is_none_of_ours() {
        let patience = |env: &[(&str, &str)]| manager(env).patience;
        assert_eq!(patience(&[("WATCHDOG_USEC", "2000000")]), Some(Duration::from_secs(2)));
        assert_eq!(
            patience(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "7")]),
            Some(Duration::from_secs(2))
        );
        assert_eq!(patience(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "8")]), None);
        assert_eq!(patience(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(patience(&[("WATCHDOG_USEC", "often")]), None);
        assert_eq!(patience(&[]), None);
    }

    #[test]
    fn a_socket_without_a_file_is_told_as_well() {
        let name = format!("rolegate-{}", std::process::id());
        let heard = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        heard.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        manager(&[("NOTIFY_SOCKET", &format!("@{name}"))]).ready("serving");
        let mut bytes = [0; 256];
        let length = heard.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\nSTATUS=serving");
    }

    #[test]
    fn who_has_no_manager_tells_nobody() {
        for env in [&[][..], &[("NOTIFY_SOCKET", "vsock:2:3")], &[("NOTIFY_SOCKET", "/nonexistent/notify")]] {
            let manager = manager(env);
            manager.reloading();
            manager.ready("serving");
            manager.stopping(Duration::from_secs(1));
        }
    }
}
