//! The `Retry-After` header, in both its forms.

use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822::DateTimeParser;

/// A receiver that asks for more waits no longer than this: it may be back much sooner than it thinks.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long the receiver asks to wait, from `now`; `None` for what is neither seconds nor a date.
pub(super) fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit()) {
        // More digits than a number holds is a long time too.
        value.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        // A wrong weekday says nothing about when.
        let parser = DateTimeParser::new().relaxed_weekday(true);
        let at = SystemTime::from(parser.parse_timestamp(value).ok()?);
        // A date that has passed: now.
        at.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_clamped() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let table = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("999999", Some(3_600)),
            ("99999999999999999999999", Some(3_600)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:51:37 GMT", Some(3_600)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ];
        for (value, expected) in table {
            assert_eq!(parse(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }
}
