//! Writes the files of a template.

use std::fs;
use std::path::Path;

use super::TemplateError;

/// Writes a file that is not there yet, with its folders.
pub(super) fn write(path: &Path, text: &str) -> Result<(), TemplateError> {
    let failed = |source| TemplateError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

/// Whether nothing is at `path`, or a folder without anything in it.
pub(super) fn is_free(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
