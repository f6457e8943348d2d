//! Nothing that a crash can take back is sent.
//!
//! A row of a transaction with `synchronous_commit = off` is visible before it is durable. So a batch waits
//! until the log is flushed up to where it ended after the batch's snapshot was taken: the commit record of
//! every transaction the snapshot sees lies before that.

use std::time::Duration;

use super::place::Lsn;
use super::script::{Part, Script};
use super::session::{Session, field};
use crate::source::SourceError;
use crate::source::timer::Timer;

/// Under load the next commit flushes the log within the sum of these; the log writer alone takes 200 ms. Short
/// steps, because every batch read beside a writer waits here for the flush that is under way.
const PATIENCE: [Duration; 10] = [Duration::from_micros(300); 10];

const FLUSHED: &str = "SELECT pg_current_wal_flush_lsn()::text";

/// An assigned transaction id alone commits without a flush (measured on 15), so the commit has to hold a
/// record; a message is the smallest there is, and nobody is subscribed to it.
const EMPTY_COMMIT: &str = "SELECT pg_logical_emit_message(true, 'relay', '')::text";

/// Waits until the log is flushed up to `lsn`, and forces it when that takes more than a few milliseconds.
pub(super) async fn flushed_up_to(
    session: &mut Session,
    timer: &mut Timer,
    statement_timeout: Duration,
    lsn: Lsn,
) -> Result<(), SourceError> {
    for pause in PATIENCE {
        timer.wait(pause).await;
        if flushed(session, statement_timeout, &read()).await? >= Some(lsn) {
            return Ok(());
        }
    }
    while flushed(session, statement_timeout, &forced()).await? < Some(lsn) {}
    Ok(())
}

fn read() -> Script {
    Script::default()
        .then(Part::Silent, "BEGIN READ ONLY")
        .then(Part::Flushed, FLUSHED)
        .then(Part::Silent, "COMMIT")
}

fn forced() -> Script {
    Script::default()
        .then(Part::Silent, "BEGIN READ WRITE")
        .then(Part::Silent, "SET LOCAL synchronous_commit = on")
        .then(Part::Silent, EMPTY_COMMIT)
        .then(Part::Silent, "COMMIT")
        .followed_by(&read())
}

async fn flushed(
    session: &mut Session,
    statement_timeout: Duration,
    script: &Script,
) -> Result<Option<Lsn>, SourceError> {
    let mut flushed = None;
    session
        .run("waiting for the log to be flushed", statement_timeout, script, |part, row| {
            if part == Part::Flushed {
                flushed = Some(field(&row, 0)?);
            }
            Ok(())
        })
        .await?;
    Ok(flushed)
}
