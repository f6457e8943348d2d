//! The reader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use relay_engine::event::{EventBatch, Position};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::SqliteSourceConfig;
use super::failure::{BUSY, FILE, POSITION, REPLACED, classify, refused};
use super::inspect::{inspect, page_statement};
use super::rows::Decoder;
use crate::source::pause::PollPause;
use crate::source::timer::Timer;
use crate::source::timestamp::now_microseconds;
use crate::source::{BatchLimit, ReadBatch, Source, SourceError, Start};

/// The base of every position: a file of SQLite says nothing of its incarnation.
pub(super) const BASE: &str = "sqlite";

/// A checkpoint or a schema change may lock the file for a moment; longer than this is worth an error.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads one outbox table of SQLite by polling.
///
/// Opens the file read-only. **Durability**: what SQLite has committed is what is read; with
/// `synchronous = NORMAL` the operating system's crash, not the application's, can take the last commits back.
#[derive(Debug)]
pub struct SqliteSource {
    config: SqliteSourceConfig,
    pause: PollPause,
    timer: Timer,
    reader: Option<Reader>,
}

#[derive(Debug)]
struct Reader {
    connection: SqliteConnection,
    statement: Arc<str>,
    decoder: Decoder,
    after: u64,
}

impl SqliteSource {
    /// A source that is not open yet.
    #[must_use]
    pub fn new(config: SqliteSourceConfig) -> Self {
        let pause = PollPause::new(config.poll_busy, config.poll_idle);
        Self { config, pause, timer: Timer::default(), reader: None }
    }

    async fn connect(&mut self, start: Start) -> Result<Position, SourceError> {
        self.reader = None;
        let mut connection =
            read_only(&self.config)?.connect().await.map_err(|error| classify("opening the file", error))?;
        let highest = inspect(&mut connection, &self.config).await?;
        let after = place(start, highest)?;
        let statement = page_statement(&self.config).0.into();
        let decoder = Decoder::new(&self.config);
        self.reader = Some(Reader { connection, statement, decoder, after });
        Ok(position(after))
    }

    async fn next(&mut self, limit: BatchLimit) -> Result<ReadBatch, SourceError> {
        loop {
            let Some(reader) = &mut self.reader else {
                let what = "the source is not open".to_owned();
                return Err(SourceError::Unavailable { code: BUSY, what, cause: None });
            };
            match reader.read(limit).await {
                Ok(Some(batch)) => {
                    self.pause.found(Instant::now());
                    return Ok(batch);
                }
                Ok(None) => self.timer.wait(self.pause.after_nothing(Instant::now())).await,
                Err(error) => {
                    self.reader = None;
                    return Err(error);
                }
            }
        }
    }
}

impl Source for SqliteSource {
    fn open(&mut self, start: Start) -> BoxFuture<'_, Result<Position, SourceError>> {
        Box::pin(self.connect(start))
    }

    fn next_batch(&mut self, limit: BatchLimit) -> BoxFuture<'_, Result<ReadBatch, SourceError>> {
        Box::pin(self.next(limit))
    }
}

impl Reader {
    async fn read(&mut self, limit: BatchLimit) -> Result<Option<ReadBatch>, SourceError> {
        let events = limit.events.max(1);
        let mut rows = sqlx::query(AssertSqlSafe(self.statement.clone()))
            .bind(i64::try_from(self.after).unwrap_or(i64::MAX))
            .bind(i64::try_from(events).unwrap_or(i64::MAX))
            .fetch(&mut self.connection);
        let read_at = now_microseconds();
        let (mut batch, mut bytes, mut last) = (EventBatch::default(), 0, self.after);
        while let Some(row) = rows.try_next().await.map_err(|error| classify("polling", error))? {
            let (sequence, size) = self.decoder.push(&mut batch, &row, read_at)?;
            last = sequence;
            bytes += size;
            if bytes >= limit.bytes {
                break;
            }
        }
        drop(rows);
        if batch.is_empty() {
            return Ok(None);
        }
        self.after = last;
        Ok(Some(ReadBatch { events: Arc::new(batch), within: BASE.to_owned(), end: position(last) }))
    }
}

/// How the file is opened, which must be there.
pub(super) fn read_only(config: &SqliteSourceConfig) -> Result<SqliteConnectOptions, SourceError> {
    if !config.path.exists() {
        return Err(refused(
            FILE,
            format!("there is no file {}", config.path.display()),
            "correct the path, or create the database with the script of `relay init`",
        ));
    }
    Ok(SqliteConnectOptions::new()
        .filename(&config.path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging())
}

fn place(start: Start, highest: u64) -> Result<u64, SourceError> {
    match start {
        Start::Now => Ok(highest),
        Start::Beginning => Ok(0),
        Start::After(position) if position.base != BASE => Err(refused(
            POSITION,
            format!("the lane's settled position {position} is not one of an SQLite outbox"),
            "the pipeline's source was replaced: give the pipeline a new name and choose its `start`",
        )),
        Start::After(position) if position.after > highest => Err(refused(
            REPLACED,
            format!(
                "the lane has settled up to sequence {}, and this table never gave out more than {highest}",
                position.after
            ),
            "the file was replaced or restored: put the right one back, or give the pipeline a new name and \
             choose its `start`",
        )),
        Start::After(position) => Ok(position.after),
    }
}

fn position(after: u64) -> Position {
    Position { base: BASE.to_owned(), after }
}
