//! Which builds of a plugin ran, which were refused and why, over restarts of the relay.
//!
//! Each plugin has a folder of its own: a file of entries that only grows, and copies of the builds that ran, so that an
//! operator can go back to one whose file is gone. Nothing here is needed to relay events: where the folder can't be
//! used, a warning says so (`P119`), and the history lasts as long as the process.

mod builds;
mod entry;
mod file;
mod recall;
mod rows;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use builds::KeptBuilds;
pub use entry::{Entry, How};
pub use recall::{Recalled, RefusedBefore, RunningBefore};
pub use rows::{Left, Row};

use crate::plugin::host::Owners;
use file::EntryFile;

/// What became of the builds of one plugin.
#[derive(Debug, Default)]
pub struct History {
    entries: Vec<Entry>,
    file: Option<EntryFile>,
    builds: Option<Arc<KeptBuilds>>,
}

impl History {
    /// The history of `plugin`, which `folder` holds among others; it is made if it is missing. Without a folder, or
    /// where it can't be used, the history begins here and ends with the process.
    #[must_use]
    pub fn open(folder: Option<&Path>, plugin: &str) -> Self {
        let Some(folder) = folder else { return Self::default() };
        let folder = folder.join(plugin);
        Self::open_in(&folder).unwrap_or_else(|error| {
            warn(plugin, &folder, &error);
            Self::default()
        })
    }

    fn open_in(folder: &Path) -> io::Result<Self> {
        make_private(folder)?;
        believe(folder)?;
        let (file, entries) = EntryFile::open(folder)?;
        let builds = KeptBuilds::open(folder)?;
        Ok(Self { entries, file: Some(file), builds: Some(Arc::new(builds)) })
    }

    /// Adds `entries`: after a crash either all of them are there, or the last of them are missing.
    pub fn add(&mut self, plugin: &str, entries: Vec<Entry>) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.append(&entries)
        {
            warn(plugin, file.path(), &error);
            self.file = None;
        }
        self.entries.extend(entries);
        if let Some(shorter) = file::shortened(&self.entries) {
            if let Some(file) = &mut self.file
                && let Err(error) = file.replace(&shorter)
            {
                warn(plugin, file.path(), &error);
                self.file = None;
            }
            self.entries = shorter;
        }
    }

    /// The copies of builds; `None` where nothing is kept.
    #[must_use]
    pub fn builds(&self) -> Option<Arc<KeptBuilds>> {
        self.builds.clone()
    }

    /// What ran and what was refused when the relay ended last.
    #[must_use]
    pub fn recall(&self) -> Recalled {
        Recalled::of(&self.entries)
    }

    /// Every build that is known, the newest first.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let is_kept = |digest: &str| self.builds.as_ref().is_some_and(|it| it.has(digest));
        rows::of(&self.entries, &is_kept)
    }
}

/// Whether nobody else could have written what `folder` holds: the relay runs builds from it.
fn believe(folder: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("it is not a folder"));
    }
    Owners::of(folder).check(folder, &metadata).map_err(io::Error::other)
}

/// Makes a folder that is the relay's own alone: configurations of plugins may hold what others must not read.
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts `bytes` at `path`, whole or not at all, also when the machine fails.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = PathBuf::from(format!("{}.new", path.display()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Says that something can't be kept.
pub(in crate::plugin) fn warn(plugin: &str, place: &Path, error: &io::Error) {
    tracing::warn!(plugin, "P119: the history of a plugin can't be kept: {}: {error}", place.display());
}
