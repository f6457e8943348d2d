//! Reads modules and puts components in place.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::BuildError;

/// All bytes of `path`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(failed("read", path))
}

/// Puts `bytes` at `path` in one step: written beside it under a name that no watcher takes for a component,
/// then renamed.
///
/// # Errors
/// When it cannot be written; what was at `path` is still there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written =
        write(&beside, bytes).and_then(|()| fs::rename(&beside, path).map_err(failed("replace", path)));
    if written.is_err() {
        // The error that is reported is the first one.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        // A rename may survive a crash that the bytes do not.
        file.sync_all()
    };
    write().map_err(failed("write", path))
}

/// The error for what was tried with `path`.
pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = PathBuf::from(path);
    move |source| BuildError::File { what, path, source }
}

/// SHA-256 of `bytes`, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn whoever_reads_the_old_file_keeps_it_whole_and_nothing_is_left_beside_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wasm");
        replace(&path, b"old").unwrap();
        let mut reader = File::open(&path).unwrap();
        replace(&path, b"new").unwrap();
        let mut seen = String::new();
        reader.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "old");
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wasm");
        fs::create_dir(&path).unwrap();
        let error = replace(&path, b"new").unwrap_err();
        assert_eq!(error.code(), "P157");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_digest_is_sha_256_in_hexadecimal() {
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
