//! Compiled components on disk, so that a start need not compile.
//!
//! A cached file is machine code that the relay runs unchecked, so only a file that nobody else could have
//! written counts: it and its folder belong to the relay's own user or to root, and neither group nor others
//! may write them. Its name holds the SHA-256 of its bytes, which finds a file that is damaged or cut short.
//! Against somebody who has the relay's own user nothing helps, and nothing is promised.
//!
//! No failure of the cache is a failure of the relay: it compiles then, as it would without.

mod key;
mod owner;
mod prune;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::native;
use key::hexadecimal;
pub(in crate::plugin) use owner::Owners;

pub(super) use key::Key;

/// The folder inside the one that was given. That one may be a volume which anybody may write to; this one the
/// relay makes for itself alone.
const FOLDER: &str = "plugins";

/// How a file of compiled code ends.
const EXTENSION: &str = "cwasm";

/// How a file that is being written ends.
const UNFINISHED: &str = "new";

/// Bytes that are hashed at a time: little enough to leave no trace in the relay's memory.
const CHUNK: usize = 64 << 10;

/// The folder of compiled components.
#[derive(Debug)]
pub(super) struct CompileCache {
    folder: PathBuf,
    owners: Owners,
    written: AtomicU64,
}

/// What a look into the cache brought.
pub(super) enum Found {
    /// The component, ready to run.
    Component(Box<Component>),
    /// Nothing that fits.
    Nothing,
    /// A file with the right name that is not used, and why.
    Unusable(PathBuf, String),
}

impl CompileCache {
    /// Uses `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// Why it can't be used, in words: it can't be made or read, or others may write to it.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        let told = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(|error| told(folder, error))?;
        let folder = folder.join(FOLDER);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !folder.is_dir() => {
                return Err(told(&folder, error));
            }
            _ => {}
        }
        let metadata = fs::symlink_metadata(&folder).map_err(|error| told(&folder, error))?;
        if !metadata.is_dir() {
            return Err(format!("{} is not a folder", folder.display()));
        }
        let owners = Owners::of(&folder);
        owners.check(&folder, &metadata)?;
        Ok(Self { folder, owners, written: AtomicU64::new(0) })
    }

    /// The component that was stored under `key`.
    pub(super) fn find(&self, engine: &Engine, key: &Key) -> Found {
        let mut found = Found::Nothing;
        for path in self.stored(key) {
            match self.load(engine, &path) {
                Ok(component) => return Found::Component(Box::new(component)),
                Err(why) => found = Found::Unusable(path, why),
            }
        }
        found
    }

    /// Stores `native`, compiled code that belongs to `key`.
    ///
    /// # Errors
    /// Why it could not be stored, in words; nothing is left behind then.
    pub(super) fn store(&self, key: &Key, native: &[u8]) -> Result<(), String> {
        let place = self.folder.join(format!("{key}-{}.{EXTENSION}", hexadecimal(&Sha256::digest(native))));
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!("{}-{number}.{UNFINISHED}", std::process::id()));
        write_private(&beside, native).and_then(|()| fs::rename(&beside, &place)).map_err(|error| {
            // It may not exist, and a leftover goes with the next pruning.
            let _ = fs::remove_file(&beside);
            format!("{}: {error}", place.display())
        })?;
        prune::prune(&self.folder, &place);
        Ok(())
    }

    /// Removes a file that can't be used, so that it is not looked at again.
    pub(super) fn discard(&self, path: &Path) {
        // A cache that may only be read keeps it, and every start says so.
        let _ = fs::remove_file(path);
    }

    fn stored(&self, key: &Key) -> Vec<PathBuf> {
        let prefix = format!("{key}-");
        let fits = |path: &PathBuf| {
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            name.starts_with(&prefix) && path.extension().is_some_and(|it| it == EXTENSION)
        };
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(fits).collect()
    }

    fn load(&self, engine: &Engine, path: &Path) -> Result<Component, String> {
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        self.owners.check(path, &metadata)?;
        if digest(&mut file).map_err(|error| error.to_string())? != promised(path) {
            return Err("it is damaged: its bytes are not those that were written".to_owned());
        }
        let component = native::from_file(engine, path).map_err(|error| format!("{error:#}"))?;
        // Pruning goes by it. A cache that may only be read is not pruned either.
        let _ = file.set_modified(SystemTime::now());
        Ok(component)
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

fn digest(file: &mut File) -> io::Result<String> {
    let mut sha = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hexadecimal(&sha.finalize())),
            read => sha.update(&chunk[..read]),
        }
    }
}

/// The digest in the name of a stored file; empty, which no file has, where there is none.
fn promised(path: &Path) -> String {
    let name = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
    name.rsplit_once('-').map(|(_, digest)| digest.to_owned()).unwrap_or_default()
}
