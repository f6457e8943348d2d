//! Makes a component of a plugin's source. Of a crate, cargo compiles and `wit-component` wraps, with nothing else to
//! install; of JavaScript and Python, a tool of that language does, which its own package manager installs.

mod cargo;
mod cases;
mod compile;
mod component;
mod error;
mod file;
mod javascript;
mod language;
mod package;
mod python;
mod tool;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use compile::Purpose;
use component::Component;
use package::Package;

use crate::plugin::host::Interfaces;

pub use cases::CASES;
pub use error::BuildError;
pub use language::Language;

/// A built component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The component file.
    pub component: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// What it uses, which is all that it can reach, and what it offers.
    pub interfaces: Interfaces,
    /// How long it took, compilation included.
    pub duration: Duration,
}

/// Where [`build`] puts the component of the crate in `dir`, whether it is there or not.
///
/// # Errors
/// When there is no plugin's source, its project file can't be read, or a crate makes no `cdylib`.
pub fn component_of(dir: &Path) -> Result<PathBuf, BuildError> {
    Ok(default_component(dir, Source::read(dir, None)?.name()))
}

fn default_component(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.wasm"))
}

/// A plugin's source, in the words of its language.
enum Source {
    Rust(Package),
    JavaScript(javascript::Package),
    Python(python::Project),
}

impl Source {
    fn read(dir: &Path, group: Option<i32>) -> Result<Self, BuildError> {
        match Language::of(dir) {
            None => Err(BuildError::NoCrate { dir: dir.to_path_buf() }),
            Some(Language::Rust) => Package::read(dir, group).map(Self::Rust),
            Some(Language::JavaScript) => javascript::Package::read(dir).map(Self::JavaScript),
            Some(Language::Python) => python::Project::read(dir).map(Self::Python),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Rust(package) => &package.name,
            Self::JavaScript(package) => package.name(),
            Self::Python(project) => project.name(),
        }
    }

    fn component(
        &self,
        dir: &Path,
        purpose: Purpose,
        group: Option<i32>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Component, BuildError> {
        match self {
            Self::Rust(package) => {
                let module = compile::compile(package, purpose, group, progress)?;
                Component::of_module(&package.name, &file::read(&module)?)
            }
            Self::JavaScript(package) => {
                Component::of_tool(self.name(), package.component(dir, group, progress)?)
            }
            Self::Python(project) => {
                Component::of_tool(self.name(), project.component(dir, group, progress)?)
            }
        }
    }
}

/// Builds the plugin in `dir` and writes its component to `out`, by default `dir/NAME.wasm`.
///
/// The golden cases in `dir/cases` go into the component, so that whoever loads it can run them.
///
/// The file appears whole: whoever watches the folder sees the old one or the new one. Nothing is required of
/// a crate's own profile. Blocks until it is done; the first build of a crate takes a minute, the next ones about a
/// second. JavaScript takes two seconds and Python ten, and their tools are installed first where they are missing.
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
    let source = Source::read(dir, group)?;
    let Component { mut bytes, interfaces } = source.component(dir, purpose, group, progress)?;
    if purpose == Purpose::Production {
        bytes = crate::plugin::golden::with_cases(&bytes, &cases::of(dir)?);
    }
    let path = out.map_or_else(|| default_component(dir, source.name()), Path::to_path_buf);
    file::replace(&path, &bytes)?;
    Ok(Built {
        size: bytes.len() as u64,
        digest: file::digest(&bytes),
        component: path,
        interfaces,
        duration: started.elapsed(),
    })
}
