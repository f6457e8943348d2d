//! The task that looks at the files.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::plugin::host::{PluginConfig, PluginHost};

use super::folder::Folders;
use super::reloader::Reloader;
use super::status::ReloadStatus;
use super::watched::Watched;

/// How often the files are looked at without a hint: only their metadata, so the cost is a system call each.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// The least time between two looks that hints lead to: a build tool makes a hundred of them in one write.
const HINT_PAUSE: Duration = Duration::from_millis(20);

/// Looks at the plugins' files until it is cancelled.
#[must_use = "plugins are swapped only while the task runs"]
pub struct ReloadTask {
    host: Arc<PluginHost>,
    plugins: Vec<Watched>,
    cancel: CancellationToken,
    status: watch::Sender<ReloadStatus>,
    asked_in: mpsc::UnboundedSender<Vec<PluginConfig>>,
    asked: mpsc::UnboundedReceiver<Vec<PluginConfig>>,
}

impl std::fmt::Debug for ReloadTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadTask").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

impl ReloadTask {
    pub(super) fn new(host: Arc<PluginHost>, plugins: Vec<Watched>, cancel: CancellationToken) -> Self {
        let (asked_in, asked) = mpsc::unbounded_channel();
        let task = Self { host, plugins, cancel, status: watch::Sender::default(), asked_in, asked };
        task.publish();
        task
    }

    /// Which build each plugin runs, and which were refused; changes with every swap and refusal.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ReloadStatus> {
        self.status.subscribe()
    }

    /// The way to ask for a reload while the task runs.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader(self.asked_in.clone())
    }

    /// Runs until cancelled. A build that is being compiled then is given up; nothing is left behind.
    pub async fn run(mut self) {
        let mut folders = Folders::of(self.plugins.iter().map(|plugin| &plugin.config().component));
        let cancel = self.cancel.clone();
        let mut poll = Instant::now() + POLL_EVERY;
        loop {
            let due = self.plugins.iter().filter_map(Watched::due).min();
            let probation = self.plugins.iter().filter_map(Watched::probation_due).min();
            let next = [due, probation].into_iter().flatten().fold(poll, Instant::min);
            let hinted = tokio::select! {
                () = cancel.cancelled() => return,
                Some(configs) = self.asked.recv() => {
                    self.reconfigure(configs);
                    folders = Folders::of(self.plugins.iter().map(|plugin| &plugin.config().component));
                    true
                }
                () = folders.hinted(), if due.is_none() => true,
                () = sleep_until(next) => false,
            };
            if Instant::now() >= poll {
                folders.renew();
                poll = Instant::now() + POLL_EVERY;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.look(hinted) => {}
            }
        }
    }

    fn reconfigure(&mut self, configs: Vec<PluginConfig>) {
        for config in configs {
            if let Some(plugin) = self.plugins.iter_mut().find(|it| it.name() == config.name) {
                plugin.reconfigure(config);
            }
        }
    }

    /// Looks at every plugin whose file may have changed.
    async fn look(&mut self, hinted: bool) {
        if hinted {
            tokio::time::sleep(HINT_PAUSE).await;
        }
        let mut changed = false;
        for plugin in &mut self.plugins {
            changed |= plugin.judge_probation();
            let moved = plugin.has_moved();
            let due = plugin.due().is_some_and(|due| due <= Instant::now());
            if hinted || moved || due {
                changed |= plugin.look(&self.host).await;
            }
        }
        if changed {
            self.publish();
        }
    }

    fn publish(&self) {
        let plugins = self.plugins.iter().map(|it| (it.name().to_owned(), it.status().clone())).collect();
        self.status.send_replace(ReloadStatus { plugins });
    }
}
