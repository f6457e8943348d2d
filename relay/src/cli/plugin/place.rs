//! The component that a command is about, and its cases.

use std::path::{Path, PathBuf};

use clap::Args;

use super::cases::wrong;
use super::failed;
use crate::cli::{Exit, Failure};
use crate::plugin::build::{self, CASES};
use crate::plugin::golden::{self, Suite};

/// `path` itself, or the component that `relay plugin build` makes of the crate in it.
pub(super) fn component(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() { build::component_of(path).map_err(failed) } else { Ok(path.to_owned()) }
}

/// A component in memory with what a command runs it on.
pub(super) struct Subject {
    /// The plugin's name, of its file.
    pub(super) name: String,
    /// The component.
    pub(super) bytes: Vec<u8>,
    /// Its golden cases.
    pub(super) suites: Vec<Suite>,
}

/// What names a [`Subject`].
#[derive(Debug, Args)]
pub(super) struct SubjectArguments {
    /// The folder of the plugin's crate, which is built first, or a component.
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    path: PathBuf,
    /// The cases: a file, or a folder of them [default: DIR/cases, or those in the component].
    #[arg(long, value_name = "PATH")]
    cases: Option<PathBuf>,
}

impl SubjectArguments {
    /// Builds the crate, or reads the component. Its cases are those that were named, or else those beside the crate
    /// or in the component.
    pub(super) fn read(&self) -> Result<Subject, Failure> {
        let path = self.path.as_path();
        let component = if path.is_dir() {
            build::build_with_progress(path, None, &mut |line| eprintln!("{line}")).map_err(failed)?.component
        } else {
            path.to_owned()
        };
        let bytes = std::fs::read(&component).map_err(|error| {
            let what = format!("{} can't be read: {error}", component.display());
            Failure::coded(Exit::Environment, "P100", what, "")
        })?;
        // In this very folder, paths start where the author stands.
        let beside = path.strip_prefix(".").unwrap_or(path).join(CASES);
        let suites = match &self.cases {
            Some(cases) => Suite::load(cases),
            None if path.is_dir() && beside.is_dir() => Suite::load(&beside),
            None => golden::carried(&bytes),
        };
        let name = component.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let suites =
            suites.and_then(|all| all.into_iter().map(Suite::of_plugin).collect::<Result<Vec<_>, _>>());
        let suites = suites.map_err(wrong)?;
        if suites.iter().all(|it| it.cases.is_empty()) {
            let what = format!("{} has no golden cases", path.display());
            let remedy =
                format!("write them into {}/*.toml, or name a folder with --cases", beside.display());
            return Err(Failure::not_found(what, &remedy));
        }
        Ok(Subject { name, bytes, suites })
    }
}
