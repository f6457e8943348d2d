//! One plugin, its file, and the lanes' view of it.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::plugin::host::{PluginConfig, PluginHost};
use crate::plugin::{Generation, LiveGeneration, PluginError};

use super::candidate::{Candidate, Next, Reading};
use super::judge::{Judged, judge, load, read};
use super::probation::{LOOK_EVERY, Outcome, Probation};
use super::stamp::FileStamp;
use super::status::{PluginStatus, RefusedBuild};

/// A plugin whose file is watched.
pub(super) struct Watched {
    config: Arc<PluginConfig>,
    candidate: Candidate,
    stamp: Option<FileStamp>,
    /// In tests of file systems whose metadata do not change.
    is_blind: bool,
    live: watch::Sender<Arc<dyn Generation>>,
    probation: Option<Probation>,
    status: PluginStatus,
}

impl Watched {
    /// Loads the plugin for the first time.
    pub(super) async fn load(host: &Arc<PluginHost>, config: PluginConfig) -> Result<Self, PluginError> {
        let config = Arc::new(config);
        // Taken before the file is read: what changes meanwhile is then noticed.
        let stamp = FileStamp::of(&config.component);
        let build = read(&config).await.map_err(|error| PluginError::unreadable(&config, &error))?;
        let digest = build.digest();
        let generation = load(host, &config, build).await?;
        let status = PluginStatus {
            identity: generation.identity().clone(),
            since: SystemTime::now(),
            swaps: 0,
            rollbacks: 0,
            on_probation: false,
            refused: None,
        };
        let (live, _) = watch::channel(generation);
        Ok(Self {
            config,
            candidate: Candidate::running(digest),
            stamp,
            is_blind: false,
            live,
            probation: None,
            status,
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
        let limits = self.config.limits.clone();
        self.config = Arc::new(PluginConfig { limits, ..config });
        self.candidate.forget_refusal();
    }

    #[cfg(test)]
    pub(super) fn blind(&mut self) {
        self.is_blind = true;
    }

    /// When the file must be read again, whatever else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.candidate.due()
    }

    /// Whether the file looks different from when it was last asked, without reading it.
    pub(super) fn has_moved(&mut self) -> bool {
        if self.is_blind {
            return false;
        }
        let stamp = FileStamp::of(&self.config.component);
        std::mem::replace(&mut self.stamp, stamp) != stamp
    }

    /// Reads the file and swaps the plugin if a new build is there and stable. Returns whether the status
    /// changed.
    pub(super) async fn look(&mut self, host: &Arc<PluginHost>) -> bool {
        let read = read(&self.config).await;
        let reading = match &read {
            Ok(build) => Reading::Found(build.digest()),
            Err(error) => Reading::Unreadable(error.kind()),
        };
        match self.candidate.observe(reading, Instant::now()) {
            Next::LookAt(_) => false,
            Next::Rest => self.candidate.is_current(reading) && self.forget_refusal(),
            Next::Judge => {
                let stable_since = Instant::now();
                let running = self.live.borrow().clone();
                let judged = match read {
                    Ok(build) => judge(host, &self.config, build, &*running).await,
                    Err(error) => Err(PluginError::unreadable(&self.config, &error)),
                };
                match judged {
                    Ok(judged) => self.swap(reading, judged, stable_since),
                    Err(error) => self.refuse(reading, error),
                }
                true
            }
        }
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
            }
            (Outcome::Open, probation) => {
                self.probation = probation;
                return false;
            }
            (_, None) => return false,
        }
        true
    }

    /// Puts the build that was trusted last back in its place, for all that comes and all that is parked.
    fn roll_back(&mut self, probation: &Probation) {
        let bad = std::mem::replace(&mut self.status.identity, probation.trusted.identity().clone());
        let (tally, after, last) = probation.so_far();
        let error = PluginError {
            code: "P115",
            plugin: self.config.name.clone(),
            what: format!(
                "build {} failed on {} of its first {} events and was rolled back after {after:.1?}; the last: {}",
                bad.short_digest(),
                tally.failed,
                tally.asked,
                last.unwrap_or_default()
            ),
            remedy: "correct the plugin, and put another build in its place".to_owned(),
        };
        let reading = self.candidate.current();
        self.candidate.accept(probation.digest);
        self.candidate.refuse(reading);
        self.live.send_replace(Arc::clone(&probation.trusted));
        let (from, to) = (bad.short_digest(), self.status.identity.short_digest());
        tracing::error!(plugin = self.config.name, from, to, "plugin rolled back: {error}");
        let now = SystemTime::now();
        let refused = RefusedBuild { digest: Some(bad.digest), error: Arc::new(error), at: now };
        self.status.since = now;
        self.status.rollbacks += 1;
        self.status.on_probation = false;
        self.status.refused = Some(refused);
    }

    fn swap(&mut self, reading: Reading, judged: Judged, stable_since: Instant) {
        let Judged { generation, cases, changes } = judged;
        let identity = generation.identity().clone();
        let old = self.status.identity.short_digest().to_owned();
        let (record, current) = (generation.record(), self.candidate.current());
        if let Reading::Found(digest) = reading {
            self.candidate.accept(digest);
        }
        let before = self.live.send_replace(generation);
        // A build that was on probation itself is nothing to go back to.
        let (trusted, digest) = match (self.probation.take(), current) {
            (Some(probation), _) => (Arc::clone(&probation.trusted), Some(probation.digest)),
            (None, Reading::Found(digest)) => (before, Some(digest)),
            (None, Reading::Unreadable(_)) => (before, None),
        };
        self.probation = digest.map(|digest| Probation::begin(trusted, digest, record));
        tracing::info!(
            plugin = identity.name,
            from = old,
            to = identity.short_digest(),
            version = identity.version,
            cases,
            permissions = (!changes.is_empty()).then_some(changes),
            took = ?stable_since.elapsed(),
            "plugin swapped: batches that start from now on run the new build"
        );
        self.status = PluginStatus {
            identity,
            since: SystemTime::now(),
            swaps: self.status.swaps + 1,
            rollbacks: self.status.rollbacks,
            on_probation: self.probation.is_some(),
            refused: None,
        };
    }

    fn refuse(&mut self, reading: Reading, error: PluginError) {
        self.candidate.refuse(reading);
        let digest = match reading {
            Reading::Found(digest) => Some(digest.to_string()),
            Reading::Unreadable(_) => None,
        };
        let running = self.status.identity.short_digest();
        tracing::warn!(
            plugin = self.config.name,
            running,
            refused = digest,
            "a new build is refused and the old one goes on: {error}"
        );
        self.status.refused = Some(RefusedBuild { digest, error: Arc::new(error), at: SystemTime::now() });
    }

    fn forget_refusal(&mut self) -> bool {
        self.candidate.forget_refusal();
        self.status.refused.take().is_some()
    }
}
