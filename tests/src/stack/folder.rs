//! Temporary data that goes even when the test process is killed.

use std::io::PipeWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::error::StackError;

/// Waits until its standard input closes, which happens when the test process ends in whatever way, then removes
/// the folder. Servers die at the same moment and may still write, so it tries a few times.
const JANITOR: &str =
    r#"read -r _; for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && break; sleep 0.3; done"#;

struct Root {
    path: PathBuf,
    /// Held open for the life of the process.
    _leash: PipeWriter,
}

static ROOT: OnceLock<Root> = OnceLock::new();

/// A new folder for one server, removed when dropped or when the process ends.
pub(crate) fn create(name: &str) -> Result<TempDir, StackError> {
    let folder = tempfile::Builder::new()
        .prefix(name)
        .tempdir_in(root()?)
        .map_err(StackError::io("creating a temporary folder"))?;
    open_to_all(folder.path())?;
    Ok(folder)
}

/// Lets the servers' own user look into a folder made by root.
fn open_to_all(path: &Path) -> Result<(), StackError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))
        .map_err(StackError::io(format!("setting permissions of {path:?}")))
}

fn root() -> Result<&'static Path, StackError> {
    if let Some(root) = ROOT.get() {
        return Ok(&root.path);
    }
    let path = tempfile::Builder::new()
        .prefix("relay-tests-")
        .tempdir()
        .map_err(StackError::io("creating the folder of this test process"))?
        .keep();
    open_to_all(&path)?;
    let leash = leave_to_janitor(&path)?;
    Ok(&ROOT.get_or_init(|| Root { path, _leash: leash }).path)
}

fn leave_to_janitor(path: &Path) -> Result<PipeWriter, StackError> {
    let doing = "starting the janitor";
    let (reader, leash) = std::io::pipe().map_err(StackError::io(doing))?;
    let mut command = Command::new("setsid");
    command.args(["sh", "-c", JANITOR, "janitor"]).arg(path);
    command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(StackError::io(doing))?;
    Ok(leash)
}
