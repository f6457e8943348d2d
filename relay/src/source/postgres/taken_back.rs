//! Which events a failover took back: sent by a relay, and on a server that never received them.
//!
//! Events whose batch was read at a place in the log that the new primary has are there. The others are looked up by
//! their sequence, and a row counts only with the same id: sequences are given out again as transaction ids are.

use std::collections::HashMap;
use std::time::Duration;

use super::place::{Incarnation, Lsn, Place};
use super::rewind::switch_point;
use super::script::Statements;
use super::session::{Session, field, text};
use crate::source::{Sent, SentEvent, SourceError};

/// Rows looked up at a time: a few milliseconds each.
const AT_ONCE: usize = 1_000;

/// Of the events of `sent` that were read on another timeline than that of `now`, those that are not there; `None`
/// where all were read on this one.
pub(super) async fn taken_back(
    session: &mut Session,
    statements: &Statements,
    timeout: Duration,
    now: Incarnation,
    sent: &[Sent],
) -> Result<Option<Vec<SentEvent>>, SourceError> {
    let places = sent.iter().filter_map(|batch| Some((batch.within().parse::<Place>().ok()?, batch)));
    let before: Vec<_> = places
        .filter(|(place, _)| place.incarnation.system == now.system && place.incarnation != now)
        .collect();
    if before.is_empty() {
        return Ok(None);
    }
    let mut switches: HashMap<u32, Option<Lsn>> = HashMap::new();
    let mut suspects = Vec::new();
    for (place, batch) in before {
        let old = place.incarnation.timeline;
        let switch = match switches.get(&old) {
            Some(known) => *known,
            None => *switches.entry(old).or_insert(switch_point(session, now.timeline, old, timeout).await?),
        };
        if switch.is_none_or(|switch| place.lsn > switch) {
            suspects.extend(batch.events());
        }
    }
    // What was sent again is there twice.
    suspects.sort_unstable();
    suspects.dedup();
    let mut gone = Vec::new();
    for some in suspects.chunks(AT_ONCE) {
        let there = ids(session, statements, timeout, some).await?;
        gone.extend(some.iter().filter(|it| there.get(&it.sequence) != Some(&it.id)).cloned());
    }
    Ok(Some(gone))
}

/// The ids that the outbox holds at the sequences of `events`.
async fn ids(
    session: &mut Session,
    statements: &Statements,
    timeout: Duration,
    events: &[SentEvent],
) -> Result<HashMap<u64, Box<str>>, SourceError> {
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    let sql = statements.ids(&sequences);
    let rows = session.query("looking for events that were sent", timeout, &sql).await?;
    let id = |row| {
        let sequence: u64 = field(row, 0)?;
        // An event without an id is called by its sequence.
        let id = text(row, 1)?.map_or_else(|| sequence.to_string(), str::to_owned);
        Ok((sequence, id.into_boxed_str()))
    };
    rows.iter().map(id).collect()
}
