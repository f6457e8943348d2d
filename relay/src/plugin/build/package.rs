//! What cargo says about a crate before it is compiled.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::BuildError;
use super::cargo::{cargo, not_started};

/// A crate that makes a WebAssembly module.
#[derive(Debug)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Its folder.
    pub(super) dir: PathBuf,
    /// Its Cargo.toml, without symbolic links.
    pub(super) manifest: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    crate_types: Vec<String>,
}

impl Package {
    /// The crate in `dir`; cargo runs in the process group `group`.
    ///
    /// # Errors
    /// When there is none, cargo cannot read it, or it makes no `cdylib`.
    pub(super) fn read(dir: &Path, group: Option<i32>) -> Result<Self, BuildError> {
        let manifest = dir.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|_| BuildError::NoCrate { dir: dir.to_path_buf() })?;
        let metadata = metadata(dir, &manifest, group)?;
        let package = metadata
            .packages
            .into_iter()
            .find(|package| same_file(&package.manifest_path, &manifest))
            .ok_or_else(|| BuildError::Manifest {
                manifest: manifest.clone(),
                words: "it is a workspace without a package of its own; name a plugin's folder".to_owned(),
            })?;
        if !package.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib")) {
            return Err(BuildError::NotCdylib { manifest });
        }
        Ok(Self { name: package.name, dir: dir.to_path_buf(), manifest })
    }
}

/// Whether `path` names the file at `canonical`.
pub(super) fn same_file(path: &Path, canonical: &Path) -> bool {
    path == canonical || path.canonicalize().is_ok_and(|path| path == canonical)
}

fn metadata(dir: &Path, manifest: &Path, group: Option<i32>) -> Result<Metadata, BuildError> {
    let output = cargo(dir, group)
        .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
        .arg(manifest)
        .output()
        .map_err(not_started)?;
    let unreadable = |words: String| BuildError::Manifest { manifest: manifest.to_path_buf(), words };
    if !output.status.success() {
        return Err(unreadable(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| unreadable(error.to_string()))
}
