//! Notices that a crate's files changed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// What is never a source: what cargo makes, and what belongs to no build.
const SKIPPED: &[&str] = &["target", ".git", "node_modules", ".venv", "__pycache__"];

/// Folders below a crate that are looked into; a link that leads in a circle ends here.
const DEEPEST: usize = 12;

/// The state of a crate's files: equal states need no new build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Files(Vec<(PathBuf, SystemTime, u64)>);

impl Files {
    /// The files of the crate in `dir` that a build or its cases depend on.
    pub(super) fn of(dir: &Path) -> Self {
        let mut all = Vec::new();
        list(dir, DEEPEST, &mut all);
        all.sort();
        Self(all)
    }

    /// The file of these that differs from `before`, the one that was written last.
    pub(super) fn changed_since(&self, before: &Self) -> Option<(PathBuf, SystemTime)> {
        let new = self.0.iter().filter(|it| !before.0.contains(it));
        let newest = new.max_by_key(|(_, modified, _)| *modified);
        let gone = || before.0.iter().find(|old| self.0.iter().all(|it| it.0 != old.0));
        let removed = || gone().map(|(path, ..)| (path.clone(), SystemTime::now()));
        newest.map(|(path, modified, _)| (path.clone(), *modified)).or_else(removed)
    }
}

fn list(dir: &Path, depth: usize, into: &mut Vec<(PathBuf, SystemTime, u64)>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // A link's own metadata would not change with what it leads to.
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth > 0 && !SKIPPED.contains(&&*name) {
            list(&path, depth - 1, into);
        } else if is_source(&path) && !name.starts_with('.') {
            into.push((path, metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len()));
        }
    }
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|it| {
        ["rs", "js", "mjs", "py", "toml", "wit", "json", "txt"].iter().any(|known| it == *known)
    })
}

/// Says that something moved in a folder; what, is found by looking.
pub(super) struct Hints {
    received: mpsc::Receiver<()>,
    /// Dropped, it stops watching.
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Hints {
    /// Watches `dirs`. Where the system can't, only looking is left.
    pub(super) fn of<'a>(dirs: impl Iterator<Item = &'a Path>) -> Self {
        let (hint, received) = mpsc::channel(1);
        let told = move |event: notify::Result<notify::Event>| {
            // Reading a file is no change of it; and one hint that waits is enough.
            if event.is_ok_and(|it| !it.kind.is_access()) {
                let _ = hint.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(told).ok();
        for dir in dirs {
            let folders = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|it| it.path());
            let sources = folders.filter(|it| {
                let name = it.file_name().unwrap_or_default().to_string_lossy();
                it.is_dir() && !SKIPPED.contains(&&*name)
            });
            let own = std::iter::once((dir.to_owned(), RecursiveMode::NonRecursive));
            for (path, mode) in own.chain(sources.map(|it| (it, RecursiveMode::Recursive))) {
                // A folder that can't be watched is still looked at.
                let _ = watcher.as_mut().map(|it| it.watch(&path, mode));
            }
        }
        Self { received, _watcher: watcher }
    }

    /// The next hint; never where nothing can be watched.
    pub(super) async fn next(&mut self) {
        if self.received.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_found_and_what_cargo_makes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "a");
        write("cases/a.toml", "a");
        let before = Files::of(folder.path());
        write("target/x.rs", "made");
        write("hello.wasm", "made");
        assert_eq!(Files::of(folder.path()).changed_since(&before), None);
        write("src/lib.rs", "ab");
        let (file, _) = Files::of(folder.path()).changed_since(&before).unwrap();
        assert_eq!(file, folder.path().join("src/lib.rs"));
        std::fs::remove_file(folder.path().join("cases/a.toml")).unwrap();
        write("src/lib.rs", "a");
        assert!(Files::of(folder.path()).changed_since(&before).is_some());
    }
}
