//! Runs the programs that a language builds with.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{BuildError, file};

/// How a program ended and what it said.
pub(super) struct Ended {
    pub(super) succeeded: bool,
    /// What it wrote for programs.
    pub(super) messages: String,
    /// What it wrote for people.
    pub(super) words: String,
}

/// A `program` to be run in `dir`, in the process group `group` or in this process's own.
pub(super) fn command(program: impl AsRef<OsStr>, dir: &Path, group: Option<i32>) -> Command {
    let mut command = Command::new(program);
    if let Some(group) = group {
        command.process_group(group);
    }
    command.current_dir(dir);
    command
}

/// Runs `command` to its end, handing the lines that it writes for people to `progress` as they come.
///
/// # Errors
/// When it does not start.
pub(super) fn run(command: &mut Command, progress: &mut dyn FnMut(&str)) -> std::io::Result<Ended> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (messages, words) = read_both(&mut child, progress);
    Ok(Ended { succeeded: child.wait()?.success(), messages, words })
}

/// Reads both outputs to their ends, at the same time: a pipe that nobody reads would stop the program.
fn read_both(child: &mut Child, progress: &mut dyn FnMut(&str)) -> (String, String) {
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    std::thread::scope(|scope| {
        let messages = scope.spawn(move || {
            let mut messages = Vec::new();
            // A broken pipe ends the output; whether the build worked is told by the exit code.
            let _ = stdout.map(|mut pipe| pipe.read_to_end(&mut messages));
            String::from_utf8_lossy(&messages).into_owned()
        });
        let mut words = String::new();
        for line in stderr.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).map_while(Result::ok) {
            progress(&line);
            words.push_str(&line);
            words.push('\n');
        }
        (messages.join().unwrap_or_default(), words)
    })
}

/// Lines of an installer's words that an error shows; after them comes how to use the installer.
const SHOWN: usize = 12;

/// The beginning of an installer's words.
pub(super) fn first_lines(words: &str) -> String {
    words.trim().lines().take(SHOWN).collect::<Vec<_>>().join("\n")
}

/// A folder for one build, with the contract in it; removed when dropped.
pub(super) struct Scratch {
    dir: TempDir,
}

impl Scratch {
    const CONTRACT: &str = include_str!("../../../../wit/0.1.0/plugin.wit");

    /// # Errors
    /// When the system's folder for temporary files can't be written.
    pub(super) fn new() -> Result<Self, BuildError> {
        let dir = tempfile::Builder::new().prefix("relay-build-").tempdir();
        let dir = dir.map_err(file::failed("make a folder in", &std::env::temp_dir()))?;
        let scratch = Self { dir };
        let contract = scratch.contract();
        std::fs::write(&contract, Self::CONTRACT).map_err(file::failed("write", &contract))?;
        Ok(scratch)
    }

    /// The contract that the plugin is built for.
    pub(super) fn contract(&self) -> PathBuf {
        self.dir.path().join("plugin.wit")
    }

    /// Where the component is written first.
    pub(super) fn component(&self) -> PathBuf {
        self.dir.path().join("component.wasm")
    }
}

/// `dir` as other programs may be told of it while they run in it.
pub(super) fn whole(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}
