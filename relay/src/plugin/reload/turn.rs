//! How what runs changes: a swap, a refusal, a way back.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::plugin::history::{Entry, How};
use crate::plugin::host::Digest;
use crate::plugin::{Generation, Identity, PluginError};

use super::candidate::Reading;
use super::judge::Judged;
use super::probation::Probation;
use super::status::{PluginStatus, RefusedBuild};
use super::watched::Watched;

/// What became of a build that was there, or that an operator asked for.
#[derive(Debug, Clone)]
pub enum Turn {
    /// This one runs already.
    Unchanged(Identity),
    /// Lanes take another build at their next batch.
    Swapped {
        /// The build that ran.
        from: Identity,
        /// The one that runs from now on.
        to: Identity,
        /// What it may use otherwise: `+ clock.now`; mostly empty.
        permissions: String,
        /// How many golden cases it passed.
        cases: usize,
    },
    /// The old build goes on.
    Refused(Arc<PluginError>),
}

impl Watched {
    pub(super) fn swap(&mut self, reading: Reading, judged: Judged, stable_since: Instant) -> Turn {
        let Judged { generation, cases, changes: permissions } = judged;
        let generation = self.beside.shadowed(generation);
        let to = generation.identity().clone();
        let from = self.status.identity.clone();
        let (record, current) = (generation.record(), self.candidate.current());
        if let Reading::Found(digest) = reading {
            self.candidate.accept(digest);
        }
        let before = self.live.send_replace(Arc::clone(&generation));
        // A build that was on probation itself is nothing to go back to.
        let (trusted, digest) = match (self.probation.take(), current) {
            (Some(probation), _) => (Arc::clone(&probation.trusted), Some(probation.digest)),
            (None, Reading::Found(digest)) => (before, Some(digest)),
            (None, Reading::Unreadable(_)) => (before, None),
        };
        self.probation = digest.map(|digest| Probation::begin(trusted, digest, record, &self.failures));
        tracing::info!(
            plugin = to.name,
            from = from.short_digest(),
            to = to.short_digest(),
            version = to.version,
            cases,
            permissions = (!permissions.is_empty()).then_some(&permissions),
            took = ?stable_since.elapsed(),
            "plugin swapped: batches that start from now on run the new build"
        );
        self.status = PluginStatus {
            identity: to.clone(),
            since: SystemTime::now(),
            swaps: self.status.swaps + 1,
            rollbacks: self.status.rollbacks,
            on_probation: self.probation.is_some(),
            refused: None,
        };
        self.remember(vec![Entry::runs(&*generation, How::SwappedIn, digest)]);
        Turn::Swapped { from, to, permissions, cases }
    }

    pub(super) fn refuse(&mut self, reading: Reading, error: PluginError) -> Turn {
        self.candidate.refuse(reading);
        let digest = digest_of(reading);
        let running = self.status.identity.short_digest();
        tracing::warn!(
            plugin = self.config.name,
            running,
            refused = digest,
            "a new build is refused and the old one goes on: {error}"
        );
        if let Some(digest) = &digest {
            self.history.add(&self.config.name, vec![Entry::refused(digest.clone(), &error)]);
        }
        let error = Arc::new(error);
        self.status.refused = Some(RefusedBuild::now(digest, Arc::clone(&error)));
        Turn::Refused(error)
    }

    /// Puts the build that was trusted last back in its place, for all that comes and all that is parked.
    pub(super) fn roll_back(&mut self, probation: &Probation) {
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
        self.status.since = SystemTime::now();
        self.status.rollbacks += 1;
        self.status.on_probation = false;
        let refused = Entry::refused(bad.digest.clone(), &error);
        self.status.refused = Some(RefusedBuild::now(Some(bad.digest), Arc::new(error)));
        self.remember(vec![refused, Entry::runs(&*probation.trusted, How::RolledBack, None)]);
    }

    /// Puts `generation`, known by `digest`, in the place of what runs because an operator says so. What lies in the
    /// component's place, `reading`, stays out.
    pub(super) fn go_back_to(
        &mut self,
        generation: &Arc<dyn Generation>,
        digest: Digest,
        reading: Reading,
    ) -> Turn {
        let to = generation.identity().clone();
        let from = std::mem::replace(&mut self.status.identity, to.clone());
        let permissions = generation.permissions().changes(&self.live.borrow().permissions());
        self.live.send_replace(Arc::clone(generation));
        self.probation = None;
        self.candidate.accept(digest);
        let (old, new) = (from.short_digest(), to.short_digest());
        tracing::warn!(plugin = self.config.name, from = old, to = new, "plugin rolled back by an operator");
        self.status.since = SystemTime::now();
        self.status.rollbacks += 1;
        self.status.on_probation = false;
        self.status.refused = None;
        let mut entries = vec![Entry::runs(&**generation, How::RolledBackByHand, None)];
        if !self.candidate.is_current(reading) {
            let error = stays_out(&self.config.name, reading, new);
            self.candidate.refuse(reading);
            let lies_there = digest_of(reading);
            entries.extend(lies_there.clone().map(|digest| Entry::refused(digest, &error)));
            self.status.refused = Some(RefusedBuild::now(lies_there, Arc::new(error)));
        }
        self.remember(entries);
        Turn::Swapped { from, to, permissions, cases: 0 }
    }

    pub(super) fn forget_refusal(&mut self) -> bool {
        self.candidate.forget_refusal();
        let had = self.status.refused.take().is_some();
        if had {
            self.history.add(&self.config.name, vec![Entry::forgotten()]);
        }
        had
    }

    /// Notes what runs now, and lets go of copies that nobody will go back to.
    fn remember(&mut self, entries: Vec<Entry>) {
        self.history.add(&self.config.name, entries);
        let Some(builds) = self.history.builds() else { return };
        let trusted = self.probation.as_ref().map(|it| it.digest.to_string());
        let mut digests: Vec<String> =
            [Some(self.status.identity.digest.clone()), trusted].into_iter().flatten().collect();
        let needed = digests.len();
        for row in self.history.rows() {
            if row.since.is_some() && !digests.contains(&row.digest) {
                digests.push(row.digest);
            }
        }
        builds.prune(&digests, needed);
    }
}

/// The digest in hexadecimal of what was read.
fn digest_of(reading: Reading) -> Option<String> {
    match reading {
        Reading::Found(digest) => Some(digest.to_string()),
        Reading::Unreadable(_) => None,
    }
}

fn stays_out(plugin: &str, reading: Reading, running: &str) -> PluginError {
    let what = match digest_of(reading) {
        Some(digest) => format!("build {}", digest.get(..6).unwrap_or(&digest)),
        None => "the file, which can't be read,".to_owned(),
    };
    PluginError {
        code: "P130",
        plugin: plugin.to_owned(),
        what: format!("{what} in the component's place stays out: an operator went back to {running}"),
        remedy: format!("put another build in its place, or `relay plugin reload {plugin}`"),
    }
}
