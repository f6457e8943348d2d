//! One build: cargo, the component in its place, and what becomes of events with it.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::{JoinError, spawn_blocking};

use super::project::Project;
use super::replay::{self, Judged};
use crate::app::recorded;
use crate::config::SourceAdapter;
use crate::plugin::build::{self, BuildError};
use crate::plugin::host::PluginHost;
use crate::plugin::{Generation, PluginError};

/// What a build needs.
pub(super) struct Build {
    pub(super) project: Project,
    /// The source that recorded events come from, by name.
    pub(super) source: Option<(String, SourceAdapter)>,
    pub(super) host: Arc<PluginHost>,
    /// The build before.
    pub(super) old: Option<Arc<dyn Generation>>,
    /// How many recorded events go through it.
    pub(super) last: usize,
}

/// Why there is no new build.
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) words: String,
}

impl Build {
    /// Builds, and runs the newest recorded events and the golden cases. Returns when the component was in its place,
    /// from where the running relay takes it by itself.
    pub(super) async fn run(self) -> Result<(Instant, Judged), Failure> {
        let Self { project, source, host, old, last } = self;
        let own = project.clone();
        let building = spawn_blocking(move || {
            let component = own.plugin.component.clone();
            build::build_for_development(&own.dir, Some(&component), &mut |_| {})
        });
        building.await.map_err(Failure::panicked)??;
        let in_place = Instant::now();
        // Without the recorded events there are still the cases.
        let events = match &source {
            Some((name, adapter)) => recorded::newest(name, adapter, last).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let suites = project.suites().map_err(BuildError::from)?;
        let judging =
            spawn_blocking(move || replay::judge(&host, &project, &events, &suites, old.as_deref()));
        let judged = judging.await.map_err(Failure::panicked)??;
        Ok((in_place, judged))
    }
}

impl Failure {
    fn panicked(error: JoinError) -> Self {
        Self { code: "P111", words: format!("it ended by a bug in the relay: {error}") }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let (code, words) = (error.code(), error.to_string());
        // The screen shows the code in its own place.
        let words =
            words.strip_prefix(code).and_then(|it| it.strip_prefix(": ")).unwrap_or(&words).to_owned();
        Self { code, words }
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Self { code: error.code, words: format!("{}\n{}", error.what, error.remedy) }
    }
}
