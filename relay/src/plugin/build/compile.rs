//! Compiles a crate to a WebAssembly module.

use std::path::PathBuf;

use serde::Deserialize;

use super::BuildError;
use super::cargo::{TARGET, cargo, not_started};
use super::package::{Package, same_file};
use super::tool;

/// Settings for a fast component, whatever the crate's own profile says.
///
/// Measured against `opt-level = "s"` with 300-byte events: 3 takes a tenth less CPU for routing by columns and a
/// fifth less where the payload is read, for a fifth more bytes. Checks for overflow cost 3 % of the bytes and turn
/// a silent wrong number into a fault of one event. Function names take 13 % of the bytes and no memory that is
/// not looked at, and without them the backtrace of a dead letter is a list of numbers.
const PROFILE: [&str; 7] = [
    "profile.release.opt-level=3",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.debug=false",
    "profile.release.strip=\"debuginfo\"",
    "profile.release.overflow-checks=true",
];

/// Settings for an author who waits. Measured on the plugin that `relay plugin new` begins: half a second from an
/// edit to the module, where [`PROFILE`] takes two. Functions keep their names, and the author's own crate its line
/// tables, so that a trap is told with its place: 30 ms more, and a component of 2 MB in the place of 0.3, nearly all of
/// it from the standard library, which comes with its own.
const DEVELOPMENT: [&str; 9] = [
    "profile.release.opt-level=1",
    "profile.release.lto=false",
    "profile.release.codegen-units=16",
    "profile.release.incremental=true",
    "profile.release.panic=\"abort\"",
    "profile.release.debug=\"line-tables-only\"",
    "profile.release.package.\"*\".debug=false",
    "profile.release.strip=\"none\"",
    "profile.release.overflow-checks=true",
];

/// What a component is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Speed, and a small file.
    Production,
    /// An author who waits.
    Development,
}

impl Purpose {
    fn profile(self) -> &'static [&'static str] {
        match self {
            Self::Production => &PROFILE,
            Self::Development => &DEVELOPMENT,
        }
    }
}

#[derive(Deserialize)]
struct Line {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// Compiles `package` in the process group `group` and names its module, handing cargo's lines to `progress` as they come.
///
/// # Errors
/// When cargo does not start, the target is missing or the crate does not compile.
pub(super) fn compile(
    package: &Package,
    purpose: Purpose,
    group: Option<i32>,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let mut command = cargo(&package.dir, group);
    command.args(["build", "--release", "--lib", "--target", TARGET]);
    command.args(["--message-format=json-render-diagnostics", "--manifest-path"]).arg(&package.manifest);
    command.args(purpose.profile().iter().flat_map(|setting| ["--config", setting]));
    let ended = tool::run(&mut command, progress).map_err(not_started)?;
    if !ended.succeeded {
        return Err(failure(package, ended.words));
    }
    module(package, &ended.messages)
        .ok_or_else(|| BuildError::NotCdylib { manifest: package.manifest.clone() })
}

/// The `.wasm` file among cargo's messages.
fn module(package: &Package, messages: &str) -> Option<PathBuf> {
    let artifact = |line: &Line| {
        line.reason == "compiler-artifact"
            && line.manifest_path.as_deref().is_some_and(|path| same_file(path, &package.manifest))
            && line.target.as_ref().is_some_and(|it| it.crate_types.iter().any(|kind| kind == "cdylib"))
    };
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
        .filter(artifact)
        .flat_map(|line| line.filenames)
        .find(|file| file.extension().is_some_and(|it| it == "wasm"))
}

/// Why cargo failed, from what it wrote.
fn failure(package: &Package, words: String) -> BuildError {
    let missing = format!("the `{TARGET}` target may not be installed");
    if words.contains(&missing) {
        return BuildError::NoTarget { target: TARGET };
    }
    BuildError::Compile { dir: package.dir.clone(), words: without_progress(&words) }
}

/// The compiler's words without cargo's own account of what it compiled before.
fn without_progress(words: &str) -> String {
    let progress =
        ["Compiling ", "Downloading ", "Downloaded ", "Updating ", "Blocking ", "Locking ", "Adding "];
    let said = words.lines().filter(|line| !progress.iter().any(|it| line.trim_start().starts_with(it)));
    said.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        Package { name: "hello".to_owned(), dir: "hello".into(), manifest: "hello/Cargo.toml".into() }
    }

    #[test]
    fn a_missing_target_is_told_apart_from_a_crate_that_does_not_compile() {
        let words = "   Compiling memchr v2.8.3\nerror[E0463]: can't find crate for `core`\n  |\n  \
                     = note: the `wasm32-unknown-unknown` target may not be installed\n";
        let error = failure(&package(), words.to_owned());
        assert_eq!(error.code(), "P154");
        let told = error.to_string();
        assert!(told.ends_with("run: rustup target add wasm32-unknown-unknown"), "{told}");
    }

    #[test]
    fn the_compilers_own_words_are_kept_and_cargos_progress_is_not() {
        let words = "   Compiling hello v0.1.0\nerror[E0308]: mismatched types\n --> src/lib.rs:3:5\n\n\
                     error: could not compile `hello`\n";
        let told = failure(&package(), words.to_owned()).to_string();
        let expected = "P155: hello does not compile:\nerror[E0308]: mismatched types\n --> src/lib.rs:3:5\n\n\
                        error: could not compile `hello`";
        assert_eq!(told, expected);
    }
}
