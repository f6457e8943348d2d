//! The real program `relay` as a child process: built, configured, started, killed, measured.

mod build;
mod meter;
mod plugin_file;
mod settings;

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::stack::StackError;
use crate::stack::processes;

pub use build::{Profile, component, program};
pub use meter::Usage;
pub use plugin_file::{another_build, put};
pub use settings::{Destinations, PIPELINE, Window, settings};

/// How often an ending process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A relay that runs; killed when dropped.
#[derive(Debug)]
pub struct Relay {
    child: Option<Child>,
    program: PathBuf,
    folder: TempDir,
    flags: Vec<String>,
}

impl Relay {
    /// Starts `relay run` with these settings (the text of a `relay.toml`). Returns at once: what shows that it
    /// works is what arrives.
    ///
    /// # Errors
    /// [`StackError`] when the program cannot be built or started.
    pub async fn start(settings: &str) -> Result<Self, StackError> {
        Self::start_built(settings, Profile::of_tests()).await
    }

    /// As [`Relay::start`], with more flags for `relay run`.
    ///
    /// # Errors
    /// As [`Relay::start`].
    pub async fn start_with(settings: &str, flags: &[&str]) -> Result<Self, StackError> {
        Self::start_flagged(settings, Profile::of_tests(), flags).await
    }

    /// Starts the build of a profile.
    ///
    /// # Errors
    /// As [`Relay::start`].
    pub async fn start_built(settings: &str, profile: Profile) -> Result<Self, StackError> {
        Self::start_flagged(settings, profile, &[]).await
    }

    async fn start_flagged(settings: &str, profile: Profile, flags: &[&str]) -> Result<Self, StackError> {
        let program = program(profile).await?;
        let folder = processes::temporary_folder("relay-")?;
        let file = folder.path().join("relay.toml");
        std::fs::write(&file, settings).map_err(StackError::io(format!("writing {file:?}")))?;
        let flags = flags.iter().map(|it| (*it).to_owned()).collect();
        let mut relay = Self { child: None, program, folder, flags };
        relay.restart()?;
        Ok(relay)
    }

    /// Starts it again with the same settings; kills it first if it runs.
    ///
    /// # Errors
    /// [`StackError::Io`] when it cannot be started.
    pub fn restart(&mut self) -> Result<(), StackError> {
        self.kill();
        let doing = || format!("starting {:?}", self.program);
        let log = std::fs::File::options().create(true).append(true).open(self.log_file());
        let log = log.map_err(StackError::io("opening the relay's log"))?;
        let errors = log.try_clone().map_err(StackError::io("opening the relay's log"))?;
        let mut command = processes::launcher(None);
        command.arg(&self.program).args(["run", "--config"]).arg(self.folder.path().join("relay.toml"));
        command.args(&self.flags);
        // Its own cache of compiled plugins: a first start compiles, and a further one need not.
        command.env("CACHE_DIRECTORY", self.folder.path().join("cache"));
        command.env("STATE_DIRECTORY", self.folder.path().join("state"));
        command.current_dir(self.folder.path()).stdin(std::process::Stdio::null()).stdout(log).stderr(errors);
        self.child = Some(processes::launch(command).map_err(StackError::io(doing()))?);
        Ok(())
    }

    /// Ends it with SIGKILL, as the kernel does when memory is short.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops its clock (SIGSTOP), as a machine does that is put to sleep.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Wakes it again.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            processes::signal(name, &[child.id()]);
        }
    }

    /// Asks it to drain and end (SIGTERM), and waits for that.
    ///
    /// # Errors
    /// [`StackError::Timeout`] when it still runs after `limit`.
    pub async fn stop(&mut self, limit: Duration) -> Result<ExitStatus, StackError> {
        self.signal("TERM");
        self.wait_for_end(limit).await
    }

    /// Gives it other settings and asks it to read them (SIGHUP).
    ///
    /// # Errors
    /// [`StackError::Io`] when they cannot be written.
    pub fn reconfigure(&self, settings: &str) -> Result<(), StackError> {
        let file = self.folder.path().join("relay.toml");
        std::fs::write(&file, settings).map_err(StackError::io(format!("writing {file:?}")))?;
        if let Some(child) = &self.child {
            processes::signal("HUP", &[child.id()]);
        }
        Ok(())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`StackError::Timeout`] when it still runs after `limit`, or was killed before.
    pub async fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus, StackError> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(StackError::Timeout { what: format!("the end of the relay; its log:\n{}", self.log()), limit })
    }

    /// How it ended, if it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok()?
    }

    /// Its process id, while it was not killed.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it has used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.process_id().map(Usage::of).unwrap_or_default()
    }

    /// The last lines of what it wrote, over all starts.
    #[must_use]
    pub fn log(&self) -> String {
        const LINES: usize = 40;
        let text = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Runs another command of the program on its settings, as an operator beside it would, and returns what it
    /// printed.
    ///
    /// # Errors
    /// [`StackError::Command`] with what it said when it fails.
    pub async fn ask(&self, command: &[&str]) -> Result<String, StackError> {
        let mut asked = std::process::Command::new(&self.program);
        asked.args(command).arg("--config").arg(self.folder.path().join("relay.toml"));
        processes::blocking(move || processes::output(asked)).await
    }

    /// Waits until its log holds `words` so many times.
    ///
    /// # Errors
    /// [`StackError::Timeout`] with the end of the log when it does not within `limit`.
    pub async fn wait_for_log(&self, words: &str, times: usize, limit: Duration) -> Result<(), StackError> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
            if log.matches(words).count() >= times {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(StackError::Timeout { what: format!("{words:?} in the relay's log:\n{}", self.log()), limit })
    }

    /// The folder it runs in, with its settings; removed with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("relay.log")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}
