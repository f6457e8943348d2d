//! Times as databases write them.

/// Microseconds since the Unix epoch of an ISO 8601 time with a `T` or a space in it; without an offset it is
/// UTC. `None` where it is not a time, or lies before 1970.
pub(super) fn parse_microseconds(text: &str) -> Option<u64> {
    let at = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()
        }
    };
    u64::try_from(at.as_microsecond()).ok()
}

/// Now, in microseconds since the Unix epoch.
pub(super) fn now_microseconds() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_postgres_and_sqlite_are_read_and_others_are_not() {
        for text in [
            "2026-11-21 12:00:00.5+00",
            "2026-11-21 14:00:00.5+02",
            "2026-11-21 17:30:00.5+05:30",
            "2026-11-21 12:00:00.5",
            "2026-11-21T12:00:00.500Z",
        ] {
            assert_eq!(parse_microseconds(text), Some(1_795_262_400_500_000), "{text}");
        }
        for text in ["", "infinity", "0044-03-15 12:00:00+00 BC", "1969-12-31 23:59:59+00", "noon"] {
            assert_eq!(parse_microseconds(text), None, "{text}");
        }
    }
}
