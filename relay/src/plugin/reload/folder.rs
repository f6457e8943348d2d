//! Watches the folders that hold components, and says only that something moved there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::stamp::FileId;

/// Watches on folders, renewed when a folder was deleted and made again.
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    folders: Vec<Folder>,
    hint: Arc<Notify>,
}

struct Folder {
    path: PathBuf,
    watched: Option<FileId>,
}

impl Folders {
    /// Watches the folder of each of `files`. A system that has no watches left is no failure: whoever asks
    /// for hints polls as well.
    pub(super) fn of(files: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        let hint = Arc::new(Notify::new());
        let ring = Arc::clone(&hint);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may stand for events that were lost.
            if may_change(&event) {
                ring.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "plugin files are polled: no watch can be had"))
            .ok();
        let paths: BTreeSet<_> = files.into_iter().map(|file| folder_of(file.as_ref())).collect();
        let folders = paths.into_iter().map(|path| Folder { path, watched: None }).collect();
        let mut folders = Self { watcher, folders, hint };
        folders.renew();
        folders
    }

    /// Returns when something may have changed since the last time it did. Dropping the future loses no hint.
    pub(super) async fn hinted(&self) {
        self.hint.notified().await;
    }

    /// Watches again where a folder is another than the one that was watched.
    pub(super) fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in &mut self.folders {
            let now = FileId::of(&folder.path);
            if now == folder.watched {
                continue;
            }
            // The old watch usually went with the old folder.
            let _ = watcher.unwatch(&folder.path);
            folder.watched = match watcher.watch(&folder.path, RecursiveMode::NonRecursive) {
                Ok(()) => now,
                Err(error) => {
                    let folder = folder.path.display();
                    tracing::debug!(%folder, %error, "a plugin folder can't be watched now; it is polled");
                    None
                }
            };
            // What happened between the two watches was not seen.
            self.hint.notify_one();
        }
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether a file may have changed. Opening and reading one does not count: every look at a file would ask for
/// the next.
fn may_change(event: &notify::Result<Event>) -> bool {
    let Ok(event) = event else { return true };
    match event.kind {
        EventKind::Access(kind) => matches!(kind, AccessKind::Close(AccessMode::Write)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn writing_is_a_hint_and_reading_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.wasm");
        fs::write(&file, b"one").unwrap();
        let folders = Folders::of([&file]);
        // The watch itself counts as a hint: what happened before it was not seen.
        folders.hinted().await;
        fs::read(&file).unwrap();
        let read = timeout(Duration::from_millis(200), folders.hinted()).await;
        assert!(read.is_err(), "reading must not lead to reading again");
        fs::write(&file, b"two").unwrap();
        timeout(Duration::from_secs(30), folders.hinted()).await.expect("writing is noticed");
    }

    #[tokio::test]
    async fn a_folder_that_was_made_again_is_watched_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("plugins");
        let file = folder.join("plugin.wasm");
        fs::create_dir(&folder).unwrap();
        let mut folders = Folders::of([&file]);
        for _ in 0..2 {
            fs::remove_dir_all(&folder).unwrap();
            fs::create_dir(&folder).unwrap();
            folders.renew();
            while timeout(Duration::from_millis(200), folders.hinted()).await.is_ok() {}
            fs::write(&file, b"new").unwrap();
            timeout(Duration::from_secs(30), folders.hinted()).await.expect("writing is noticed");
        }
    }
}
