//! Runs cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BuildError, tool};

/// What plugins are compiled for: no operating system, so no imports but those of the plugin contract.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Cargo, to be run in `dir`, in the process group `group` or in this process's own.
///
/// Compiler flags of the environment are meant for this machine's own programs and may not even exist for
/// WebAssembly, so they are left out; `CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS` still counts.
pub(super) fn cargo(dir: &Path, group: Option<i32>) -> Command {
    let mut command = tool::command(program(), dir, group);
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

/// The error for a cargo that did not start.
pub(super) fn not_started(source: std::io::Error) -> BuildError {
    BuildError::NoCargo { program: PathBuf::from(program()), source }
}

/// Cargo tells the programs it runs where it is.
fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
