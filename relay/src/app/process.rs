//! Names this process so that another one on the same machine can tell whether it is gone.
//!
//! A lane's lease keeps others away for seconds after a crash. A relay that starts again on the same machine need
//! not wait for that: it sees that the process that had the lane is no more.

/// This process: the machine's boot, the process namespace, the number in it, and when it started.
#[cfg(target_os = "linux")]
pub(super) fn identity() -> String {
    linux::identity().unwrap_or_else(unknown)
}

/// This process, by a name that says nothing of it.
#[cfg(not(target_os = "linux"))]
pub(super) fn identity() -> String {
    unknown()
}

fn unknown() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Whether the process `identity` has certainly ended. False where that can't be known: on another machine, in
/// another container, or of another user whose processes are hidden.
#[cfg(target_os = "linux")]
pub(super) fn is_gone(identity: &str) -> bool {
    linux::is_gone(identity).unwrap_or(false)
}

/// Never known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_gone(_identity: &str) -> bool {
    false
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    /// Fields of `/proc/PID/stat` behind the name, which may itself hold spaces.
    const STATE: usize = 0;
    const START_TIME: usize = 19;

    pub(super) fn identity() -> Option<String> {
        let pid = std::process::id();
        let (_, started) = state_and_start(pid)?;
        Some(format!("{}/{pid}/{started}", place()?))
    }

    pub(super) fn is_gone(identity: &str) -> Option<bool> {
        let rest = identity.strip_prefix(&place()?)?.strip_prefix('/')?;
        let (pid, started) = rest.split_once('/')?;
        let number = pid.parse().ok()?;
        if test_kill_process(Pid::from_raw(number)?) == Err(Errno::SRCH) {
            return Some(true);
        }
        // It may be hidden from us, or be another process with the same number.
        let (state, start) = state_and_start(number.unsigned_abs())?;
        Some(start != started || matches!(state.as_str(), "Z" | "X"))
    }

    /// Where process numbers are comparable: one boot of one machine, in one process namespace.
    fn place() -> Option<String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
        Some(format!("{}/{}", boot.trim(), namespace.display()))
    }

    fn state_and_start(pid: u32) -> Option<(String, String)> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(((*fields.get(STATE)?).to_owned(), (*fields.get(START_TIME)?).to_owned()))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_gone_when_it_ended_and_not_before() {
        let me = identity();
        assert!(!is_gone(&me));
        let (place, _) = me.rsplit_once('/').unwrap().0.rsplit_once('/').unwrap();

        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let started = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
        let alive = format!("{place}/{}/{started}", child.id());
        assert!(!is_gone(&alive));
        // The number is in use, by a process that started at another time.
        assert!(is_gone(&format!("{place}/{}/1", child.id())));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&alive));
    }

    #[test]
    fn of_a_process_elsewhere_nothing_is_known() {
        assert!(!is_gone("another-boot/pid:[4026531836]/1/100"));
        assert!(!is_gone(""));
    }
}
