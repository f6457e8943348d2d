//! What tells cheaply that a file or folder is not the one it was.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

/// Identity and times of a file, symlinks followed. Equal stamps mean that it need not be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    file: FileId,
    length: u64,
    modified: Option<SystemTime>,
    changed: (i64, i64),
}

/// Which file or folder it is. A number alone may be given again to the next one made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    number: (u64, u64),
    created: Option<SystemTime>,
}

impl FileStamp {
    /// The stamp of `path`; `None` where it can't be had.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            file: FileId::from(&metadata),
            length: metadata.len(),
            modified: metadata.modified().ok(),
            changed: changed(&metadata),
        })
    }
}

impl FileId {
    /// The id of `path`; `None` where it can't be had.
    pub(super) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self { number: number(metadata), created: metadata.created().ok() }
    }
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// The inode's own time of change, which a writer can't set back as it can the time of modification.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> (i64, i64) {
    (0, 0)
}
