//! Keeps the architecture: reads what each source file names and compares it with the table of layers.

mod references;
mod rules;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use references::{Reference, references};
pub use rules::{Modules, Part, objection, part_of};

/// A source file with the module that it holds.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the crate's `src`.
    pub path: PathBuf,
    /// `["sink", "kafka", "producer"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    /// Its text.
    pub text: String,
}

/// All source files below `src`, except those of tests.
///
/// # Errors
/// What the file system says.
pub fn source_files(src: &Path) -> std::io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let relative = path.strip_prefix(src).unwrap_or(&path).to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !is_test(&relative) {
                files.push(SourceFile {
                    module: module_of(&relative),
                    text: std::fs::read_to_string(&path)?,
                    path: relative,
                });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_test(relative: &Path) -> bool {
    relative.components().any(|it| it.as_os_str() == "tests")
        || relative.file_stem().is_some_and(|it| it == "tests")
}

fn module_of(relative: &Path) -> Vec<String> {
    let without_extension = relative.with_extension("");
    let mut module: Vec<String> =
        without_extension.components().map(|it| it.as_os_str().to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|it| matches!(it.as_str(), "mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// Every forbidden reference in `files`, one line each: file, path, reason.
#[must_use]
pub fn violations(files: &[SourceFile]) -> Vec<String> {
    let modules = modules(files);
    let mut found = BTreeSet::new();
    for file in files {
        let Some(from) = part_of_file(file, &modules) else { continue };
        for reference in references_of(file, &modules) {
            if let Some(why) = objection(&from, &reference, &modules) {
                let name = reference.segments.join("::");
                found.insert(format!("relay/src/{}: {name}: {why}", file.path.display()));
            }
        }
    }
    found.into_iter().collect()
}

fn modules(files: &[SourceFile]) -> Modules {
    let mut modules = Modules::default();
    for file in files {
        modules.all.insert(file.module.clone());
        if file.path.file_name().is_some_and(|it| it == "mod.rs") {
            modules.folders.insert(file.module.clone());
        }
    }
    let mut passed_on = Vec::new();
    for file in files.iter().filter(|file| file.module.len() == 1 && modules.folders.contains(&file.module)) {
        let adapters = references_of(file, &modules).into_iter().filter(|reference| {
            matches!(part_of(&reference.segments, &modules), Some(Part::Adapter(..)))
                && reference.segments.len() > 2
        });
        for Reference { segments, .. } in adapters {
            let short = [file.module.as_slice(), &segments[segments.len() - 1..]].concat();
            passed_on.push((short, segments));
        }
    }
    modules.passed_on.extend(passed_on);
    modules
}

fn references_of(file: &SourceFile, modules: &Modules) -> Vec<Reference> {
    let module: Vec<&str> = file.module.iter().map(String::as_str).collect();
    references(&file.text, &module, &children(&file.module, modules))
}

/// `lib.rs` is the table of contents and belongs to no part.
fn part_of_file(file: &SourceFile, modules: &Modules) -> Option<Part> {
    if file.path == Path::new("main.rs") { Some(Part::Program) } else { part_of(&file.module, modules) }
}

fn children(module: &[String], modules: &Modules) -> Vec<String> {
    let below = modules
        .all
        .iter()
        .filter(|it| it.len() == module.len() + 1 && it.starts_with(module))
        .filter_map(|it| it.last().cloned());
    below.collect()
}
