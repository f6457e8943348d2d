//! Compiles components to machine code, in a process of its own.
//!
//! Compiling takes tens of megabytes, which an allocator hardly gives back, and a component made to torment the
//! compiler takes any amount of memory and time. So the relay starts itself again as a compiler: what that takes
//! ends with it, and a limit of time is as simple as a kill.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wasmtime::Engine;

use super::config::{BEHIND_LANES, CompileOptions};
use super::engine::PluginEngine;
use super::fault;

/// How much processor time one component may take to compile. A language runtime of 20 MiB takes 15 s.
pub const COMPILE_TIME: Duration = Duration::from_secs(300);

/// How long the relay waits for a compiler that has all cores.
const LIMIT: Duration = Duration::from_secs(300);

/// How many times that one gets which stands behind the lanes: a busy machine may leave it little.
const TIMES_BEHIND_LANES: u32 = 10;

/// Bytes of a component that is compiled in a twentieth of a second by two cores: lanes hardly notice, and somebody waits
/// for it.
const SMALL: usize = 128 << 10;

/// How often a waiting host looks whether anybody wants the answer still.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Bytes of machine code of one component: several times the largest language runtimes.
const LARGEST_NATIVE: u64 = 256 << 20;

/// Bytes of the compiler's words that are kept.
const WORDS: u64 = 4 << 10;

/// How the compiling process ends when the component is at fault, and not the compiler.
const REFUSED: i32 = 1;

/// What makes machine code of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Compiler {
    /// This process itself.
    Here,
    /// A process of its own: this program and these arguments.
    Process { program: PathBuf, arguments: Vec<String>, limit: Duration },
}

/// Why there is no machine code.
#[derive(Debug)]
pub(super) enum CompileError {
    /// The component is wrong: the compiler's words.
    Component(String),
    /// The compiler did not finish, whatever the reason: its end in words.
    Ended(String),
    /// No process could be started.
    NotStarted(std::io::Error),
}

impl Compiler {
    /// A process made from `program`, which answers to `arguments` by calling [`serve`].
    pub(super) fn process(program: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
        Self::Process { program, arguments, limit: LIMIT }
    }

    /// The machine code of `component` for `engine`. A process of its own stands behind the lanes where it is to, and is
    /// ended once it is `given_up`.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        component: &[u8],
        behind_lanes: bool,
        given_up: &AtomicBool,
    ) -> Result<Vec<u8>, CompileError> {
        match self {
            Self::Here => engine
                .precompile_component(component)
                .map_err(|error| CompileError::Component(fault::cause(&error))),
            Self::Process { program, arguments, limit } => {
                let (more, times): (&[&str], u32) =
                    if behind_lanes { (&[BEHIND_LANES], TIMES_BEHIND_LANES) } else { (&[], 1) };
                let child = start(program, arguments, more).map_err(CompileError::NotStarted)?;
                converse(child, component, *limit * times, given_up)
            }
        }
    }
}

/// Compiles the component that `input` holds and writes its machine code to `output`: what the process does
/// that [`PluginHost`](super::PluginHost) starts.
///
/// # Errors
/// Why there is none, in words; the process then ends with 1.
pub fn serve(mut input: impl Read, mut output: impl Write, options: CompileOptions) -> Result<(), String> {
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(|error| error.to_string())?;
    let all_cores = !options.behind_lanes || component.len() <= SMALL;
    let engine = PluginEngine::compiling(options, all_cores).map_err(|error| fault::cause(&error))?;
    let native = engine.precompile_component(&component).map_err(|error| fault::cause(&error))?;
    output.write_all(&native).and_then(|()| output.flush()).map_err(|error| error.to_string())
}

fn start(program: &Path, arguments: &[String], more: &[&str]) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    // It reads a stranger's component: it gets none of the secrets that the environment may hold.
    command.args(arguments).args(more).env_clear();
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn converse(
    mut child: Child,
    component: &[u8],
    limit: Duration,
    given_up: &AtomicBool,
) -> Result<Vec<u8>, CompileError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (done, answers) = mpsc::channel();
    thread::scope(|scope| {
        // A compiler that ends early closes the pipe: how it ended says why.
        scope.spawn(move || stdin.map(|mut it| it.write_all(component)));
        scope.spawn(move || done.send(read(stdout, LARGEST_NATIVE + 1)));
        let words = scope.spawn(move || read(stderr, WORDS));
        let since = Instant::now();
        let answer = loop {
            match answers.recv_timeout(LOOK_EVERY.min(limit)) {
                Err(RecvTimeoutError::Timeout)
                    if since.elapsed() < limit && !given_up.load(Ordering::Relaxed) => {}
                answer => break answer,
            }
        };
        if !matches!(&answer, Ok(native) if native.len() as u64 <= LARGEST_NATIVE) {
            // Late or too much: nobody waits for it any more. An error means that it has just ended.
            let _ = child.kill();
        }
        let status = child.wait().map_err(CompileError::NotStarted)?;
        let words = words.join().unwrap_or_default();
        let native = answer.map_err(|_| match given_up.load(Ordering::Relaxed) {
            true => CompileError::Ended("nobody waits for it any more".to_owned()),
            false => CompileError::Ended(format!("it took longer than {limit:?}")),
        })?;
        if native.len() as u64 > LARGEST_NATIVE {
            let most = LARGEST_NATIVE >> 20;
            return Err(CompileError::Ended(format!("it makes more than {most} MiB of machine code")));
        }
        judge(status, native, &String::from_utf8_lossy(&words))
    })
}

fn read(from: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // What was read until an error is judged like any other.
        let _ = from.take(most).read_to_end(&mut bytes);
    }
    bytes
}

fn judge(status: ExitStatus, native: Vec<u8>, words: &str) -> Result<Vec<u8>, CompileError> {
    let words = words.trim();
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(CompileError::Ended(format!("it took more than {COMPILE_TIME:?} of processor time")));
    }
    match status.code() {
        Some(0) => Ok(native),
        Some(REFUSED) => Err(CompileError::Component(words.to_owned())),
        _ if words.is_empty() => Err(CompileError::Ended(format!("the compiler ended with {status}"))),
        _ => Err(CompileError::Ended(format!("the compiler ended with {status}: {words}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_used_up_its_time_is_told_apart_from_one_that_was_ended() {
        let ended = |how: &str| {
            let arguments = vec!["-c".to_owned(), format!("kill -{how} $$")];
            let compiler = Compiler::Process { program: "/bin/sh".into(), arguments, limit: LIMIT };
            match compiler.compile(&Engine::default(), b"component", false, &AtomicBool::new(false)) {
                Err(CompileError::Ended(why)) => why,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(ended("XCPU"), "it took more than 300s of processor time");
        assert_eq!(ended("KILL"), "the compiler ended with signal: 9 (SIGKILL)");
    }

    #[test]
    fn a_compiler_that_does_not_end_is_ended() {
        let before = Instant::now();
        let limit = Duration::from_millis(50);
        let compiler =
            Compiler::Process { program: "/bin/sleep".into(), arguments: vec!["600".into()], limit };
        let ended = compiler.compile(&Engine::default(), b"component", false, &AtomicBool::new(false));
        assert!(matches!(&ended, Err(CompileError::Ended(why)) if why.contains("50ms")), "{ended:?}");
        assert!(before.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_compiler_that_nobody_waits_for_is_ended() {
        let before = Instant::now();
        let compiler = Compiler::Process {
            program: "/bin/sleep".into(),
            arguments: vec!["600".into()],
            limit: Duration::from_secs(600),
        };
        let ended = compiler.compile(&Engine::default(), b"component", false, &AtomicBool::new(true));
        assert!(matches!(&ended, Err(CompileError::Ended(why)) if why.contains("nobody")), "{ended:?}");
        assert!(before.elapsed() < Duration::from_secs(60));
    }
}
