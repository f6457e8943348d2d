//! Random concurrent transactions against a reader that restarts at random: nothing is lost, repeated or out
//! of order per key, and nothing that was rolled back is seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay::source::{BatchLimit, Source, Start};
use relay_engine::event::Position;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::fixture::{Outbox, PATIENCE, ask, execute, text};

/// An event as a reader saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) sequence: i64,
    pub(super) key: String,
    pub(super) value: String,
}

/// What writers committed, per key in the order in which they held the key's lock.
#[derive(Debug, Default)]
pub(super) struct History {
    keys: BTreeMap<String, Vec<String>>,
}

impl History {
    /// Adds an event of a committed transaction; called in the order of commits of one key.
    pub(super) fn commit(&mut self, (key, value): (String, String)) {
        self.keys.entry(key).or_default().push(value);
    }

    fn count(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }

    /// Whether `seen` is exactly what was committed, in order per key.
    pub(super) fn check(&self, seen: &[Seen]) -> Result<(), String> {
        let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in seen {
            arrived.entry(event.key.clone()).or_default().push(event.value.clone());
        }
        for key in arrived.keys().chain(self.keys.keys()) {
            let none = Vec::new();
            let (committed, came) = (self.keys.get(key).unwrap_or(&none), arrived.get(key).unwrap_or(&none));
            compare(key, committed, came)?;
        }
        Ok(())
    }
}

fn compare(key: &str, committed: &[String], came: &[String]) -> Result<(), String> {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for value in came {
        *times.entry(value).or_default() += 1;
    }
    for value in committed {
        match times.remove(value.as_str()) {
            None => return Err(format!("lost: {value} of {key}")),
            Some(1) => {}
            Some(times) => return Err(format!("repeated: {value} of {key} came {times} times")),
        }
    }
    if let Some(value) = times.keys().next() {
        return Err(format!("phantom: {value} of {key} was never committed"));
    }
    if committed != came {
        return Err(format!("out of order: {key} was {committed:?} and came as {came:?}"));
    }
    Ok(())
}

/// Inserts an event in the current transaction and answers what it is.
pub(super) async fn insert(connection: &mut PgConnection, key: &str, value: &str) -> (String, String) {
    super::fixture::insert(connection, key, value).await;
    (key.to_owned(), value.to_owned())
}

/// Small, fast and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

const WRITERS: u64 = 6;
const KEYS: u64 = 5;
const TRANSACTIONS: u64 = 40;

struct Writer {
    connection: PgConnection,
    random: Random,
    number: u64,
    history: Arc<Mutex<History>>,
}

impl Writer {
    async fn write(&mut self) {
        for transaction in 0..TRANSACTIONS {
            self.transaction(transaction).await;
        }
    }

    /// One transaction: takes keys by a row lock in ascending order, inserts events of them with savepoints
    /// between, and ends in one of four ways.
    async fn transaction(&mut self, transaction: u64) {
        execute(&mut self.connection, "BEGIN").await;
        if self.random.below(3) == 0 {
            // An early transaction id, which then waits for the locks of others.
            execute(&mut self.connection, "SELECT txid_current()").await;
        }
        let mut kept = Vec::new();
        let mut keys: Vec<u64> = (0..=self.random.below(3)).map(|_| self.random.below(KEYS)).collect();
        keys.sort_unstable();
        for (step, key) in keys.into_iter().enumerate() {
            execute(&mut self.connection, &format!("SELECT 1 FROM thing WHERE id = {key} FOR UPDATE")).await;
            let value = format!("{}.{transaction}.{step}", self.number);
            kept.extend(self.events(&format!("key {key}"), &value).await);
            self.dawdle().await;
        }
        // While the locks are held nobody else can commit these keys, so this is the order of commits. That
        // of rolled-back transactions is not recorded.
        match self.random.below(5) {
            0 => execute(&mut self.connection, "ROLLBACK").await,
            1 => self.prepare(transaction, kept).await,
            _ => {
                self.record(kept);
                execute(&mut self.connection, "COMMIT").await;
            }
        }
    }

    async fn events(&mut self, key: &str, value: &str) -> Vec<(String, String)> {
        let mut kept = Vec::new();
        for number in 0..=self.random.below(3) {
            execute(&mut self.connection, "SAVEPOINT s").await;
            let event = insert(&mut self.connection, key, &format!("{value}.{number}")).await;
            match self.random.below(4) {
                0 => execute(&mut self.connection, "ROLLBACK TO SAVEPOINT s").await,
                1 => {
                    execute(&mut self.connection, "RELEASE SAVEPOINT s").await;
                    kept.push(event);
                }
                _ => kept.push(event),
            }
        }
        kept
    }

    async fn prepare(&mut self, transaction: u64, kept: Vec<(String, String)>) {
        let name = format!("'{}.{transaction}'", self.number);
        execute(&mut self.connection, &format!("PREPARE TRANSACTION {name}")).await;
        self.dawdle().await;
        if self.random.below(3) == 0 {
            execute(&mut self.connection, &format!("ROLLBACK PREPARED {name}")).await;
        } else {
            self.record(kept);
            execute(&mut self.connection, &format!("COMMIT PREPARED {name}")).await;
        }
    }

    fn record(&self, kept: Vec<(String, String)>) {
        let mut history = self.history.lock().unwrap();
        kept.into_iter().for_each(|event| history.commit(event));
    }

    /// Lets others run in between.
    async fn dawdle(&mut self) {
        let seconds = [0.0, 0.0, 0.001, 0.004][usize::try_from(self.random.below(4)).unwrap()];
        execute(&mut self.connection, &format!("SELECT pg_sleep({seconds})")).await;
    }
}

/// Reads with random limits and starts over from random places of what it has read, until every event of
/// `history` has come.
async fn read_with_restarts(
    outbox: &Outbox,
    random: &mut Random,
    history: &Mutex<History>,
    writing: &AtomicUsize,
) -> (Vec<Seen>, u32) {
    let mut source = outbox.source();
    source.open(Start::Beginning).await.unwrap();
    let (mut seen, mut restarts) = (Vec::new(), 0);
    loop {
        let written = writing.load(Ordering::Acquire) == 0;
        if written && seen.len() >= history.lock().unwrap().count() {
            return (seen, restarts);
        }
        let limit = BatchLimit { events: 1 + usize::try_from(random.below(7)).unwrap(), bytes: 1 << 20 };
        let Ok(batch) = tokio::time::timeout(Duration::from_secs(2), source.next_batch(limit)).await else {
            continue;
        };
        let batch = batch.unwrap();
        // What is behind the restart's position counts as unread.
        let restart = random.below(4) == 0;
        let last = batch.events.len() - 1;
        let index =
            if restart { usize::try_from(random.below(batch.events.len() as u64)).unwrap() } else { last };
        seen.extend(batch.events.iter().take(index + 1).map(|event| Seen {
            sequence: i64::try_from(event.sequence()).unwrap(),
            key: event.aggregate_id().to_owned(),
            value: text(event.payload()),
        }));
        if restart {
            restarts += 1;
            let stored: Position = batch.position_after(index).to_string().parse().unwrap();
            let opened = source.open(Start::After(stored.clone())).await.unwrap();
            assert_eq!(opened, stored, "a position that holds comes back as it is");
        }
    }
}

async fn random_history(seed: u64) -> Result<(), String> {
    let mut outbox = Outbox::create().await;
    let things = format!("CREATE TABLE thing AS SELECT generate_series(0, {KEYS}) AS id");
    execute(&mut outbox.writer, &things).await;
    let (history, writing) = (Arc::new(Mutex::new(History::default())), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let connection = outbox.connect().await;
        let random = Random(seed.wrapping_mul(7_919) + number * 104_729 + 1);
        let mut writer = Writer { connection, random, number, history: Arc::clone(&history) };
        let writing = Arc::clone(&writing);
        writing.fetch_add(1, Ordering::AcqRel);
        writers.spawn(async move {
            writer.write().await;
            writing.fetch_sub(1, Ordering::AcqRel);
        });
    }
    let mut random = Random(seed + 1);
    let reading = read_with_restarts(&outbox, &mut random, &history, &writing);
    let (seen, restarts) =
        tokio::time::timeout(PATIENCE * 3, reading).await.map_err(|_| "lost: events never came")?;
    writers.join_all().await;
    assert!(restarts > 10, "the reader started over {restarts} times");
    let rows: i64 = ask(&mut outbox.writer, "SELECT count(*) FROM outbox").await;
    assert_eq!(
        usize::try_from(rows).unwrap(),
        history.lock().unwrap().count(),
        "the history is what the table says"
    );
    history.lock().unwrap().check(&seen).map_err(|problem| format!("seed {seed}: {problem}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_transactions_lose_repeat_and_reorder_nothing() {
    let seeds =
        std::env::var("RELAY_TEST_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(4_u64);
    for seed in 1..=seeds {
        random_history(seed).await.unwrap();
    }
}
