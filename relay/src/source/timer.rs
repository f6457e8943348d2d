//! Pauses more exact than the runtime's timer.
//!
//! Tokio counts whole milliseconds and waits for them in epoll, which rounds up once more: a pause of 1 ms lasts
//! between 1 and 3. Between two polls that is most of an event's latency, so on Linux short pauses come from a
//! timer of the kernel's own.

use std::time::Duration;

/// From here on a millisecond more or less is nothing.
const LONG: Duration = Duration::from_millis(10);

/// Makes pauses, one at a time.
#[derive(Debug, Default)]
pub(super) struct Timer {
    #[cfg(target_os = "linux")]
    kernel: Option<kernel::KernelTimer>,
}

impl Timer {
    /// Waits for `pause`. Where the kernel has no timer left, the runtime's serves.
    pub(super) async fn wait(&mut self, pause: Duration) {
        #[cfg(target_os = "linux")]
        if !pause.is_zero() && pause < LONG {
            if self.kernel.is_none() {
                self.kernel = kernel::KernelTimer::new().ok();
            }
            if let Some(timer) = &self.kernel
                && timer.wait(pause).await.is_ok()
            {
                return;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    /// A timerfd on the runtime's reactor.
    #[derive(Debug)]
    pub(super) struct KernelTimer(AsyncFd<OwnedFd>);

    impl KernelTimer {
        #[expect(deprecated, reason = "its successor is unsafe; an owned descriptor stays the same and open")]
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?).map(Self)
        }

        /// Waits once. A dropped wait leaves nothing behind: setting the timer again clears it.
        pub(super) async fn wait(&self, pause: Duration) -> io::Result<()> {
            let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(pause) };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.0.readable().await?;
                let mut expirations = [0; size_of::<u64>()];
                let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut expirations)?));
                // Readiness that a dropped wait left behind is no expiration of this one.
                if let Ok(result) = read {
                    return result.map(|_| ());
                }
            }
        }
    }

    fn timespec(time: Duration) -> Timespec {
        Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_pause_never_ends_early_not_even_behind_a_dropped_one() {
        let mut timer = Timer::default();
        for pause in [Duration::ZERO, Duration::from_micros(300), Duration::from_millis(2), LONG] {
            // Dropped at its first poll, or a little later, when it has expired unread.
            let dropped = tokio::time::timeout(Duration::ZERO, timer.wait(Duration::from_micros(1))).await;
            if dropped.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let start = Instant::now();
            timer.wait(pause).await;
            assert!(start.elapsed() >= pause, "{pause:?} ended after {:?}", start.elapsed());
        }
    }
}
