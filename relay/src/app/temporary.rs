//! Folders that go with the command that made them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tempfile::TempDir;

/// Locked as long as the command lives that made the folder: the system lets go of it however that ends. A process
/// number would not say as much; another process may have it by now, and one in a container has a number of its own.
const LOCK: &str = ".relay-temporary.lock";

/// What the lock is called until it is locked, so that nobody takes a new folder for one that was left.
const UNLOCKED: &str = ".relay-temporary.new";

/// A temporary folder, removed when dropped. What can't be removed lies in the system's temporary folder, which is
/// cleaned anyway.
pub(super) struct TemporaryFolder {
    folder: TempDir,
    _lock: File,
}

impl TemporaryFolder {
    /// Makes a folder whose name begins with `prefix`, in the system's folder for temporary files, and removes those of
    /// the same prefix that commands of this user left behind, which were killed before they could.
    ///
    /// # Errors
    /// When the system's folder can't be written.
    pub(super) fn new(prefix: &str) -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir(), prefix)
    }

    fn new_in(place: &Path, prefix: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(place)?;
        let lock = File::create(folder.path().join(UNLOCKED))?;
        // Where the file system knows no locks, nobody takes the folder for one that was left.
        if lock.try_lock().is_ok() {
            fs::rename(folder.path().join(UNLOCKED), folder.path().join(LOCK))?;
        }
        remove_left(place, prefix, folder.path().metadata()?.uid());
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders in `place` that `owner` left behind. One that can't be removed is left to the system.
fn remove_left(place: &Path, prefix: &str, owner: u32) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries.filter(|it| it.file_name().to_string_lossy().starts_with(prefix)) {
        // A link is no folder here, wherever it leads.
        let is_own = entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == owner);
        if is_own && is_left(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether nobody holds its lock. A folder without one may be anything, and so may one where something else has its name.
fn is_left(folder: &Path) -> bool {
    let lock = folder.join(LOCK);
    let is_lock = lock.symlink_metadata().is_ok_and(|it| it.is_file() && it.len() == 0);
    is_lock && File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_command_left_goes_with_the_next_one_and_nothing_else_does() {
        let place = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for left in ["relay-dev-left", "relay-demo-left"] {
            fs::create_dir(at(left)).unwrap();
            fs::write(at(left).join(LOCK), "").unwrap();
            fs::write(at(left).join("shop.db"), "").unwrap();
        }
        fs::create_dir(at("relay-dev-of-nobody")).unwrap();
        fs::create_dir_all(at("relay-dev-of-another").join(LOCK)).unwrap();
        fs::write(outside.path().join(LOCK), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), at("relay-dev-link")).unwrap();

        let first = TemporaryFolder::new_in(place.path(), "relay-dev-").unwrap();
        let second = TemporaryFolder::new_in(place.path(), "relay-dev-").unwrap();
        assert!(first.path().is_dir() && second.path().is_dir(), "a living command keeps its folder");
        assert!(!at("relay-dev-left").exists());
        assert!(at("relay-demo-left").exists() && at("relay-dev-of-nobody").exists());
        assert!(at("relay-dev-of-another").exists());
        assert!(outside.path().join(LOCK).exists());

        let paths = [&first, &second].map(|it| it.path().to_owned());
        drop((first, second));
        assert!(paths.iter().all(|it| !it.exists()));
    }
}
