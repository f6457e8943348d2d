//! The component that a command is about.

use std::path::{Path, PathBuf};

use super::failed;
use crate::cli::Failure;
use crate::plugin::build;

/// `path` itself, or the component that `relay plugin build` makes of the crate in it.
pub(super) fn component(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() { build::component_of(path).map_err(failed) } else { Ok(path.to_owned()) }
}
