//! What a process uses, from the kernel's own books.

use std::time::Duration;

/// The kernel counts processor time in hundredths of a second on every Linux of our platforms.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system, all threads.
    pub processor: Duration,
    /// The most memory it ever held, in KiB.
    pub peak_memory: u64,
}

impl Usage {
    /// The usage of the process `id`; nothing when it is gone.
    #[must_use]
    pub fn of(id: u32) -> Self {
        let read = |file| std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        Self { processor: processor(&read("stat")), peak_memory: peak_memory(&read("status")) }
    }

    /// What was used since `earlier`; the peak is that of the whole life.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { processor: self.processor.saturating_sub(earlier.processor), ..self }
    }
}

fn processor(stat: &str) -> Duration {
    // The fields behind the name, which may hold anything: user and system time are the 12th and 13th of them.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: u32 = fields.split(' ').skip(11).take(2).filter_map(|it| it.parse::<u32>().ok()).sum();
    TICK * ticks
}

fn peak_memory(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|it| it.trim().strip_suffix(" kB")).and_then(|it| it.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_of_this_process_is_read() {
        let usage = Usage::of(std::process::id());
        assert!(usage.peak_memory > 1_000, "{usage:?}");
        assert_eq!(processor("1 (a b) c) S 2 3 4 5 6 7 8 9 10 11 150 50 0"), Duration::from_secs(2));
        assert_eq!(Usage::of(u32::MAX), Usage::default());
    }
}
