//! The task that looks at the files.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::plugin::host::{PluginConfig, PluginHost};

use super::folder::Folders;
use super::reloader::{Asked, Reloader};
use super::status::ReloadStatus;
use super::watched::{Looked, Watched};

/// How often the files are looked at without a hint: only their metadata, so the cost is a system call each.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How often the files are read although nothing says that they changed: some network file systems show a change in
/// neither events nor metadata for a while. Reading and hashing a plugin takes a millisecond.
const REHASH_EVERY: Duration = Duration::from_secs(30);

/// The least time between two looks that hints lead to: a build tool makes a hundred of them in one write.
const HINT_PAUSE: Duration = Duration::from_millis(20);

/// Looks at the plugins' files until it is cancelled.
#[must_use = "plugins are swapped only while the task runs"]
pub struct ReloadTask {
    host: Arc<PluginHost>,
    plugins: Vec<Watched>,
    cancel: CancellationToken,
    status: watch::Sender<ReloadStatus>,
    /// Whether the status says less than is known.
    has_changed: bool,
    asked_in: mpsc::UnboundedSender<Asked>,
    asked: mpsc::UnboundedReceiver<Asked>,
    rehash_every: Duration,
    sees_events: bool,
}

/// When the task ends, however it does, nobody waits for what is being compiled.
struct Ending(Arc<PluginHost>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl std::fmt::Debug for ReloadTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadTask").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

impl ReloadTask {
    pub(super) fn new(host: Arc<PluginHost>, plugins: Vec<Watched>, cancel: CancellationToken) -> Self {
        let (asked_in, asked) = mpsc::unbounded_channel();
        let (status, rehash_every) = (watch::Sender::default(), REHASH_EVERY);
        let (has_changed, sees_events) = (false, true);
        let task =
            Self { host, plugins, cancel, status, has_changed, asked_in, asked, rehash_every, sees_events };
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
        self.host.stand_behind_lanes();
        let _ending = Ending(Arc::clone(&self.host));
        let mut folders = self.folders();
        let cancel = self.cancel.clone();
        let mut poll = Instant::now() + POLL_EVERY;
        let mut rehash = Instant::now() + self.rehash_every;
        loop {
            let due = self.plugins.iter().filter_map(Watched::due).min();
            let probation = self.plugins.iter().filter_map(Watched::probation_due).min();
            let next = [due, probation].into_iter().flatten().fold(poll.min(rehash), Instant::min);
            let hinted = tokio::select! {
                () = cancel.cancelled() => return,
                Some(asked) = self.asked.recv() => {
                    // Loading by hand ends with the relay, as any other does.
                    let all = tokio::select! {
                        () = cancel.cancelled() => return,
                        all = self.answer(asked) => all,
                    };
                    folders = self.folders();
                    all
                }
                () = folders.hinted(), if due.is_none() => true,
                () = any_failed(&self.plugins) => false,
                () = sleep_until(next) => false,
            };
            if Instant::now() >= poll {
                folders.renew();
                poll = Instant::now() + POLL_EVERY;
            }
            let all = hinted || Instant::now() >= rehash;
            if all {
                rehash = Instant::now() + self.rehash_every;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.look(hinted, all) => {}
            }
        }
    }

    /// Does what is asked for. Returns whether all files are to be looked at.
    async fn answer(&mut self, asked: Asked) -> bool {
        // Whoever asked may have gone.
        match asked {
            Asked::All(configs) => {
                self.reconfigure(configs);
                return true;
            }
            Asked::Reload { plugin, config, accept, answer } => {
                let host = Arc::clone(&self.host);
                let turn = match self.named(&plugin) {
                    Some(index) => {
                        let work =
                            async |it: &mut Watched| it.reload(&host, config.map(|it| *it), accept).await;
                        Some(self.guarding_others(index, work).await)
                    }
                    None => None,
                };
                self.publish();
                let _ = answer.send(turn);
            }
            Asked::RollBack { plugin, to, answer } => {
                let host = Arc::clone(&self.host);
                let turn = match self.named(&plugin) {
                    Some(index) => {
                        let work = async |it: &mut Watched| it.roll_back_by_hand(&host, to.as_deref()).await;
                        Some(self.guarding_others(index, work).await)
                    }
                    None => None,
                };
                self.publish();
                let _ = answer.send(turn);
            }
            Asked::History { plugin, answer } => {
                let _ = answer.send(self.named(&plugin).map(|it| self.plugins[it].rows()));
            }
        }
        false
    }

    fn reconfigure(&mut self, configs: Vec<PluginConfig>) {
        for config in configs {
            if let Some(index) = self.named(&config.name) {
                self.plugins[index].reconfigure(config);
            }
        }
    }

    fn folders(&self) -> Folders {
        let files = self.plugins.iter().map(|plugin| &plugin.config().component);
        Folders::of(files.filter(|_| self.sees_events))
    }

    /// Looks at every plugin whose file may have changed, or at all of them.
    async fn look(&mut self, hinted: bool, all: bool) {
        if hinted {
            tokio::time::sleep(HINT_PAUSE).await;
        }
        let host = Arc::clone(&self.host);
        // All of them first: work on one of them may take long.
        for plugin in &mut self.plugins {
            self.has_changed |= plugin.judge_probation();
        }
        for index in 0..self.plugins.len() {
            let plugin = &mut self.plugins[index];
            let moved = plugin.has_moved();
            let due = plugin.due().is_some_and(|due| due <= Instant::now());
            let look = async |plugin: &mut Watched| {
                let looked = if all || moved || due { Some(plugin.look(&host).await) } else { None };
                plugin.look_beside(&host, all).await;
                looked
            };
            let looked = self.guarding_others(index, look).await;
            self.has_changed |= match looked {
                None | Some(Looked::Waits) => false,
                Some(Looked::Rests { forgot }) => forgot,
                Some(Looked::Judged(_)) => true,
            };
        }
        if std::mem::take(&mut self.has_changed) {
            self.publish();
        }
    }

    /// Does `work` for the plugin at `index`, which may take long. A bad build of another plugin does not stay for it.
    async fn guarding_others<T>(&mut self, index: usize, work: impl AsyncFnOnce(&mut Watched) -> T) -> T {
        let (before, rest) = self.plugins.split_at_mut(index);
        let (plugin, behind) = rest.split_at_mut(1);
        let mut others: Vec<&mut Watched> = before.iter_mut().chain(behind).collect();
        let mut work = pin!(work(&mut plugin[0]));
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = any_failed(others.iter().map(|it| &**it)) => {
                    for other in &mut others {
                        self.has_changed |= other.judge_probation();
                    }
                }
            }
        }
    }

    /// As if on a file system that shows changes in neither events nor metadata.
    #[cfg(test)]
    pub(super) fn blind(mut self, rehash_every: Duration) -> Self {
        self.sees_events = false;
        self.rehash_every = rehash_every;
        self.plugins.iter_mut().for_each(Watched::blind);
        self
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.plugins.iter().position(|it| it.name() == name)
    }

    fn publish(&self) {
        let plugins = self.plugins.iter().map(|it| (it.name().to_owned(), it.status().clone())).collect();
        self.status.send_replace(ReloadStatus { plugins });
    }
}

/// Completes when an event failed on a build on probation; never where there is no plugin.
async fn any_failed<'p>(plugins: impl IntoIterator<Item = &'p Watched>) {
    let failures: Vec<_> = plugins.into_iter().map(|it| Box::pin(it.failed())).collect();
    if failures.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(failures).await;
}
