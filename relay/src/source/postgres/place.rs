//! What a position of this source says, and how it is written.

use std::fmt;
use std::str::FromStr;

use relay_engine::event::Position;

use super::snapshot::Snapshot;

/// Which history of which cluster: transaction ids mean something only within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incarnation {
    /// The cluster's system identifier; a standby has the same one.
    pub(super) system: u64,
    /// The timeline; a promoted standby starts a new one.
    pub(super) timeline: u32,
}

/// A place in the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lsn(u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let halves = text.split_once('/');
        let parsed = halves.and_then(|(high, low)| {
            Some((u64::from_str_radix(high, 16).ok()?, u64::from(u32::from_str_radix(low, 16).ok()?)))
        });
        parsed.map(|(high, low)| Self(high << 32 | low)).ok_or_else(|| InvalidPlace(text.to_owned()))
    }
}

/// A moment of the database: a snapshot, and how much of the log must survive for it to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// What had ended.
    pub(super) snapshot: Snapshot,
    /// The end of the log as it was after the snapshot was taken: where the log has been flushed up to here,
    /// no crash can take back what the snapshot sees.
    pub(super) lsn: Lsn,
}

/// Where reading stands.
///
/// Everything the cursor sees has been passed. With a target, so has the part of what the target sees beyond
/// the cursor whose sequence is at most the position's `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) incarnation: Incarnation,
    pub(super) cursor: Snapshot,
    pub(super) target: Option<Snapshot>,
    /// Belongs to the target, or to the cursor where there is none.
    pub(super) lsn: Lsn,
}

impl Place {
    /// The place behind everything `moment` sees.
    pub(super) fn at(incarnation: Incarnation, moment: Moment) -> Self {
        Self { incarnation, cursor: moment.snapshot, target: None, lsn: moment.lsn }
    }

    /// The place before everything.
    pub(super) fn beginning(incarnation: Incarnation) -> Self {
        Self { incarnation, cursor: Snapshot::beginning(), target: None, lsn: Lsn(0) }
    }

    /// The place from which `target` is being read.
    pub(super) fn within(&self, target: &Moment) -> Self {
        Self { target: Some(target.snapshot.clone()), lsn: target.lsn, ..self.clone() }
    }

    /// The newest snapshot it holds.
    pub(super) fn newest(&self) -> &Snapshot {
        self.target.as_ref().unwrap_or(&self.cursor)
    }

    /// As a position behind the event with sequence `after`.
    pub(super) fn position(&self, after: u64) -> Position {
        Position { base: self.to_string(), after }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Incarnation { system, timeline } = self.incarnation;
        write!(f, "{system};{timeline};{};{}", self.lsn, self.cursor)?;
        self.target.as_ref().map_or(Ok(()), |target| write!(f, ";{target}"))
    }
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        parse(text).ok_or_else(|| InvalidPlace(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Place> {
    let mut parts = text.split(';');
    let incarnation =
        Incarnation { system: parts.next()?.parse().ok()?, timeline: parts.next()?.parse().ok()? };
    let lsn = parts.next()?.parse().ok()?;
    let cursor = parts.next()?.parse().ok()?;
    let target = parts.next().map(str::parse).transpose().ok()?;
    parts.next().is_none().then_some(Place { incarnation, cursor, target, lsn })
}

/// Text that is not a place of a Postgres outbox.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a place in a Postgres outbox")]
pub(super) struct InvalidPlace(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_text_form_which_is_ascii_without_spaces() {
        for text in ["7301;1;0/16B3748;731:735:731,733", "7301;2;A/FF;731:735:731;740:741:", "1;1;0/0;1:1:"] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
            assert!(place.position(4).base.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        for text in ["", "sqlite", "7301;1;0/16B3748", "7301;1;0;1:1:", "7301;1;0/0;1:1:;1:1:;1:1:"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn places_in_the_log_compare_by_number_and_not_by_text() {
        let (low, high): (Lsn, Lsn) = ("9/FF".parse().unwrap(), "A/1".parse().unwrap());
        assert!(low < high);
    }
}
