//! Keeps the cache small.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Files that are kept: some builds of each plugin of a large relay.
const FILES: usize = 64;

/// Bytes that are kept: several plugins that carry a language runtime, about 40 MiB each.
const BYTES: u64 = 512 << 20;

/// Age at which an unfinished file belongs to nobody: writing takes milliseconds.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Removes the files that were not used for longest, but never `keep`, and what a killed relay left unfinished.
pub(super) fn prune(folder: &Path, keep: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let path = entry.path();
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if path.extension().is_some_and(|it| it == super::EXTENSION) {
            files.push((used, path, metadata.len()));
        } else if is_abandoned(&metadata, used) {
            // Another relay may be faster.
            let _ = fs::remove_file(path);
        }
    }
    files.sort_unstable_by(|one, other| other.cmp(one));
    let mut bytes = 0;
    for (index, (_, path, size)) in files.into_iter().enumerate() {
        bytes += size;
        if (index >= FILES || bytes > BYTES) && path != keep {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_abandoned(metadata: &Metadata, used: SystemTime) -> bool {
    metadata.is_file() && used.elapsed().is_ok_and(|age| age > ABANDONED)
}
