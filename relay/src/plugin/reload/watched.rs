//! One plugin, its file, and the lanes' view of it.

use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::plugin::history::{Entry, History};
use crate::plugin::host::{PluginConfig, PluginHost};
use crate::plugin::{Generation, LiveGeneration, PluginError};

use super::begin::{Beginning, begin};
use super::beside::Beside;
use super::candidate::{Candidate, Next, Reading};
use super::judge::{Judged, judge, not_wider, read};
use super::probation::{LOOK_EVERY, Outcome, Probation};
use super::stamp::FileStamp;
use super::status::{PluginStatus, RefusedBuild};
use super::turn::Turn;

/// A plugin whose file is watched.
pub(super) struct Watched {
    pub(super) config: Arc<PluginConfig>,
    pub(super) candidate: Candidate,
    stamp: Option<FileStamp>,
    /// In tests of file systems whose metadata do not change.
    is_blind: bool,
    pub(super) live: watch::Sender<Arc<dyn Generation>>,
    pub(super) probation: Option<Probation>,
    /// Told of each event that fails on a build on probation.
    pub(super) failures: Arc<Notify>,
    pub(super) status: PluginStatus,
    pub(super) history: History,
    pub(super) beside: Beside,
}

/// What a look at the file led to.
pub(super) enum Looked {
    /// There is nothing new; whether an earlier refusal was forgotten.
    Rests { forgot: bool },
    /// The file has to be read again.
    Waits,
    /// A build was there.
    Judged(Turn),
}

impl Watched {
    /// Loads the plugin for the first time.
    pub(super) async fn load(
        host: &Arc<PluginHost>,
        config: PluginConfig,
        mut history: History,
    ) -> Result<Self, PluginError> {
        let config = Arc::new(config);
        // Taken before the file is read: what changes meanwhile is then noticed.
        let stamp = FileStamp::of(&config.component);
        let Beginning { generation, digest, trusted, refused } = begin(host, &config, &mut history).await?;
        let beside = Beside::of(&config.name);
        let generation = beside.shadowed(generation);
        let mut candidate = Candidate::running(digest);
        let refused = refused.map(|(digest, error)| {
            candidate.refuse(Reading::Found(digest));
            RefusedBuild::now(Some(digest.to_string()), Arc::new(error))
        });
        let failures = Arc::new(Notify::new());
        let probation = trusted
            .map(|(trusted, digest)| (beside.shadowed(trusted), digest))
            .map(|(trusted, digest)| Probation::begin(trusted, digest, generation.record(), &failures));
        let status = PluginStatus {
            identity: generation.identity().clone(),
            since: SystemTime::now(),
            swaps: 0,
            rollbacks: 0,
            on_probation: probation.is_some(),
            refused,
        };
        let (live, _) = watch::channel(generation);
        Ok(Self {
            config,
            candidate,
            stamp,
            is_blind: false,
            live,
            probation,
            failures,
            status,
            history,
            beside,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn config(&self) -> &PluginConfig {
        &self.config
    }

    pub(super) fn subscribe(&self) -> LiveGeneration {
        self.live.subscribe()
    }

    pub(super) fn status(&self) -> &PluginStatus {
        &self.status
    }

    /// Takes over another component or configuration, which is then looked at like any new build; also what was
    /// refused before is tried again.
    pub(super) fn reconfigure(&mut self, config: PluginConfig) {
        if config.limits != self.config.limits {
            tracing::warn!(plugin = config.name, "other limits of a plugin need a restart of the relay");
        }
        if config.lookups != self.config.lookups {
            tracing::warn!(
                plugin = config.name,
                "other lookup tables of a plugin need a restart of the relay"
            );
        }
        let (limits, lookups) = (self.config.limits.clone(), self.config.lookups.clone());
        self.config = Arc::new(PluginConfig { limits, lookups, ..config });
        self.candidate.forget_refusal();
        self.beside.forget();
    }

    #[cfg(test)]
    pub(super) fn blind(&mut self) {
        self.is_blind = true;
    }

    /// When the file must be read again, whatever else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.candidate.due(), self.beside.due()].into_iter().flatten().min()
    }

    /// Looks at the file of the build that runs beside the live one, if it may have changed.
    pub(super) async fn look_beside(&mut self, host: &Arc<PluginHost>, all: bool) {
        let config = Arc::clone(&self.config);
        let moved = self.beside.has_moved(config.shadow.as_deref());
        let due = self.beside.due().is_some_and(|due| due <= Instant::now());
        if !(all || moved || due) {
            return;
        }
        if let Some(found) = self.beside.look(&config).await {
            let loaded = self.guarding_itself(found.load(host)).await;
            self.beside.run(loaded);
        }
    }

    /// Whether the file looks different from when it was last asked, without reading it.
    pub(super) fn has_moved(&mut self) -> bool {
        if self.is_blind {
            return false;
        }
        let stamp = FileStamp::of(&self.config.component);
        std::mem::replace(&mut self.stamp, stamp) != stamp
    }

    /// Reads the file and swaps the plugin if a new build is there and stable.
    pub(super) async fn look(&mut self, host: &Arc<PluginHost>) -> Looked {
        let config = Arc::clone(&self.config);
        self.look_with(host, &config).await
    }

    /// [`Watched::look`] at what `config` names.
    pub(super) async fn look_with(&mut self, host: &Arc<PluginHost>, config: &Arc<PluginConfig>) -> Looked {
        let read = read(config).await;
        let reading = Reading::of(&read);
        match self.candidate.observe(reading, Instant::now()) {
            Next::LookAt(_) => Looked::Waits,
            Next::Rest => {
                Looked::Rests { forgot: self.candidate.is_current(reading) && self.forget_refusal() }
            }
            Next::Judge => {
                let stable_since = Instant::now();
                let running = self.live.borrow().clone();
                let judged = match read {
                    Ok(build) => {
                        let judged = judge(host, config, build, &*running, self.history.builds());
                        self.guarding_itself(judged).await
                    }
                    Err(error) => Err(PluginError::unreadable(config, &error)),
                };
                if self.candidate.is_current(reading) {
                    // It is what was rolled back to meanwhile.
                    return Looked::Rests { forgot: false };
                }
                let judged = judged.and_then(|it| self.compared_again(config, it, &running));
                Looked::Judged(match judged {
                    Ok(judged) => self.swap(reading, judged, stable_since),
                    Err(error) => self.refuse(reading, error),
                })
            }
        }
    }

    /// Does `work` about a build that is to come. One on probation that turns out bad meanwhile does not stay for it.
    async fn guarding_itself<T>(&mut self, work: impl Future<Output = T>) -> T {
        let failures = Arc::clone(&self.failures);
        let mut work = pin!(work);
        loop {
            tokio::select! {
                // Done first: what was kept of a build that is swapped in now is not pruned before.
                biased;
                done = &mut work => return done,
                () = failures.notified() => {
                    self.judge_probation();
                }
            }
        }
    }

    /// A build that was compared with what it may use to `running`, which may have been rolled back meanwhile: what runs
    /// now may use less.
    fn compared_again(
        &self,
        config: &PluginConfig,
        judged: Judged,
        running: &Arc<dyn Generation>,
    ) -> Result<Judged, PluginError> {
        let live = self.live.borrow();
        if Arc::ptr_eq(running, &live) {
            return Ok(judged);
        }
        let (before, may_use) = (live.permissions(), judged.generation.permissions());
        not_wider(config, &may_use, &before, live.identity().short_digest())?;
        Ok(Judged { changes: may_use.changes(&before), ..judged })
    }

    /// Completes when an event failed on a build on probation.
    pub(super) async fn failed(&self) {
        self.failures.notified().await;
    }

    /// When a build on probation must be looked at.
    pub(super) fn probation_due(&self) -> Option<Instant> {
        self.probation.as_ref().map(|_| Instant::now() + LOOK_EVERY)
    }

    /// Looks at a build on probation. Returns whether the status changed.
    pub(super) fn judge_probation(&mut self) -> bool {
        let outcome = self.probation.as_ref().map_or(Outcome::Open, |it| it.outcome(Instant::now()));
        match (outcome, self.probation.take()) {
            (Outcome::Failed, Some(probation)) => self.roll_back(&probation),
            (Outcome::Passed, Some(_)) => {
                let identity = &self.status.identity;
                let digest = identity.short_digest();
                tracing::info!(plugin = identity.name, digest, "the new build passed its probation");
                self.status.on_probation = false;
                self.history.add(&self.config.name, vec![Entry::trusted()]);
            }
            (Outcome::Open, probation) => {
                self.probation = probation;
                return false;
            }
            (_, None) => return false,
        }
        true
    }
}
