//! Instants as text.

const MICROSECONDS_PER_SECOND: u64 = 1_000_000;
const SECONDS_PER_DAY: u64 = 86_400;
/// Days of 400 years of the Gregorian calendar: after that it repeats.
const DAYS_PER_ERA: u64 = 146_097;
/// Days from 1 March of year 0, where an era starts, to 1 January 1970.
const DAYS_BEFORE_EPOCH: u64 = 719_468;

/// `microseconds` since the Unix epoch as RFC 3339, in UTC, with as many digits as they need.
pub(crate) fn rfc3339(microseconds: u64) -> String {
    let seconds = microseconds / MICROSECONDS_PER_SECOND;
    let (year, month, day) = date(seconds / SECONDS_PER_DAY);
    let of_day = seconds % SECONDS_PER_DAY;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let fraction = match microseconds % MICROSECONDS_PER_SECOND {
        0 => String::new(),
        fraction if fraction % 1000 == 0 => format!(".{:03}", fraction / 1000),
        fraction => format!(".{fraction:06}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Year, month and day of the day that many days after 1 January 1970.
///
/// Years are counted from March, so that the leap day is the last of its year and months follow a pattern of
/// 153 days for five of them.
fn date(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + DAYS_BEFORE_EPOCH;
    let era = days / DAYS_PER_ERA;
    let of_era = days % DAYS_PER_ERA;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (DAYS_PER_ERA - 1)) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let (month, next_year) = if from_march < 10 { (from_march + 3, 0) } else { (from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn an_instant_is_written_with_the_digits_it_needs() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400_000_000), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(951_868_799_999_999), "2000-02-29T23:59:59.999999Z");
        assert_eq!(rfc3339(951_868_800_000_000), "2000-03-01T00:00:00Z");
        assert_eq!(rfc3339(1_795_262_400_250_000), "2026-11-21T12:00:00.250Z");
        assert_eq!(rfc3339(4_107_542_400_000_000), "2100-03-01T00:00:00Z");
        assert_eq!(rfc3339(4_107_456_000_000_000), "2100-02-28T00:00:00Z");
    }
}
