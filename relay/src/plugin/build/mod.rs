//! Makes a component of a plugin's crate: cargo compiles, `wit-component` wraps, nothing else to install.

mod cargo;
mod cases;
mod compile;
mod component;
mod error;
mod file;
mod package;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use compile::Purpose;
use component::Component;
use package::Package;

pub use cases::CASES;
pub use error::BuildError;

/// A built component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The component file.
    pub component: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// The interfaces it uses, such as `relay:plugin/log@0.1.0`: all that it can reach.
    pub imports: Vec<String>,
    /// The interfaces it offers, `relay:plugin/transform@…` among them.
    pub exports: Vec<String>,
    /// How long it took, compilation included.
    pub duration: Duration,
}

/// Where [`build`] puts the component of the crate in `dir`, whether it is there or not.
///
/// # Errors
/// When there is no crate, cargo cannot read it, or it makes no `cdylib`.
pub fn component_of(dir: &Path) -> Result<PathBuf, BuildError> {
    Ok(default_component(dir, &Package::read(dir, None)?))
}

fn default_component(dir: &Path, package: &Package) -> PathBuf {
    dir.join(format!("{}.wasm", package.name))
}

/// Builds the plugin in `dir` and writes its component to `out`, by default `dir/NAME.wasm`.
///
/// The golden cases in `dir/cases` go into the component, so that whoever loads it can run them.
///
/// The file appears whole: whoever watches the folder sees the old one or the new one. Nothing is required of
/// the crate's own profile. Blocks until cargo is done; the first build of a crate takes a minute, the next
/// ones about a second.
///
/// # Errors
/// A [`BuildError`] with a stable code; the file at `out` is then as it was.
pub fn build(dir: &Path, out: Option<&Path>) -> Result<Built, BuildError> {
    build_with_progress(dir, out, &mut |_| {})
}

/// [`build`], handing each line that cargo writes meanwhile to `progress`.
///
/// # Errors
/// As [`build`].
pub fn build_with_progress(
    dir: &Path,
    out: Option<&Path>,
    progress: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    make(dir, out, Purpose::Production, None, progress)
}

/// [`build`] for an author who waits: compiles in a fraction of the time, to a component that is larger and slower.
/// Its golden cases stay outside of it, so that an edit of them is no new build. It carries line tables of the crate's own
/// source. Whatever runs meanwhile is in the process group `group`, where one is given, so that it can be ended.
///
/// # Errors
/// As [`build`].
pub fn build_for_development(
    dir: &Path,
    out: Option<&Path>,
    group: Option<i32>,
    progress: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    make(dir, out, Purpose::Development, group, progress)
}

fn make(
    dir: &Path,
    out: Option<&Path>,
    purpose: Purpose,
    group: Option<i32>,
    progress: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    let started = Instant::now();
    let package = Package::read(dir, group)?;
    let module = compile::compile(&package, purpose, group, progress)?;
    let Component { mut bytes, imports, exports } =
        Component::of_module(&package.name, &file::read(&module)?)?;
    if purpose == Purpose::Production {
        bytes = crate::plugin::golden::with_cases(&bytes, &cases::of(dir)?);
    }
    let path = out.map_or_else(|| default_component(dir, &package), Path::to_path_buf);
    file::replace(&path, &bytes)?;
    Ok(Built {
        size: bytes.len() as u64,
        digest: file::digest(&bytes),
        component: path,
        imports,
        exports,
        duration: started.elapsed(),
    })
}
