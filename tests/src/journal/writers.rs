//! Applications that write events: several at a time, in transactions that also fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, Postgres, Transaction};
use tokio::task::JoinSet;

use super::{Journal, Outcome, Random, WrittenEvent};

/// A writer that lost its connection waits this long before it tries again.
const RECONNECT: Duration = Duration::from_millis(100);

/// What writers do.
#[derive(Debug, Clone)]
pub struct WriterPlan {
    /// How many write at the same time, each on its own connection.
    pub writers: u32,
    /// The number of the first of them: events of the same writer would have the same ids in the next run.
    pub first_writer: u32,
    /// Committed events in total; rolled-back ones come on top. `u64::MAX` for as many as come before
    /// [`Writers::stop`].
    pub events: u64,
    /// How many keys they share.
    pub keys: u64,
    /// Repeats the choices; the interleaving is the database's.
    pub seed: u64,
    /// Transactions in a hundred that end in a rollback.
    pub rollback_percent: u64,
    /// Events in a hundred that are written under a savepoint which is rolled back, in a transaction that goes
    /// on.
    pub savepoint_percent: u64,
    /// A pause after each transaction, so that writing lasts as long as a test's faults.
    pub pause: Duration,
}

impl Default for WriterPlan {
    fn default() -> Self {
        Self {
            writers: 4,
            first_writer: 0,
            events: 10_000,
            keys: 200,
            seed: 1,
            rollback_percent: 10,
            savepoint_percent: 5,
            pause: Duration::ZERO,
        }
    }
}

/// Writers at work.
#[derive(Debug)]
pub struct Writers {
    tasks: JoinSet<Journal>,
    committed: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Writers {
    /// Starts them on the outbox at `url` (see [`create_outbox`](super::create_outbox)).
    #[must_use]
    pub fn start(url: &str, plan: &WriterPlan) -> Self {
        let committed = Arc::new(AtomicU64::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in plan.first_writer..plan.first_writer + plan.writers {
            let writer = Writer {
                url: url.to_owned(),
                plan: plan.clone(),
                number,
                next: 0,
                random: Random::new(plan.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number) << 40)),
                journal: Journal::default(),
                committed: Arc::clone(&committed),
                stopped: Arc::clone(&stopped),
            };
            tasks.spawn(writer.write());
        }
        Self { tasks, committed, stopped }
    }

    /// How many events are committed so far.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Ends them after the transaction that each is in, and returns what became of everything.
    pub async fn stop(self) -> Journal {
        self.stopped.store(true, Ordering::Relaxed);
        self.finish().await
    }

    /// Waits until all is written, and returns what became of it.
    pub async fn finish(self) -> Journal {
        let mut journal = Journal::default();
        for part in self.tasks.join_all().await {
            journal.events.extend(part.events);
            journal.committed_at.extend(part.committed_at);
        }
        journal
    }
}

struct Writer {
    url: String,
    plan: WriterPlan,
    number: u32,
    next: u64,
    random: Random,
    journal: Journal,
    committed: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Writer {
    async fn write(mut self) -> Journal {
        let mut connection = None;
        while !self.stopped.load(Ordering::Relaxed)
            && self.committed.load(Ordering::Relaxed) < self.plan.events
        {
            match self.one_transaction(&mut connection).await {
                Ok(()) if self.plan.pause.is_zero() => {}
                Ok(()) => tokio::time::sleep(self.plan.pause).await,
                Err(_) => {
                    connection = None;
                    tokio::time::sleep(RECONNECT).await;
                }
            }
        }
        self.journal
    }

    async fn one_transaction(&mut self, kept: &mut Option<PgConnection>) -> sqlx::Result<()> {
        let connection = match kept {
            Some(connection) => connection,
            none => none.insert(PgConnection::connect(&self.url).await?),
        };
        let mut transaction = connection.begin().await?;
        let first = self.journal.events.len();
        let written = self.write_events(&mut transaction).await;
        if written.is_err() || self.random.chance(self.plan.rollback_percent) {
            // Without a commit nothing of it can last, whether or not the rollback is heard.
            self.settle(first, Outcome::RolledBack);
            transaction.rollback().await?;
            return written;
        }
        match transaction.commit().await {
            Ok(()) => self.settle(first, Outcome::Committed),
            // Refused by the server, or the answer was lost: only the server knows.
            Err(error) => {
                self.settle(first, Outcome::Unknown);
                return Err(error);
            }
        }
        Ok(())
    }

    /// One to three events of different keys; keys ascend, so that writers do not wait for each other in a ring.
    async fn write_events(&mut self, transaction: &mut Transaction<'_, Postgres>) -> sqlx::Result<()> {
        let count = 1 + self.random.below(3);
        let mut keys: Vec<u64> = (0..count).map(|_| self.random.below(self.plan.keys)).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let key = format!("order-{key}");
            if self.random.chance(self.plan.savepoint_percent) {
                let mut savepoint = transaction.begin().await?;
                self.write_event(&mut savepoint, &key, Outcome::RolledBack).await?;
                savepoint.rollback().await?;
            }
            self.write_event(transaction, &key, Outcome::Unknown).await?;
        }
        Ok(())
    }

    /// Noted before it is written, and as unknown: an event must not be missing from the journal.
    async fn write_event(
        &mut self,
        transaction: &mut Transaction<'_, Postgres>,
        key: &str,
        noted_as: Outcome,
    ) -> sqlx::Result<()> {
        let version = next_version(transaction, key).await?;
        let event = WrittenEvent::new(self.number, self.next, key, version);
        self.next += 1;
        self.journal.events.push((event.clone(), noted_as));
        insert(transaction, &event).await
    }

    /// Notes the outcome of the transaction whose events begin at `first`.
    fn settle(&mut self, first: usize, outcome: Outcome) {
        let now = Instant::now();
        let mut events = 0;
        for (event, noted) in &mut self.journal.events[first..] {
            if *noted == Outcome::Unknown {
                *noted = outcome;
                events += 1;
                if outcome == Outcome::Committed {
                    self.journal.committed_at.insert(event.id.clone(), now);
                }
            }
        }
        if outcome == Outcome::Committed {
            self.committed.fetch_add(events, Ordering::Relaxed);
        }
    }
}

/// Writes one event of each of `keys` in one transaction, as `writer`, and notes them as committed: for tests that
/// count exactly. A writer of this number must not have written before.
///
/// # Errors
/// What the database says.
pub async fn write_at_once(
    url: &str,
    writer: u32,
    keys: impl IntoIterator<Item = String>,
    journal: &mut Journal,
) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let mut transaction = connection.begin().await?;
    let mut written = Vec::new();
    for (number, key) in (0..).zip(keys) {
        let version = next_version(&mut transaction, &key).await?;
        let event = WrittenEvent::new(writer, number, &key, version);
        insert(&mut transaction, &event).await?;
        written.push((event, Outcome::Committed));
    }
    transaction.commit().await?;
    journal.events.append(&mut written);
    connection.close().await
}

/// The key's next version, taken under the lock of its row.
async fn next_version(connection: &mut PgConnection, key: &str) -> sqlx::Result<u64> {
    let version: i64 = sqlx::query_scalar(
        "INSERT INTO aggregate VALUES ($1, 1) \
         ON CONFLICT (key) DO UPDATE SET version = aggregate.version + 1 RETURNING version",
    )
    .bind(key)
    .fetch_one(connection)
    .await?;
    Ok(version.unsigned_abs())
}

async fn insert(connection: &mut PgConnection, event: &WrittenEvent) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers) \
         VALUES ($1::uuid, 'order', $2, 'OrderPlaced', $3, '{\"origin\": \"writer\"}')",
    )
    .bind(&event.id)
    .bind(&event.key)
    .bind(event.body())
    .execute(connection)
    .await?;
    Ok(())
}
