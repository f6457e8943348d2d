//! The way to ask for a reload.

use tokio::sync::{mpsc, oneshot};

use crate::plugin::PluginError;
use crate::plugin::history::Row;
use crate::plugin::host::PluginConfig;

use super::turn::Turn;

/// Asks a [`ReloadTask`](super::ReloadTask) to look at something anew, or to go back.
#[derive(Debug, Clone)]
pub struct Reloader(pub(super) mpsc::UnboundedSender<Asked>);

/// The task that was asked has ended: the relay stops.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the relay is stopping")]
pub struct Stopped;

/// What is asked for. Where nobody waits for the answer any more, it is done all the same.
#[derive(Debug)]
pub(super) enum Asked {
    All(Vec<PluginConfig>),
    Reload {
        plugin: String,
        /// Boxed, as it is larger than all else that is asked.
        config: Option<Box<PluginConfig>>,
        accept: bool,
        answer: oneshot::Sender<Option<Turn>>,
    },
    RollBack {
        plugin: String,
        to: Option<String>,
        answer: oneshot::Sender<Option<Result<Turn, PluginError>>>,
    },
    History {
        plugin: String,
        answer: oneshot::Sender<Option<Vec<Row>>>,
    },
}

impl Reloader {
    /// Takes over the components and configurations of the plugins that run, and reads every file again, also
    /// one that was refused. What becomes of it is in the log and the status; plugins that are not in `configs`
    /// go on as they are. Returns at once.
    pub fn reload(&self, configs: Vec<PluginConfig>) {
        // The task ends with the relay, and then there is nothing to reload.
        let _ = self.0.send(Asked::All(configs));
    }

    /// Reads the file of one plugin again, also one that was refused, and swaps in what it finds; `config` is taken over
    /// first. With `accept` the build may use more than the one that runs. `None`: no such plugin runs.
    ///
    /// # Errors
    /// When the relay is stopping.
    pub async fn reload_one(
        &self,
        plugin: &str,
        config: Option<PluginConfig>,
        accept: bool,
    ) -> Result<Option<Turn>, Stopped> {
        let plugin = plugin.to_owned();
        let config = config.map(Box::new);
        self.ask(|answer| Asked::Reload { plugin, config, accept, answer }).await
    }

    /// Goes back to the build whose digest begins with `to`, or else to the last one that was not rolled back. What lies
    /// in the component's place stays out until it is another build. `None`: no such plugin runs.
    ///
    /// # Errors
    /// When the relay is stopping; inside, why there is no way back.
    pub async fn roll_back(
        &self,
        plugin: &str,
        to: Option<String>,
    ) -> Result<Option<Result<Turn, PluginError>>, Stopped> {
        let plugin = plugin.to_owned();
        self.ask(|answer| Asked::RollBack { plugin, to, answer }).await
    }

    /// Every build of a plugin that is known, the newest first. `None`: no such plugin runs.
    ///
    /// # Errors
    /// When the relay is stopping.
    pub async fn history(&self, plugin: &str) -> Result<Option<Vec<Row>>, Stopped> {
        let plugin = plugin.to_owned();
        self.ask(|answer| Asked::History { plugin, answer }).await
    }

    async fn ask<T>(&self, asked: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.0.send(asked(answer)).map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}
