//! One build: cargo, machine code, the component in its place, and what becomes of events with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::task::{JoinError, spawn_blocking};

use super::project::Project;
use super::replay::{self, Judged};
use crate::app::{AppError, recorded};
use crate::config::SourceAdapter;
use crate::plugin::build::{self, BuildError};
use crate::plugin::host::{PluginConfig, PluginHost};
use crate::plugin::{Generation, PluginError};

/// What a build needs.
pub(super) struct Build {
    pub(super) project: Project,
    /// The source that recorded events come from, by name.
    pub(super) source: Option<(String, SourceAdapter)>,
    pub(super) host: Arc<PluginHost>,
    /// The process group that cargo runs in.
    pub(super) group: i32,
    /// The build before.
    pub(super) old: Option<Arc<dyn Generation>>,
    /// How many recorded events go through it.
    pub(super) last: usize,
}

/// A build that ended well.
pub(super) struct Built {
    /// When there was a component.
    pub(super) component: Instant,
    /// When the component was in its place, from where the running relay takes it by itself.
    pub(super) in_place: Instant,
    pub(super) judged: Judged,
}

/// Why there is no new build.
pub(super) enum Failure {
    /// There is no component.
    Build(BuildError),
    /// It does not load.
    Plugin(PluginError),
    /// A bug in the relay.
    Panicked(JoinError),
}

impl Build {
    /// Builds, and runs the newest recorded events and the golden cases, handing each line that cargo writes meanwhile to
    /// `progress`.
    pub(super) async fn run(self, mut progress: impl FnMut(&str) + Send + 'static) -> Result<Built, Failure> {
        let Self { project, source, host, group, old, last } = self;
        let (own, loader) = (project.clone(), Arc::clone(&host));
        let building = spawn_blocking(move || place(&own, &loader, group, &mut progress));
        let (generation, component, in_place) = building.await.map_err(Failure::Panicked)??;
        // Without the recorded events there are still the cases.
        let events = match &source {
            Some((name, adapter)) => recorded::newest(name, adapter, last).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let suites = project.suites().map_err(BuildError::from)?;
        let judging = spawn_blocking(move || {
            replay::judge(&host, generation, &project, &events, &suites, old.as_deref())
        });
        let judged = judging.await.map_err(Failure::Panicked)??;
        Ok(Built { component, in_place, judged })
    }
}

/// Builds beside the component's place, and puts it there once it loads. The machine code is in the cache by then, where
/// the running relay finds it: two compilers at once would be in each other's way.
fn place(
    project: &Project,
    host: &PluginHost,
    group: i32,
    progress: &mut dyn FnMut(&str),
) -> Result<(Arc<dyn Generation>, Instant, Instant), Failure> {
    let component = &project.plugin.component;
    let beside = beside(component);
    build::build_for_development(&project.dir, Some(&beside), Some(group), progress)?;
    let built = Instant::now();
    let generation = host.load(&PluginConfig { component: beside.clone(), ..project.plugin.clone() })?;
    std::fs::rename(&beside, component).map_err(|source| BuildError::File {
        what: "replace",
        path: component.clone(),
        source,
    })?;
    Ok((generation, built, Instant::now()))
}

/// Where a component lies that was not loaded yet: no watcher takes it for one.
fn beside(component: &Path) -> PathBuf {
    let name = component.file_name().unwrap_or_default().to_string_lossy();
    component.with_file_name(format!(".{name}.next"))
}

/// Errors of a plugin that its source has no part in: this machine, the compiler, and lookup tables.
const NOT_OF_THE_SOURCE: &[&str] = &["P110", "P111", "P112", "P140"];

impl Failure {
    /// Whether a save of `plugin` can mend it: its own code is at fault, not this machine or another plugin.
    pub(super) fn is_mended_by_a_save(&self, plugin: &str) -> bool {
        match self {
            Self::Build(error) => error.is_mended_by_a_save(),
            Self::Plugin(error) => error.plugin == plugin && !NOT_OF_THE_SOURCE.contains(&error.code),
            Self::Panicked(_) => false,
        }
    }

    /// Its stable code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Build(error) => error.code(),
            Self::Plugin(error) => error.code,
            Self::Panicked(_) => "P111",
        }
    }

    /// What is wrong, without the code, which a screen shows in its own place.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Build(error) => {
                let words = error.to_string();
                words
                    .strip_prefix(error.code())
                    .and_then(|it| it.strip_prefix(": "))
                    .unwrap_or(&words)
                    .to_owned()
            }
            Self::Plugin(error) => format!("{}\n{}", error.what, error.remedy),
            Self::Panicked(error) => format!("it ended by a bug in the relay: {error}"),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Self::Plugin(error)
    }
}

impl From<Failure> for AppError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Build(error) => error.into(),
            Failure::Plugin(error) => error.into(),
            Failure::Panicked(_) => Self::Disproved(failure.words()),
        }
    }
}
