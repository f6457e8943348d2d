//! Durations and sizes, written with their units.

use std::time::Duration;

/// What a duration may look like.
pub(super) const DURATION_FORM: &str = "a number and a unit: us, ms, s, min, h, d, as in \"200 ms\"";
/// What a size may look like.
pub(super) const SIZE_FORM: &str = "a number and a unit: B, KB, MB, GB, KiB, MiB, GiB, as in \"32 MiB\"";

/// Nanoseconds of each unit.
const DURATIONS: &[(&str, f64)] =
    &[("us", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9), ("h", 3600e9), ("d", 86_400e9)];

/// Bytes of each unit.
const SIZES: &[(&str, f64)] = &[
    ("B", 1.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];

/// The duration that `text` names; `None` where it has no unit or can't be read.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let nanoseconds = amount(text, DURATIONS)?;
    Duration::try_from_secs_f64(nanoseconds / 1e9).ok()
}

/// The bytes that `text` names; `None` where it has no unit or can't be read.
pub(super) fn size(text: &str) -> Option<u64> {
    let bytes = amount(text, SIZES)?;
    // Beyond 2^53 a float no longer counts single bytes; no size here comes near it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
    (bytes < 9e15).then_some(bytes.round() as u64)
}

/// A duration as people write it, in the largest unit that keeps it whole.
pub(super) fn show_duration(duration: Duration) -> String {
    let microseconds = duration.as_micros();
    let units = [("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1)];
    let (unit, each) = units
        .into_iter()
        .find(|(_, each)| microseconds > 0 && microseconds.is_multiple_of(*each))
        .unwrap_or(("s", 1));
    format!("{} {unit}", microseconds / each)
}

/// A size as people write it, in the largest binary unit that keeps it whole.
pub(super) fn show_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let (unit, each) =
        units.into_iter().find(|(_, each)| bytes > 0 && bytes.is_multiple_of(*each)).unwrap_or(("B", 1));
    format!("{} {unit}", bytes / each)
}

fn amount(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.trim();
    let end = digits.find(|it: char| !it.is_ascii_digit() && it != '.')?;
    let (number, unit) = digits.split_at(end);
    let number: f64 = number.parse().ok()?;
    let (_, each) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    Some(number * each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_units_only() {
        assert_eq!(duration("200 ms"), Some(Duration::from_millis(200)));
        assert_eq!(duration("1.5ms"), Some(Duration::from_micros(1500)));
        assert_eq!(duration("5 min"), Some(Duration::from_secs(300)));
        assert_eq!(duration("1 h"), Some(Duration::from_secs(3600)));
        assert_eq!(size("32 MiB"), Some(32 << 20));
        assert_eq!(size("1 MB"), Some(1_000_000));
        for wrong in ["", "5", "ms", "-5 s", "5 m", "1e3 s", "5 seconds", "1.2.3 s", "99999999999999999999 d"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        for wrong in ["32", "MiB", "32 mib", "32 M", "-1 B", "99999999999 GiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn shown_amounts_read_back_as_they_were() {
        for text in ["1500 us", "20 ms", "30 s", "5 min", "24 h"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        for text in ["7 B", "3 KiB", "32 MiB", "4 GiB"] {
            assert_eq!(show_size(size(text).unwrap()), text);
        }
    }
}
