//! The reader: polls, and pages through what does not fit one poll.

use std::time::Instant;

use futures_util::future::BoxFuture;
use relay_engine::event::Position;

use super::PostgresSourceConfig;
use super::failure::{UNREACHABLE, in_a_failover, unavailable};
use super::flush::flushed_up_to;
use super::inspect::{Found, inspect};
use super::place::Place;
use super::reader::{Reader, Step};
use super::rewind::place_that_holds;
use super::rows::Decoder;
use super::script::Statements;
use super::session::Session;
use crate::source::pause::PollPause;
use crate::source::timer::Timer;
use crate::source::{BatchLimit, ReadBatch, Sent, SentEvent, Source, SourceError, Start};

/// Reads one outbox table of Postgres by polling with a snapshot cursor.
///
/// Holds one connection, which [`Source::open`] makes anew; after an error there is none.
#[derive(Debug)]
pub struct PostgresSource {
    config: PostgresSourceConfig,
    pause: PollPause,
    timer: Timer,
    reader: Option<Reader>,
}

impl PostgresSource {
    /// A source that is not connected yet.
    #[must_use]
    pub fn new(config: PostgresSourceConfig) -> Self {
        let pause = PollPause::new(config.poll_busy, config.poll_idle);
        Self { config, pause, timer: Timer::default(), reader: None }
    }

    async fn connect(&mut self, start: Start) -> Result<Position, SourceError> {
        let was_read_before = matches!(start, Start::After(_));
        let opened = self.open_reader(start).await;
        if was_read_before { opened.map_err(in_a_failover) } else { opened }
    }

    async fn open_reader(&mut self, start: Start) -> Result<Position, SourceError> {
        self.reader = None;
        let mut session = Session::connect(&self.config).await?;
        let found = inspect(&mut session, &self.config).await?;
        let decoder = Decoder::new(&self.config, found.payload);
        let (place, after) = self.place(&mut session, &found, start).await?;
        let position = place.position(after);
        let statements = Statements::new(&self.config, found.payload);
        self.reader =
            Some(Reader::new(session, statements, decoder, self.config.statement_timeout, place, after));
        Ok(position)
    }

    async fn place(
        &self,
        session: &mut Session,
        found: &Found,
        start: Start,
    ) -> Result<(Place, u64), SourceError> {
        let timeout = self.config.statement_timeout;
        match start {
            Start::Beginning => Ok((Place::beginning(found.incarnation), 0)),
            Start::Now => {
                let moment = found.probe.moment.clone();
                flushed_up_to(session, &mut Timer::default(), timeout, moment.lsn).await?;
                Ok((Place::at(found.incarnation, moment), 0))
            }
            Start::After(position) => {
                let place = place_that_holds(session, timeout, found, &position.base).await?;
                let after =
                    if place.cursor.is_beginning() && place.target.is_none() { 0 } else { position.after };
                Ok((place, after))
            }
        }
    }

    async fn next(&mut self, limit: BatchLimit) -> Result<ReadBatch, SourceError> {
        loop {
            let Some(reader) = &mut self.reader else {
                return Err(unavailable(UNREACHABLE, "the source is not open"));
            };
            match reader.step(limit).await {
                Ok(Step::Batch(batch)) => {
                    self.pause.found(Instant::now());
                    return Ok(*batch);
                }
                Ok(Step::Again) => {}
                Ok(Step::Nothing) => self.timer.wait(self.pause.after_nothing(Instant::now())).await,
                Err(error) => {
                    self.reader = None;
                    return Err(in_a_failover(error));
                }
            }
        }
    }
}

impl Source for PostgresSource {
    fn open(&mut self, start: Start) -> BoxFuture<'_, Result<Position, SourceError>> {
        Box::pin(self.connect(start))
    }

    fn next_batch(&mut self, limit: BatchLimit) -> BoxFuture<'_, Result<ReadBatch, SourceError>> {
        Box::pin(self.next(limit))
    }

    fn can_take_back(&self) -> bool {
        true
    }

    fn taken_back<'a>(
        &'a mut self,
        sent: &'a [Sent],
    ) -> BoxFuture<'a, Result<Option<Vec<SentEvent>>, SourceError>> {
        Box::pin(async move {
            let Some(reader) = &mut self.reader else {
                return Err(unavailable(UNREACHABLE, "the source is not open"));
            };
            let answer = reader.taken_back(sent).await;
            if answer.is_err() {
                self.reader = None;
            }
            answer
        })
    }
}
