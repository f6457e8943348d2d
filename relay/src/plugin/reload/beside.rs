//! The build that runs beside the live one, from a file of its own.

use std::path::Path;
use std::sync::Arc;

use tokio::time::Instant;

use crate::plugin::host::{Build, Digest, PluginConfig, PluginHost};
use crate::plugin::shadow::ShadowTap;
use crate::plugin::{Generation, PluginError};

use super::candidate::{Candidate, Next, Reading};
use super::judge::{load, read};
use super::stamp::FileStamp;

/// The file of a plugin's shadow, and the way of events to it.
pub(super) struct Beside {
    tap: Arc<ShadowTap>,
    candidate: Candidate,
    stamp: Option<FileStamp>,
}

/// What was found in the file, not loaded yet.
pub(super) struct Found {
    config: Arc<PluginConfig>,
    read: std::io::Result<Build>,
    reading: Reading,
}

/// What became of it.
pub(super) struct LoadedBeside {
    config: Arc<PluginConfig>,
    reading: Reading,
    generation: Result<(Arc<dyn Generation>, Digest), PluginError>,
}

impl Found {
    pub(super) async fn load(self, host: &Arc<PluginHost>) -> LoadedBeside {
        let Self { config, read, reading } = self;
        let generation = match read {
            Ok(build) => {
                let digest = build.digest();
                load(host, &config, build, None).await.map(|it| (it, digest))
            }
            Err(error) => Err(PluginError::unreadable(&config, &error)),
        };
        LoadedBeside { config, reading, generation }
    }
}

impl Beside {
    pub(super) fn of(plugin: &str) -> Self {
        Self { tap: Arc::new(ShadowTap::new(plugin)), candidate: Candidate::nothing(), stamp: None }
    }

    /// `generation`, whose events go to the shadow as well.
    pub(super) fn shadowed(&self, generation: Arc<dyn Generation>) -> Arc<dyn Generation> {
        crate::plugin::shadow::shadowed(generation, &self.tap)
    }

    /// The configuration may name another file now, or none.
    pub(super) fn forget(&mut self) {
        self.stamp = None;
        self.candidate.forget_refusal();
    }

    /// When the file must be read again, whatever else happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.candidate.due()
    }

    /// Whether the file looks different from when it was last asked, without reading it.
    pub(super) fn has_moved(&mut self, file: Option<&Path>) -> bool {
        let stamp = file.and_then(FileStamp::of);
        std::mem::replace(&mut self.stamp, stamp) != stamp
    }

    /// Reads the file that `config` names. A build that is new and stable is to be loaded, which takes long, and then
    /// given to [`Beside::run`].
    pub(super) async fn look(&mut self, config: &PluginConfig) -> Option<Found> {
        let Some(file) = &config.shadow else {
            self.end(&config.name);
            return None;
        };
        let config = Arc::new(PluginConfig { component: file.clone(), ..config.clone() });
        let read = read(&config).await;
        let reading = Reading::of(&read);
        let is_new = self.candidate.observe(reading, Instant::now()) == Next::Judge;
        is_new.then_some(Found { config, read, reading })
    }

    /// Runs what was loaded beside the live build. What can't be loaded changes nothing but the log.
    pub(super) fn run(&mut self, loaded: LoadedBeside) {
        let LoadedBeside { config, reading, generation } = loaded;
        let (generation, digest) = match generation {
            Ok(loaded) => loaded,
            Err(error) => {
                self.candidate.refuse(reading);
                return tracing::warn!(plugin = config.name, "no build runs beside the live one: {error}");
            }
        };
        let (shadow, version) =
            (generation.identity().short_digest().to_owned(), generation.identity().version.clone());
        match self.tap.set(Some(generation)) {
            Ok(_) => {
                self.candidate.accept(digest);
                tracing::info!(
                    plugin = config.name,
                    shadow,
                    version,
                    "shadow: a build runs beside the live one; nothing of it is sent"
                );
            }
            Err(error) => {
                self.candidate.refuse(reading);
                tracing::warn!(
                    plugin = config.name,
                    "no build runs beside the live one: no thread for it: {error}"
                );
            }
        }
    }

    /// Runs nothing beside the live build any more.
    fn end(&mut self, plugin: &str) {
        if matches!(self.candidate.current(), Reading::Found(_)) {
            self.candidate = Candidate::nothing();
            // Ending one can't fail.
            let _ = self.tap.set(None);
            tracing::info!(plugin, "shadow: no build runs beside the live one any more");
        }
    }
}
