//! Plugins in other languages: the project's own examples, under another name.

use std::path::Path;

use super::{TemplateError, file};
use crate::plugin::build::Language;

/// An example of the project that a plugin begins as.
struct Example {
    /// What it is called, wherever its files say so.
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// Names the files of the example in a folder.
macro_rules! example {
    ($name:literal, $($file:literal),+ $(,)?) => {
        Example {
            name: $name,
            files: &[$(($file, include_str!(concat!("../../../../plugins/", $name, "/", $file)))),+],
        }
    };
}

const JAVASCRIPT: Example = example!(
    "orders-js",
    "package.json",
    "plugin.js",
    "relay.js",
    "cases/orders.toml",
    "README.md",
    ".gitignore"
);

const PYTHON: Example = example!(
    "orders-py",
    "pyproject.toml",
    "requirements.txt",
    "plugin.py",
    "relay.py",
    "cases/orders.toml",
    "README.md",
    ".gitignore"
);

/// Writes a plugin called `name` into `dir`, if there is an example in `language`; says whether there is.
pub(super) fn write(dir: &Path, name: &str, language: Language) -> Result<bool, TemplateError> {
    let example = match language {
        Language::Rust => return Ok(false),
        Language::JavaScript => JAVASCRIPT,
        Language::Python => PYTHON,
    };
    for (place, text) in example.files {
        file::write(&dir.join(place), &text.replace(example.name, name))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_of_an_example_is_forgotten_and_none_keeps_its_name() {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("plugins");
        for (example, language) in [(JAVASCRIPT, Language::JavaScript), (PYTHON, Language::Python)] {
            let folder = tempfile::tempdir().unwrap();
            assert!(write(folder.path(), "mask-mail", language).unwrap());
            for (place, _) in example.files {
                let text = std::fs::read_to_string(folder.path().join(place)).unwrap();
                assert!(!text.contains(example.name), "{place}");
            }
            // What a build leaves behind is no part of it.
            let made = ["node_modules", "package-lock.json", ".venv", "__pycache__"];
            let is_made = |name: &str| made.contains(&name) || name.ends_with(".wasm");
            for entry in std::fs::read_dir(plugins.join(example.name)).unwrap() {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                assert!(is_made(&name) || folder.path().join(&name).exists(), "{name} is forgotten");
            }
        }
    }
}
