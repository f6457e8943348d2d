//! Builds what the tests run: the program, and plugins from their sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::sync::OnceCell;

use crate::stack::{StackError, processes, tools};

/// Which build of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As tests are built.
    Development,
    /// As operators deploy it.
    Release,
}

impl Profile {
    /// The one that the running test program was built with.
    #[must_use]
    pub fn of_tests() -> Self {
        if cfg!(debug_assertions) { Self::Development } else { Self::Release }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Development => "debug",
            Self::Release => "release",
        }
    }
}

/// The program `relay`, built if its sources have changed; `RELAY_TEST_PROGRAM` names a ready one instead.
///
/// # Errors
/// [`StackError::Command`] with the compiler's words.
pub async fn program(profile: Profile) -> Result<PathBuf, StackError> {
    static DEVELOPMENT: OnceCell<PathBuf> = OnceCell::const_new();
    static RELEASE: OnceCell<PathBuf> = OnceCell::const_new();
    let once = if profile == Profile::Release { &RELEASE } else { &DEVELOPMENT };
    let built = once.get_or_try_init(|| processes::blocking(move || build_program(profile))).await?;
    Ok(built.clone())
}

fn build_program(profile: Profile) -> Result<PathBuf, StackError> {
    if let Some(program) = std::env::var_os("RELAY_TEST_PROGRAM") {
        return Ok(program.into());
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace is selected, so that the features are those that the tests were built with.
    cargo
        .args(["build", "--quiet", "--locked", "--workspace", "--bin", "relay"])
        .current_dir(tools::workspace());
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    processes::run(without_outer_cargo(cargo))?;
    Ok(tools::target_folder().join(profile.folder()).join("relay"))
}

/// The component of the plugin in `plugins/NAME`, built from its source once per test process.
///
/// # Errors
/// [`StackError::Command`] with the compiler's words.
pub async fn component(name: &'static str) -> Result<PathBuf, StackError> {
    static ONE_AT_A_TIME: tokio::sync::Mutex<Vec<&'static str>> = tokio::sync::Mutex::const_new(Vec::new());
    let program = program(Profile::of_tests()).await?;
    let component = tools::target_folder().join("test-plugins").join(format!("{name}.wasm"));
    let mut built = ONE_AT_A_TIME.lock().await;
    if !built.contains(&name) {
        let out = component.clone();
        processes::blocking(move || build_component(&program, name, &out)).await?;
        built.push(name);
    }
    Ok(component)
}

fn build_component(program: &Path, name: &str, out: &Path) -> Result<(), StackError> {
    let folder = out.parent().unwrap_or(out);
    std::fs::create_dir_all(folder).map_err(StackError::io(format!("creating {folder:?}")))?;
    let mut build = Command::new(program);
    build.args(["plugin", "build"]).arg(tools::workspace().join("plugins").join(name)).arg("--out").arg(out);
    processes::run(without_outer_cargo(build))
}

/// Without what cargo tells a test about its own package: build scripts of dependencies (`ring`) ask for the same
/// variables, and would run again, with all that depends on them, at each change between outside and inside.
fn without_outer_cargo(mut command: Command) -> Command {
    let of_a_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        let told = name.to_str().is_some_and(|it| of_a_package.iter().any(|prefix| it.starts_with(prefix)));
        if told || name == "LD_LIBRARY_PATH" || name == "OUT_DIR" {
            command.env_remove(name);
        }
    }
    command
}
