//! The processes that this command starts, and that end with it however it ends.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::unusable;
use crate::app::AppError;

/// What the guard does: waits until nobody holds the other end of its input, and ends its process group, itself included.
const GUARD: &str = "read _; kill -s KILL 0";

/// A process group with a guard in it.
///
/// Cargo, the compilers that cargo starts and the relay are all in that group. The kernel closes the guard's input when
/// this process ends, even by SIGKILL, so nothing goes on that nobody sees. A signal that a terminal sends to this
/// command's own group reaches none of them: this command stops the relay in order.
pub(super) struct Children {
    guard: Child,
    input: Option<ChildStdin>,
}

impl Children {
    pub(super) fn guarded() -> Result<Self, AppError> {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).process_group(0);
        let mut guard = guard
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| unusable("a process that guards those it starts (sh)", &error))?;
        Ok(Self { input: guard.stdin.take(), guard })
    }

    /// The group that everything is to be started in.
    pub(super) fn group(&self) -> i32 {
        i32::try_from(self.guard.id()).unwrap_or_default()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends itself. An error means that it is gone.
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_was_started_in_the_group_ends_with_it_and_so_does_what_that_started() {
        let children = Children::guarded().unwrap();
        let mut started = Command::new("sh");
        // The child of the child holds the pipe as well.
        started.args(["-c", "sleep 600 & wait"]).process_group(children.group()).stdout(Stdio::piped());
        let mut started = started.spawn().unwrap();
        drop(children);
        let mut nothing = String::new();
        started.stdout.take().unwrap().read_to_string(&mut nothing).unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&started.wait().unwrap()), Some(9));
    }
}
