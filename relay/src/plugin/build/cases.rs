//! The golden cases beside a crate.

use std::fs;
use std::path::{Path, PathBuf};

use super::BuildError;
use crate::plugin::golden::Suite;

/// The folder of golden cases in a plugin's crate.
pub const CASES: &str = "cases";

/// Name and text of each file of cases of the crate in `dir`, in the order of their names.
///
/// # Errors
/// When one can't be read or is no file of cases: a component carries none that would never run.
pub(super) fn of(dir: &Path) -> Result<Vec<(String, String)>, BuildError> {
    let folder = dir.join(CASES);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::File { what: "read", path, source }
    };
    let entries = fs::read_dir(&folder).and_then(|all| all.collect::<Result<Vec<_>, _>>());
    let mut files: Vec<PathBuf> = entries.map_err(failed(&folder))?.into_iter().map(|it| it.path()).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "toml"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(failed(&file))?;
        Suite::parse(&file.display().to_string(), &text)?.of_plugin()?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        cases.push((name, text));
    }
    Ok(cases)
}
