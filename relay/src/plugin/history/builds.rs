//! Copies of the builds that ran.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::plugin::host::{Build, Digest};

use super::{believe, make_private, write_whole};

/// The folder of copies.
const FOLDER: &str = "builds";

/// How a component's copy ends, and the configuration that it ran with.
const COMPONENT: &str = "wasm";
const CONFIG: &str = "json";

/// Builds that are kept: what an operator may want to go back to.
const BUILDS: usize = 10;

/// Bytes that are kept beyond the builds that are needed: some builds that carry a language runtime.
const BYTES: u64 = 256 << 20;

/// The folder of copies of one plugin's builds: component and configuration, as digests count both.
#[derive(Debug)]
pub struct KeptBuilds {
    folder: PathBuf,
}

impl KeptBuilds {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let folder = folder.join(FOLDER);
        make_private(&folder)?;
        believe(&folder)?;
        Ok(Self { folder })
    }

    /// Where the copies are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps `build`, which runs with `config`. Blocks its thread until the copy survives a failure of the machine.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep(&self, build: &Build, config: &serde_json::Value) -> io::Result<()> {
        let digest = build.digest().to_string();
        if self.has(&digest) {
            return Ok(());
        }
        write_whole(&self.path(&digest, CONFIG), config.to_string().as_bytes())?;
        // Last, as it stands for both.
        write_whole(&self.path(&digest, COMPONENT), build.bytes())
    }

    /// The build with `digest`, and the configuration that it ran with.
    ///
    /// # Errors
    /// Why it can't be had, in words: it is gone, or damaged.
    pub fn take(&self, digest: Digest) -> Result<(Build, serde_json::Value), String> {
        let name = digest.to_string();
        let path = self.path(&name, COMPONENT);
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let config = fs::read(self.path(&name, CONFIG)).map_err(|error| told(&error))?;
        let config = serde_json::from_slice(&config).map_err(|error| told(&error))?;
        let build = Build::read(&path, &config).map_err(|error| told(&error))?;
        if build.digest() != digest {
            return Err(told(&"it is damaged: its bytes are not those that were written"));
        }
        Ok((build, config))
    }

    /// Whether there is a copy of the build with `digest`.
    #[must_use]
    pub fn has(&self, digest: &str) -> bool {
        self.path(digest, COMPONENT).is_file()
    }

    /// Removes copies but those of `digests`, which come in the order in which they are needed; the first `needed` of
    /// them are never removed.
    pub fn prune(&self, digests: &[String], needed: usize) {
        let mut bytes = 0;
        let mut stays = Vec::new();
        for (index, digest) in digests.iter().enumerate() {
            bytes += fs::metadata(self.path(digest, COMPONENT)).map_or(0, |it| it.len());
            if index < needed || (index < BUILDS && bytes <= BYTES) {
                stays.push(digest.as_str());
            }
        }
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|it| it.path()) {
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            let digest = name.split('.').next().unwrap_or_default();
            if !stays.contains(&digest) {
                // It costs space, and the next one tries again.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn path(&self, digest: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{digest}.{extension}"))
    }
}
