//! Lines that plugins write to the relay's log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;

use crate::plugin::Identity;

use super::config::PluginLimits;

/// The target of the lines that plugins write, so that operators can filter them.
const TARGET: &str = "relay::plugin::guest";

/// How long one count of lines goes.
const SPAN: Duration = Duration::from_secs(1);

/// Bytes of a panic's words that a fault quotes.
const LONGEST_PANIC: usize = 400;

/// The log of one build of a plugin: all of its instances share one limit, so that neither many lanes nor the
/// fresh instances after a fault write more.
#[derive(Debug)]
pub(super) struct GuestLog {
    identity: Arc<Identity>,
    longest: usize,
    lines: usize,
    has_dropped: AtomicBool,
    count: Mutex<Count>,
}

#[derive(Debug)]
struct Count {
    since: Instant,
    written: usize,
    dropped: usize,
}

impl GuestLog {
    pub(super) fn new(identity: Arc<Identity>, limits: &PluginLimits) -> Self {
        let count = Count { since: Instant::now(), written: 0, dropped: 0 };
        Self {
            identity,
            longest: limits.log_line,
            lines: limits.log_lines,
            has_dropped: AtomicBool::new(false),
            count: Mutex::new(count),
        }
    }

    /// Writes the line that `text` gives, unless nobody wants lines of this level or there were too many; it is
    /// only asked for then.
    ///
    /// # Errors
    /// That of `text`.
    pub(super) fn write<'t, E>(
        &self,
        level: Level,
        text: impl FnOnce() -> Result<std::borrow::Cow<'t, str>, E>,
    ) -> Result<(), E> {
        if wanted(level) && self.may_write(Instant::now()) {
            self.emit(level, &printable(&text()?, self.longest));
        }
        Ok(())
    }

    /// A call is over: says what was dropped before the span that has begun since.
    pub(super) fn finish(&self) {
        if self.has_dropped.load(Ordering::Relaxed) {
            let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
            self.renew(&mut count, Instant::now());
        }
    }

    fn may_write(&self, now: Instant) -> bool {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        self.renew(&mut count, now);
        if count.written < self.lines {
            count.written += 1;
            return true;
        }
        count.dropped += 1;
        self.has_dropped.store(true, Ordering::Relaxed);
        false
    }

    fn renew(&self, count: &mut Count, now: Instant) {
        if now.saturating_duration_since(count.since) < SPAN {
            return;
        }
        let dropped = count.dropped;
        *count = Count { since: now, written: 0, dropped: 0 };
        if dropped > 0 {
            self.has_dropped.store(false, Ordering::Relaxed);
            let (plugin, digest) = (&self.identity.name, self.identity.short_digest());
            tracing::warn!(target: TARGET, plugin, digest, dropped, "log lines over the plugin's limit dropped");
        }
    }

    fn emit(&self, level: Level, line: &str) {
        let Identity { name, version, .. } = &*self.identity;
        let digest = self.identity.short_digest();
        // The level of a tracing event is part of its call site.
        match level {
            Level::ERROR => tracing::error!(target: TARGET, plugin = name, version, digest, "{line}"),
            Level::WARN => tracing::warn!(target: TARGET, plugin = name, version, digest, "{line}"),
            Level::INFO => tracing::info!(target: TARGET, plugin = name, version, digest, "{line}"),
            Level::DEBUG => tracing::debug!(target: TARGET, plugin = name, version, digest, "{line}"),
            Level::TRACE => tracing::trace!(target: TARGET, plugin = name, version, digest, "{line}"),
        }
    }
}

/// The log of one instance: that of its build, and what a panic said there.
#[derive(Debug)]
pub(super) struct InstanceLog {
    build: Arc<GuestLog>,
    panic: Mutex<Option<String>>,
}

impl InstanceLog {
    pub(super) fn of(build: Arc<GuestLog>) -> Self {
        Self { build, panic: Mutex::default() }
    }

    /// [`GuestLog::write`], which also remembers the words of a panic.
    ///
    /// # Errors
    /// That of `text`.
    pub(super) fn write<'t, E>(
        &self,
        level: Level,
        text: impl FnOnce() -> Result<std::borrow::Cow<'t, str>, E>,
    ) -> Result<(), E> {
        self.build.write(level, || {
            let text = text()?;
            if level == Level::ERROR {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = words_of_panic(&text);
            }
            Ok(text)
        })
    }

    /// What the panic said that ended the call, if one did and said so.
    pub(super) fn panic(&self) -> Option<String> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A call is over.
    pub(super) fn finish(&self) {
        self.build.finish();
    }
}

/// The words of a panic, whose place stands on a line of its own before them: `panicked at src/lib.rs:41:9:`.
fn words_of_panic(text: &str) -> Option<String> {
    let (place, words) = text.split_once('\n')?;
    place.starts_with("panicked at ").then(|| printable(&words.replace('\n', " "), LONGEST_PANIC))
}

/// Whether anybody listens; as in `emit`, the level is part of the call site.
fn wanted(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: TARGET, Level::ERROR),
        Level::WARN => tracing::enabled!(target: TARGET, Level::WARN),
        Level::INFO => tracing::enabled!(target: TARGET, Level::INFO),
        Level::DEBUG => tracing::enabled!(target: TARGET, Level::DEBUG),
        Level::TRACE => tracing::enabled!(target: TARGET, Level::TRACE),
    }
}

/// `line` in at most `limit` bytes, without characters that could steer a terminal or forge a second line.
pub(super) fn printable(line: &str, limit: usize) -> String {
    let mut text = String::with_capacity(line.len().min(limit));
    for character in line.chars() {
        let shown = if character.is_control() { '\u{fffd}' } else { character };
        if text.len() + shown.len_utf8() > limit {
            text.push('…');
            break;
        }
        text.push(shown);
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
        assert_eq!(printable("\0\0\0", 7), "\u{fffd}\u{fffd}…", "what stands for a byte is longer than it");
    }

    #[test]
    fn lines_over_the_limit_of_a_second_are_counted_and_the_next_second_starts_anew() {
        let identity =
            Identity { name: "noisy".to_owned(), version: "1".to_owned(), digest: "00".to_owned() };
        let limits = PluginLimits { log_lines: 2, ..PluginLimits::default() };
        let log = GuestLog::new(Arc::new(identity), &limits);
        let start = log.count.lock().unwrap().since;
        let written = |at| (0..5).filter(|_| log.may_write(start + at)).count();
        assert_eq!(written(Duration::ZERO), 2);
        assert_eq!(written(SPAN / 2), 0);
        assert_eq!((log.count.lock().unwrap().dropped, log.has_dropped.load(Ordering::Relaxed)), (8, true));
        assert_eq!(written(SPAN), 2);
        assert_eq!(log.count.lock().unwrap().dropped, 3);
    }

    #[test]
    fn the_words_of_a_panic_are_told_from_its_place() {
        assert_eq!(
            words_of_panic("panicked at src/lib.rs:41:9:\nno eighteen\nnor nineteen").as_deref(),
            Some("no eighteen nor nineteen")
        );
        assert_eq!(words_of_panic("panicked at lunch"), None);
        assert_eq!(words_of_panic("not a\npanicked at"), None);
    }

    #[test]
    fn a_line_that_nobody_wants_is_not_even_read() {
        let identity = Identity { name: "quiet".to_owned(), version: String::new(), digest: String::new() };
        let log = GuestLog::new(Arc::new(identity), &PluginLimits::default());
        // No test subscribes to traces.
        let read = log.write(Level::TRACE, || Err("it was read"));
        assert_eq!(read, Ok(()));
    }
}
