//! Signals: the first one drains, the second one ends.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::AppError;
use super::run::Ending;

/// SIGINT and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, AppError> {
        let listen = |kind| {
            signal(kind).map_err(|error| AppError::Refused {
                code: "C042",
                what: format!("can't listen for signals: {error}"),
                remedy: "check the limits of this process".to_owned(),
            })
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// How the process ends if it ends by the next signal.
    pub(super) async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.interrupt.recv() => Ending::Interrupted,
            _ = self.terminate.recv() => Ending::Terminated,
        }
    }
}
