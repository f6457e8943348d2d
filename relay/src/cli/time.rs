//! Points in time, as screens show them: in UTC, as short as is exact enough.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400_000_000;

/// Microseconds since the Unix epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The time of day within the last 24 hours, otherwise the date and the minute.
pub(super) fn short(at: u64, now: u64) -> String {
    let form = if now.abs_diff(at) < DAY { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%MZ" };
    written(at, form)
}

/// RFC 3339 with microseconds.
pub(super) fn full(at: u64) -> String {
    written(at, "%Y-%m-%dT%H:%M:%S.%6fZ")
}

/// How long ago.
pub(super) fn ago(at: u64, now: u64) -> String {
    since(at, now) + " ago"
}

/// The time from `at` until now, in its largest unit.
pub(super) fn since(at: u64, now: u64) -> String {
    let seconds = now.saturating_sub(at) / 1_000_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn written(at: u64, form: &str) -> String {
    let at = i64::try_from(at).ok().and_then(|it| jiff::Timestamp::from_microsecond(it).ok());
    at.map_or_else(|| "unknown".to_owned(), |it| it.strftime(form).to_string())
}
