//! Whether a position still holds on the server that answers now.
//!
//! After an asynchronous failover the new primary gives out again the transaction ids that it never received,
//! so a snapshot of the old one would hide rows of the new one. A position holds only if the new primary has
//! the whole log it was taken from.

use std::time::Duration;

use super::failure::{OTHER_CLUSTER, POSITION, REWOUND, refused};
use super::inspect::Found;
use super::place::{Lsn, Place};
use super::script::literal;
use super::session::{Session, text};
use crate::source::SourceError;

const MAY_READ: &str = "SELECT (has_function_privilege('pg_read_file(text,bigint,bigint,boolean)', 'EXECUTE') \
                        AND pg_has_role('pg_read_server_files', 'USAGE'))::text";

/// Bytes; a line has about fifty, and there is one for every failover.
const LONGEST_HISTORY: u32 = 1 << 20;

const DOING: &str = "reading the timeline history";

/// The place that `base` names if it still holds, or one before it that certainly does.
pub(super) async fn place_that_holds(
    session: &mut Session,
    timeout: Duration,
    found: &Found,
    base: &str,
) -> Result<Place, SourceError> {
    let place: Place = base.parse().map_err(|error| {
        refused(
            POSITION,
            format!("the lane's settled position is not of this source: {error}"),
            "the pipeline's source was replaced: give the pipeline a new name and choose its `start`",
        )
    })?;
    let now = found.incarnation;
    if place.incarnation.system != now.system {
        return Err(refused(
            OTHER_CLUSTER,
            format!(
                "the settled position belongs to the cluster {}, and this is {}",
                place.incarnation.system, now.system
            ),
            "correct the URL; if the database was moved on purpose (dump and restore, upgrade), give the \
             pipeline a new name and choose its `start`",
        ));
    }
    let place = if place.incarnation.timeline == now.timeline {
        Some(place)
    } else {
        let survived = switch_point(session, now.timeline, place.incarnation.timeline, timeout)
            .await?
            .is_some_and(|switch| place.lsn <= switch);
        survived.then_some(Place { incarnation: now, ..place })
    };
    let holds = place.filter(|place| place.newest().xmax <= found.probe.moment.snapshot.xmax);
    Ok(holds.unwrap_or_else(|| {
        tracing::warn!(
            code = REWOUND,
            timeline = now.timeline,
            "the database was failed over or restored, and the settled position is not known to hold: reading \
             all retained rows again, under the same keys"
        );
        Place::beginning(now)
    }))
}

fn timeline_file(timeline: u32) -> String {
    format!("pg_wal/{timeline:08X}.history")
}

/// Where the server, now on timeline `current`, left timeline `old`, if its history says so and the relay's role may
/// read it.
pub(super) async fn switch_point(
    session: &mut Session,
    current: u32,
    old: u32,
    timeout: Duration,
) -> Result<Option<Lsn>, SourceError> {
    let may = session.query(DOING, timeout, MAY_READ).await?;
    let allowed = may.first().map(|row| text(row, 0)).transpose()?.flatten() == Some("true");
    if !allowed {
        return Ok(None);
    }
    // A server that was restored may lack the file: then it answers NULL.
    let sql =
        format!("SELECT pg_read_file({}, 0, {LONGEST_HISTORY}, true)", literal(&timeline_file(current)));
    let rows = session.query(DOING, timeout, &sql).await?;
    let history = rows.first().map(|row| text(row, 0)).transpose()?.flatten().unwrap_or_default();
    Ok(switch_in(history, old))
}

/// The switch point in a history file, whose lines are `TIMELINE LSN REASON`.
fn switch_in(history: &str, old: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let timeline: u32 = words.next()?.parse().ok()?;
        (timeline == old).then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_point_is_found_in_a_history() {
        let history = "1\t0/3000158\tno recovery target specified\n\n2\t0/5000000\tbefore 2026\n";
        assert_eq!(switch_in(history, 2), Some("0/5000000".parse().unwrap()));
        assert_eq!(switch_in(history, 3), None);
        assert_eq!(switch_in("", 1), None);
    }
}
