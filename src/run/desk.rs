//! Wires the control socket: its file, and what answers there.

use tokio::runtime::Handle;

use super::StartError;
use crate::config::settings::Config;
use crate::control::{Control, Desk, bounds};
use crate::listen::Stopping;
use crate::listen::unix::{self, Bound};

/// The socket, if one is configured.
pub(super) fn bind(config: &Config) -> Result<Option<Bound>, StartError> {
    let Some(path) = &config.control_socket else { return Ok(None) };
    let bound = unix::bind(path).map_err(|error| {
        StartError::Other(format!("cannot listen on {} (control_socket): {error}", path.display()))
    })?;
    tracing::info!(socket = %path.display(), "listening for `rolegate sessions`");
    Ok(Some(bound))
}

/// Answers there until `stopping`, on the runtime of `handle`.
pub(super) fn serve(
    bound: Bound,
    desk: impl Fn() -> Desk + Send + 'static,
    handle: &Handle,
    stopping: Stopping,
) {
    let make = move |caller| Control::new(desk(), caller);
    handle.spawn(async move {
        if let Err(error) = unix::serve(bound, make, bounds(), stopping).await {
            tracing::error!(%error, "the control socket failed");
        }
    });
}
