//! The file of entries: one JSON object a line, and it only grows.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::write_whole;

/// The file's name.
const FILE: &str = "history.jsonl";

/// The name of the file that says whose it is.
const LOCK: &str = "lock";

/// Entries that are kept: months of builds, and a screen full of them many times over.
const KEPT: usize = 500;

/// Entries at which the oldest go.
const MOST: usize = 2 * KEPT;

/// An open file of entries, of this process alone.
#[derive(Debug)]
pub(super) struct EntryFile {
    path: PathBuf,
    file: File,
    _lock: File,
}

impl EntryFile {
    /// Opens the file in `folder`, and reads it. A line that can't be read is left out: the last one may be half
    /// written, and a later version of the relay may know others.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Vec<Entry>)> {
        let lock = private().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another relay uses it"),
            TryLockError::Error(error) => error,
        })?;
        let path = folder.join(FILE);
        let mut file = private().read(true).append(true).create(true).open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if bytes.last().is_some_and(|it| *it != b'\n') {
            file.write_all(b"\n")?;
        }
        let entries = bytes.split(|it| *it == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        Ok((Self { path, file, _lock: lock }, entries.collect()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds `entries` in one write. They survive a failure of the machine once this returns.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.file.write_all(&lines(entries)?)?;
        self.file.sync_data()
    }

    /// Puts `entries` in the place of all that is there.
    pub(super) fn replace(&mut self, entries: &[Entry]) -> io::Result<()> {
        write_whole(&self.path, &lines(entries)?)?;
        self.file = private().append(true).open(&self.path)?;
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

fn lines(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut bytes, entry)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The newest of `entries` once there are too many; what runs is among them, however long it has.
pub(super) fn shortened(entries: &[Entry]) -> Option<Vec<Entry>> {
    if entries.len() < MOST {
        return None;
    }
    let (old, new) = entries.split_at(entries.len() - KEPT);
    let runs = |it: &&Entry| matches!(it, Entry::Runs { .. });
    let running = old.iter().rfind(runs).filter(|_| !new.iter().any(|it| runs(&it)));
    Some(running.into_iter().chain(new).cloned().collect())
}
