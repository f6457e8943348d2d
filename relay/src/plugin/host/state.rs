//! What the host keeps for one instance of a plugin.

use std::sync::Arc;
use std::time::Duration;

use crate::plugin::Identity;

use super::config::PluginLimits;
use super::deadline::Deadline;
use super::memory::MemoryBudget;

/// The host's side of one instance: its limits, and what it may see and say.
#[derive(Debug)]
pub(super) struct GuestState {
    pub(super) memory: MemoryBudget,
    pub(super) deadline: Deadline,
    /// Microseconds since the Unix epoch, frozen for the batch.
    pub(super) now: u64,
    log: GuestLog,
}

impl GuestState {
    pub(super) fn new(identity: Arc<Identity>, limits: &PluginLimits) -> Self {
        Self {
            memory: MemoryBudget::new(limits.memory),
            deadline: Deadline::default(),
            now: 0,
            log: GuestLog {
                identity,
                lines: limits.log_lines,
                line: limits.log_line,
                written: 0,
                dropped: 0,
            },
        }
    }

    /// A new call begins, which may take `time`.
    pub(super) fn start(&mut self, time: Duration, now: u64) {
        self.memory.start();
        self.deadline.start(time);
        self.now = now;
        self.log.written = 0;
    }

    /// The call is over: says how much of its log was dropped.
    pub(super) fn finish(&mut self) {
        self.log.finish();
    }

    /// Writes one line of the guest to the relay's log.
    pub(super) fn log(&mut self, level: tracing::Level, line: &str) {
        self.log.write(level, line);
    }
}

/// A guest's lines on their way to the relay's log.
#[derive(Debug)]
struct GuestLog {
    identity: Arc<Identity>,
    lines: usize,
    line: usize,
    written: usize,
    dropped: usize,
}

impl GuestLog {
    fn write(&mut self, level: tracing::Level, line: &str) {
        if self.written >= self.lines {
            self.dropped += 1;
            return;
        }
        self.written += 1;
        let line = printable(line, self.line);
        let Identity { name, version, .. } = &*self.identity;
        let digest = self.identity.short_digest();
        // The level of a tracing event is part of its call site.
        match level {
            tracing::Level::ERROR => {
                tracing::error!(target: TARGET, plugin = name, version, digest, "{line}")
            }
            tracing::Level::WARN => tracing::warn!(target: TARGET, plugin = name, version, digest, "{line}"),
            tracing::Level::INFO => tracing::info!(target: TARGET, plugin = name, version, digest, "{line}"),
            tracing::Level::DEBUG => {
                tracing::debug!(target: TARGET, plugin = name, version, digest, "{line}")
            }
            tracing::Level::TRACE => {
                tracing::trace!(target: TARGET, plugin = name, version, digest, "{line}")
            }
        }
    }

    fn finish(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let plugin = &self.identity.name;
            let digest = self.identity.short_digest();
            tracing::warn!(target: TARGET, plugin, digest, dropped, "log lines over the plugin's limit dropped");
        }
    }
}

/// The target of the lines that plugins write, so that operators can filter them.
const TARGET: &str = "relay::plugin::guest";

/// `line` in at most `limit` bytes, without characters that could steer a terminal or forge a second line.
pub(super) fn printable(line: &str, limit: usize) -> String {
    let cut = line.floor_char_boundary(limit.min(line.len()));
    let mut text: String =
        line[..cut].chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect();
    if cut < line.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_characters_and_can_not_steer_a_terminal() {
        assert_eq!(printable("fine", 100), "fine");
        assert_eq!(printable("größe", 3), "gr…");
        assert_eq!(printable("a\u{1b}[2Jb\nc", 100), "a\u{fffd}[2Jb\u{fffd}c");
    }

    #[test]
    fn lines_over_the_limit_of_a_batch_are_counted_and_the_next_batch_starts_anew() {
        let identity =
            Identity { name: "noisy".to_owned(), version: "1".to_owned(), digest: "00".to_owned() };
        let limits = PluginLimits { log_lines: 2, ..PluginLimits::default() };
        let mut state = GuestState::new(Arc::new(identity), &limits);
        state.start(Duration::ZERO, 0);
        for _ in 0..5 {
            state.log(tracing::Level::INFO, "line");
        }
        assert_eq!((state.log.written, state.log.dropped), (2, 3));
        state.finish();
        state.start(Duration::ZERO, 0);
        assert_eq!((state.log.written, state.log.dropped), (0, 0));
    }
}
