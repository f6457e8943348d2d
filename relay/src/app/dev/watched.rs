//! A plugin that is watched.

use std::sync::Arc;

use super::files::Files;
use super::project::Project;
use super::swap::Swap;
use crate::plugin::Generation;

/// Files of one plugin, with what runs of it.
pub(super) struct Watched {
    pub(super) project: Project,
    pub(super) files: Files,
    /// The newest build that works.
    pub(super) running: Option<Arc<dyn Generation>>,
    /// Its first build began; before that, a save has nothing to tell.
    pub(super) begun: bool,
    pub(super) building: bool,
    pub(super) swap: Option<Swap>,
}

impl Watched {
    /// The plugin of `project`, of which nothing was built yet.
    pub(super) fn of(project: Project) -> Self {
        Self { project, files: Files::default(), running: None, begun: false, building: false, swap: None }
    }
}
