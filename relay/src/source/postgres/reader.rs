//! Reading in progress: polls, and pages through what does not fit one batch.

use std::sync::Arc;
use std::time::Duration;

use super::failure::{SWITCHED, UNREACHABLE, unavailable};
use super::flush::flushed_up_to;
use super::page::{Merged, Rows, merge};
use super::place::{Incarnation, Lsn, Moment, Place};
use super::rows::Decoder;
use super::script::{BOUNDS_TIMEOUT, Part, Range, Ranges, Script, Statements};
use super::session::{Probe, Session, field, text};
use super::taken_back::taken_back;
use crate::source::timer::Timer;
use crate::source::{BatchLimit, ReadBatch, Sent, SentEvent, SourceError};

/// Rows asked for before their size is known: few enough that even large ones fit into memory.
const FIRST_READ: usize = 64;

/// What one step of reading came to.
#[derive(Debug)]
pub(super) enum Step {
    Batch(Box<ReadBatch>),
    /// Read on at once.
    Again,
    /// There is nothing new.
    Nothing,
}

/// Reads through one connection.
#[derive(Debug)]
pub(super) struct Reader {
    session: Session,
    statements: Statements,
    /// Kept, because nearly every batch that is read beside a writer waits for a flush.
    timer: Timer,
    decoder: Decoder,
    statement_timeout: Duration,
    /// Everything it sees has been returned.
    cursor: Place,
    delta: Option<Delta>,
    /// Rows to ask for, so that they make about one batch.
    rows_at_once: usize,
}

/// What one moment sees beyond the cursor, when that does not fit one batch: read in pages by sequence.
#[derive(Debug, Clone)]
struct Delta {
    target: Moment,
    /// The sequence behind which to go on.
    after: i64,
    /// Where its rows lie; `None` until that has been asked for.
    ranges: Option<Ranges>,
}

/// What a script answered.
#[derive(Debug)]
struct Answer {
    moment: Moment,
    fresh: Rows,
    late: Rows,
    flushed: Option<Lsn>,
}

impl Reader {
    /// Reads from `place` on, behind the sequence `after` if the place has a target.
    pub(super) fn new(
        session: Session,
        statements: Statements,
        decoder: Decoder,
        statement_timeout: Duration,
        place: Place,
        after: u64,
    ) -> Self {
        let delta = place.target.clone().map(|snapshot| Delta {
            target: Moment { snapshot, lsn: place.lsn },
            after: i64::try_from(after).unwrap_or(i64::MAX),
            ranges: None,
        });
        let cursor = Place { target: None, ..place };
        Self {
            session,
            statements,
            timer: Timer::default(),
            decoder,
            statement_timeout,
            cursor,
            delta,
            rows_at_once: FIRST_READ,
        }
    }

    /// Takes one step. Its state moves only when the step is complete, so the call may be dropped.
    pub(super) async fn step(&mut self, limit: BatchLimit) -> Result<Step, SourceError> {
        let limit = BatchLimit { events: self.rows_at_once.clamp(1, limit.events.max(1)), ..limit };
        match self.delta.clone() {
            None => self.poll(limit).await,
            Some(delta) => match delta.ranges {
                None => self.find_ranges(delta).await,
                Some(ranges) => self.page(limit, delta, ranges).await,
            },
        }
    }

    /// Reads what is new, in one round trip; what is too much for one batch becomes a delta.
    async fn poll(&mut self, limit: BatchLimit) -> Result<Step, SourceError> {
        let script = self.statements.poll(&self.cursor.cursor, limit.events + 1);
        let Answer { moment, fresh, late, flushed } = self.answer("polling", &script, limit).await?;
        let merged = merge(fresh, late, limit);
        if merged.rows.is_empty() {
            self.cursor = Place::at(self.incarnation(), moment);
            return Ok(Step::Nothing);
        }
        if flushed < Some(moment.lsn) {
            flushed_up_to(&mut self.session, &mut self.timer, self.statement_timeout, moment.lsn).await?;
        }
        self.learn_size(&merged, limit);
        if !merged.complete {
            self.delta = Some(Delta { target: moment, after: -1, ranges: None });
            return Ok(Step::Again);
        }
        let behind = Place::at(self.incarnation(), moment.clone());
        let batch = self.batch(&merged, &moment, Some(&behind))?;
        self.cursor = behind;
        Ok(batch)
    }

    /// Finds where the rows of `delta` lie, so that paging does not walk over retained rows before them.
    async fn find_ranges(&mut self, delta: Delta) -> Result<Step, SourceError> {
        if self.cursor.cursor.is_beginning() {
            // Everything is new, so no retained row stands before it.
            self.delta = Some(Delta { ranges: Some(Ranges::everything()), ..delta });
            return Ok(Step::Again);
        }
        let Delta { target, after, .. } = &delta;
        let mut ranges = Ranges::default();
        let script = self.statements.bounds(&self.cursor.cursor, &target.snapshot);
        let timeline = self.incarnation().timeline;
        self.session
            .run("finding where new rows lie", BOUNDS_TIMEOUT, &script, |part, row| {
                match part {
                    Part::Probe => same_server(&Probe::of(&row)?, timeline)?,
                    Part::Fresh if text(&row, 0)?.is_some() => {
                        ranges.fresh = Some(Range { first: field(&row, 0)?, last: field(&row, 1)? });
                    }
                    Part::Late if text(&row, 0)?.is_some() => {
                        ranges.late = Some(Range { first: field(&row, 0)?, last: field(&row, 1)? });
                    }
                    Part::Fresh | Part::Late | Part::Flushed | Part::Silent => {}
                }
                Ok(())
            })
            .await?;
        let after = *after;
        self.delta = Some(Delta { target: delta.target, after, ranges: Some(ranges) });
        Ok(Step::Again)
    }

    /// Reads the next page of `delta`.
    async fn page(&mut self, limit: BatchLimit, delta: Delta, ranges: Ranges) -> Result<Step, SourceError> {
        let Delta { target, after, .. } = delta;
        let script = self.statements.page(
            &self.cursor.cursor,
            &target.snapshot,
            ranges.above(after),
            limit.events + 1,
        );
        let Answer { fresh, late, .. } = self.answer("reading a page", &script, limit).await?;
        let merged = merge(fresh, late, limit);
        self.learn_size(&merged, limit);
        let behind = merged.complete.then(|| Place::at(self.incarnation(), target.clone()));
        let step = match merged.rows.last() {
            None => Step::Again,
            Some(_) => self.batch(&merged, &target, behind.as_ref())?,
        };
        let after = merged.rows.last().map_or(after, |last| last.sequence);
        match behind {
            Some(behind) => (self.cursor, self.delta) = (behind, None),
            None => self.delta = Some(Delta { target, after, ranges: Some(ranges) }),
        }
        Ok(step)
    }

    /// Which of these events a failover took back.
    pub(super) async fn taken_back(&mut self, sent: &[Sent]) -> Result<Option<Vec<SentEvent>>, SourceError> {
        let now = self.incarnation();
        taken_back(&mut self.session, &self.statements, self.statement_timeout, now, sent).await
    }

    async fn answer(
        &mut self,
        doing: &'static str,
        script: &Script,
        limit: BatchLimit,
    ) -> Result<Answer, SourceError> {
        let timeline = self.incarnation().timeline;
        let (mut fresh, mut late) = (Rows::new(limit), Rows::new(limit));
        let (mut moment, mut flushed) = (None, None);
        self.session
            .run(doing, self.statement_timeout, script, |part, row| {
                match part {
                    Part::Silent => {}
                    Part::Fresh => fresh.take(row)?,
                    Part::Late => late.take(row)?,
                    Part::Flushed => flushed = Some(field(&row, 0)?),
                    Part::Probe => {
                        let probe = Probe::of(&row)?;
                        same_server(&probe, timeline)?;
                        moment = Some(probe.moment);
                    }
                }
                Ok(())
            })
            .await?;
        let moment =
            moment.ok_or_else(|| unavailable(UNREACHABLE, "the database did not answer the probe"))?;
        if moment.snapshot.xmax < self.cursor.cursor.xmax {
            return Err(unavailable(SWITCHED, "the database has gone back in time under the open source"));
        }
        Ok(Answer { moment, fresh, late, flushed })
    }

    /// The rows as a batch that ends at `behind`, or within the delta up to `target`.
    fn batch(
        &mut self,
        merged: &Merged,
        target: &Moment,
        behind: Option<&Place>,
    ) -> Result<Step, SourceError> {
        let events = Arc::new(self.decoder.batch(&merged.rows, merged.bytes)?);
        let last = merged.rows.last().map_or(0, |last| last.sequence.unsigned_abs());
        let within = self.cursor.within(target);
        let end = behind.unwrap_or(&within).position(last);
        Ok(Step::Batch(Box::new(ReadBatch { events, within: within.to_string(), end })))
    }

    /// Adapts the number of rows to ask for to their size: quickly to larger rows, slowly to smaller ones.
    fn learn_size(&mut self, merged: &Merged, limit: BatchLimit) {
        let each = merged.bytes.div_ceil(merged.rows.len().max(1)).max(1);
        let fitting = limit.bytes / each;
        self.rows_at_once = fitting.clamp(1, self.rows_at_once.saturating_mul(4));
    }

    fn incarnation(&self) -> Incarnation {
        self.cursor.incarnation
    }
}

/// Behind a proxy the server can change without the connection breaking.
fn same_server(probe: &Probe, timeline: u32) -> Result<(), SourceError> {
    if probe.timeline == timeline {
        return Ok(());
    }
    Err(unavailable(
        SWITCHED,
        format!("the database went from timeline {timeline} to {} under the open source", probe.timeline),
    ))
}
