//! SIGHUP: plugins and their configurations are read again.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::AppError;
use super::run::{RunOptions, accepting};
use crate::config;
use crate::plugin::reload::Reloader;

/// SIGHUP, listened for from the start: without a listener it would end the relay.
pub(super) fn listen() -> Result<Signal, AppError> {
    signal(SignalKind::hangup()).map_err(|error| AppError::Refused {
        code: "C042",
        what: format!("can't listen for signals: {error}"),
        remedy: "check the limits of this process".to_owned(),
    })
}

/// Reads the configuration again at each signal and hands the plugins' part of it to `reloader`, until `stop`.
pub(super) async fn reload_plugins(
    mut hangup: Signal,
    options: RunOptions,
    reloader: Option<Reloader>,
    stop: CancellationToken,
) {
    while let Some(Some(())) = stop.run_until_cancelled(hangup.recv()).await {
        let (Some(file), Some(reloader)) = (&options.file, &reloader) else {
            tracing::info!("SIGHUP: there is no plugin to read again");
            continue;
        };
        match config::load(file, &|name| std::env::var(name).ok()) {
            Ok(config) => {
                tracing::info!(
                    "SIGHUP: plugins and their configurations are read again; the rest needs a restart"
                );
                let plugins = config.plugins.into_values().map(|it| accepting(it.plugin, &options));
                reloader.reload(plugins.collect());
            }
            Err(found) => {
                for mistake in found.iter().filter(|it| it.is_error()) {
                    let line = mistake.place.as_ref().map_or(0, |it| it.line);
                    tracing::error!(
                        file = %file.display(),
                        line,
                        "SIGHUP: nothing is read again: {}: {}",
                        mistake.code,
                        mistake.message
                    );
                }
            }
        }
    }
}
