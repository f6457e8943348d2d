//! A server as a child process.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::error::StackError;

/// Lines of a server's log kept for error messages.
const LOG_LINES: usize = 60;
/// A cold JVM on a busy machine needs most of it.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// After that a server that was asked to stop is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often a process is looked at while it ends; ending has no signal for those that are not our children.
const LOOK: Duration = Duration::from_millis(5);

/// How to run a server.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) server: &'static str,
    pub(super) path: std::path::PathBuf,
    pub(super) arguments: Vec<std::ffi::OsString>,
    /// Run as this user if the tests run as root.
    pub(super) user: Option<&'static str>,
    /// What the server writes once clients may connect.
    pub(super) ready: &'static str,
    /// The signal for an orderly stop.
    pub(super) stop_signal: &'static str,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(super) struct ServerProcess {
    program: Program,
    child: Child,
    ended: bool,
}

impl ServerProcess {
    /// Starts it and waits until it is ready.
    pub(super) fn start(program: &Program, folder: &Path) -> Result<Self, StackError> {
        let mut command = launcher(program.user);
        command.arg(&program.path).args(&program.arguments).current_dir(folder).process_group(0);
        let (output, write) = std::io::pipe().map_err(StackError::io("creating a pipe"))?;
        let errors = write.try_clone().map_err(StackError::io("creating a pipe"))?;
        command.stdin(Stdio::null()).stdout(write).stderr(errors);
        let child = launch(command).map_err(StackError::io(format!("starting {}", program.server)))?;
        // From here on the process is killed if anything fails.
        let process = Self { program: program.clone(), child, ended: false };
        process.wait_until_ready(output)?;
        Ok(process)
    }

    fn wait_until_ready(&self, output: PipeReader) -> Result<(), StackError> {
        let log = Arc::new(Mutex::new(VecDeque::with_capacity(LOG_LINES)));
        let (ready, is_ready) = channel();
        let marker = self.program.ready;
        let lines = Arc::clone(&log);
        std::thread::Builder::new()
            .name(format!("{} log", self.program.server))
            .spawn(move || follow(output, marker, &ready, &lines))
            .map_err(StackError::io("starting a thread"))?;
        let reason = match is_ready.recv_timeout(READY_LIMIT) {
            Ok(()) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => format!("silent for {READY_LIMIT:?}"),
            Err(RecvTimeoutError::Disconnected) => "it ended".to_owned(),
        };
        let lines = log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = lines.iter().cloned().collect::<Vec<_>>().join("\n");
        Err(StackError::NotReady { server: self.program.server, reason, log })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and its children at once, as a crash of the machine would; returns when all are gone.
    pub(super) fn kill(&mut self) {
        if self.ended {
            return;
        }
        // Stopped first: a process that forks while its tree is being listed would escape.
        signal("STOP", &[self.child.id()]);
        let mut tree = self.tree();
        signal("KILL", &tree);
        // The error would be that it is gone already.
        let _ = self.child.wait();
        self.ended = true;
        let deadline = Instant::now() + STOP_LIMIT;
        tree.retain(|id| *id != self.child.id());
        while tree.iter().any(|id| is_alive(*id)) && Instant::now() < deadline {
            pause_for(LOOK);
        }
    }

    /// Asks it to stop and waits; kills it after 30 seconds.
    pub(super) fn stop(&mut self) {
        if self.ended {
            return;
        }
        signal(self.program.stop_signal, &[self.child.id()]);
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                self.ended = true;
                return;
            }
            pause_for(LOOK);
        }
        self.kill();
    }

    /// Freezes it and its children: connections stay open and nothing answers.
    pub(super) fn pause(&self) {
        signal("STOP", &[self.child.id()]);
        signal("STOP", &self.tree());
    }

    /// Lets it go on after [`ServerProcess::pause`].
    pub(super) fn resume(&self) {
        signal("CONT", &self.tree());
    }

    /// The process and its children, which lead process groups of their own in Postgres.
    fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.child.id()];
        let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|id| Some((id, parent(id)?)))
            .collect();
        let mut next = 0;
        while let Some(&current) = tree.get(next) {
            tree.extend(all.iter().filter(|(_, parent)| *parent == current).map(|(id, _)| *id));
            next += 1;
        }
        tree
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command that drops root if a user is named, and makes the kernel kill the server when its parent dies.
pub(crate) fn launcher(user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user.filter(|_| is_root()) {
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups");
    }
    command
}

/// Whether the tests run as root.
pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Result<(), StackError> {
    output(command).map(|_| ())
}

/// Runs a command and returns what it printed on standard output.
pub(crate) fn output(mut command: Command) -> Result<String, StackError> {
    let name = format!("{command:?}");
    let output = command.output().map_err(StackError::io(format!("running {name}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Err(StackError::Command { command: name, status: output.status.to_string(), output: text.into_owned() })
}

/// Spawns from a thread that lives as long as the process: the kernel's "parent death" is that of the thread
/// that forked, and a test's thread ends with its test while a shared server goes on.
pub(crate) fn launch(command: Command) -> std::io::Result<Child> {
    type Request = (Command, Sender<std::io::Result<Child>>);
    static LAUNCHER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let requests = LAUNCHER.get_or_init(|| {
        let (send, receive) = channel::<Request>();
        // A failure to start shows below: nobody receives.
        let _ = std::thread::Builder::new().name("launcher".to_owned()).spawn(move || {
            for (mut command, answer) in receive {
                // The one who asked may have gone.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(send)
    });
    let (answer, child) = channel();
    let gone = || std::io::Error::other("the launcher thread is gone");
    let sent = requests.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer));
    sent.map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// Reads a server's output to its end, so that it never blocks on a full pipe.
fn follow(output: PipeReader, marker: &str, ready: &Sender<()>, log: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains(marker) {
            // Nobody waits any more after the first time.
            let _ = ready.send(());
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(name: &str, ids: &[u32]) {
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    let script = format!("kill -{name} {} 2>/dev/null", ids.join(" "));
    // A process that is gone already is as good as signalled.
    let _ = Command::new("sh").args(["-c", &script]).status();
}

/// The parent of a process, and nothing for one that is gone or waits to be reaped.
fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    if state == "Z" { None } else { fields.next()?.parse().ok() }
}

fn is_alive(id: u32) -> bool {
    parent(id).is_some()
}

#[expect(clippy::disallowed_methods, reason = "a process that is not our child gives no signal when it ends")]
fn pause_for(time: Duration) {
    std::thread::sleep(time);
}

/// Runs what blocks (processes, file copies, C clients) beside the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StackError> + Send + 'static,
) -> Result<T, StackError> {
    tokio::task::spawn_blocking(work).await.map_err(StackError::client("waiting for a thread"))?
}
