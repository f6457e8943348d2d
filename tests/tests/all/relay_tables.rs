//! The relay's tables and its sessions, as the database shows them to a test, and locks that hold the relay back.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use relay_tests::program::Relay;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

const LOOK: Duration = Duration::from_millis(10);

/// How the relay's sessions call themselves.
pub(crate) const READING: &str = "relay source";
pub(crate) const WRITING: &str = "relay store";

/// A lane as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneRow {
    pub(crate) sink: String,
    pub(crate) term: i64,
    /// The place in the outbox up to which it has settled.
    pub(crate) sequence: i64,
    pub(crate) delivered: i64,
}

/// An event in the side table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldRow {
    pub(crate) state: String,
    pub(crate) attempts: i64,
}

/// A test's look into the database.
pub(crate) struct RelayTables {
    url: String,
    connection: PgConnection,
    /// Sessions that were seen waiting: those of a relay that was killed go on waiting for a while.
    seen: HashSet<i32>,
}

/// Something that the relay has to wait for, until the test opens it.
pub(crate) struct Gate(PgConnection);

impl Gate {
    pub(crate) async fn open(self) {
        self.0.close().await.unwrap();
    }
}

impl RelayTables {
    pub(crate) async fn of(url: &str) -> Self {
        let connection = PgConnection::connect(url).await.unwrap();
        Self { url: url.to_owned(), connection, seen: HashSet::new() }
    }

    pub(crate) async fn lanes(&mut self) -> Vec<LaneRow> {
        let rows = self
            .connection
            .fetch_all(
                "SELECT sink, term, coalesce(split_part(position, '@', 1)::bigint, 0), delivered \
                 FROM relay.lane ORDER BY sink",
            )
            .await
            .unwrap();
        let lane = |row: &PgRow| LaneRow {
            sink: row.get(0),
            term: row.get(1),
            sequence: row.get(2),
            delivered: row.get(3),
        };
        rows.iter().map(lane).collect()
    }

    pub(crate) async fn held(&mut self) -> Vec<HeldRow> {
        let rows = self
            .connection
            .fetch_all("SELECT state, attempts FROM relay.held ORDER BY sequence")
            .await
            .unwrap();
        rows.iter().map(|row| HeldRow { state: row.get(0), attempts: row.get(1) }).collect()
    }

    /// The highest place in the outbox.
    pub(crate) async fn newest(&mut self) -> i64 {
        let row = self.connection.fetch_one("SELECT coalesce(max(seq), 0) FROM outbox").await.unwrap();
        row.get(0)
    }

    /// Waits until every one of so many lanes has settled all that is in the outbox now.
    pub(crate) async fn wait_until_settled(&mut self, lanes: usize, relay: &mut Relay, limit: Duration) {
        let newest = self.newest().await;
        let deadline = Instant::now() + limit;
        loop {
            // Before its first start a relay has no tables.
            let made: bool = self
                .connection
                .fetch_one("SELECT to_regclass('relay.lane') IS NOT NULL")
                .await
                .unwrap()
                .get(0);
            let rows = if made { self.lanes().await } else { Vec::new() };
            if rows.len() == lanes && rows.iter().all(|lane| lane.sequence >= newest) {
                return;
            }
            let running = relay.ended().is_none() && Instant::now() < deadline;
            assert!(running, "{rows:?}, not all at {newest}; the relay's log:\n{}", relay.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Bytes that the relay's tables take with their indexes.
    pub(crate) async fn size(&mut self) -> i64 {
        let sql = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c \
                   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'relay' AND c.relkind = 'r'";
        self.connection.fetch_one(sql).await.unwrap().get(0)
    }

    /// Waits until the side table is as expected.
    pub(crate) async fn wait_for_held(&mut self, expected: &[(&str, i64)], relay: &Relay, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let held = self.held().await;
            if held.iter().map(|row| (row.state.as_str(), row.attempts)).eq(expected.iter().copied()) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{held:?}, not {expected:?}; the relay's log:\n{}",
                relay.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until so many sessions of the relay wait for a lock in a statement like `statement`, none of which was
    /// seen waiting before.
    pub(crate) async fn wait_for_waiting(
        &mut self,
        session: &str,
        statement: &str,
        count: usize,
        relay: &Relay,
        limit: Duration,
    ) {
        let deadline = Instant::now() + limit;
        loop {
            let waiting: Vec<i32> = sqlx::query_scalar(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = $1 AND wait_event_type = 'Lock' AND query LIKE $2",
            )
            .bind(session)
            .bind(statement)
            .fetch_all(&mut self.connection)
            .await
            .unwrap();
            let new: Vec<i32> = waiting.into_iter().filter(|id| !self.seen.contains(id)).collect();
            if new.len() >= count {
                self.seen.extend(new);
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{new:?} wait in {statement}, not {count}; the relay's log:\n{}",
                relay.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes a lock with this statement and holds it.
    pub(crate) async fn lock(&self, statement: &str) -> Gate {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        connection.execute("BEGIN").await.unwrap();
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        Gate(connection)
    }

    /// Has the database wait where it is told to: `when` is what stands behind the name of a trigger.
    pub(crate) async fn hold_back(&mut self, when: &str) -> Gate {
        self.hold_back_by("TRIGGER held_back", when, 1).await
    }

    /// The same while it commits.
    pub(crate) async fn hold_back_commit(&mut self, of: &str, condition: &str) -> Gate {
        let when = format!("{of} DEFERRABLE INITIALLY DEFERRED {condition}");
        self.hold_back_by("CONSTRAINT TRIGGER held_back_commit", &when, 2).await
    }

    async fn hold_back_by(&mut self, trigger: &str, when: &str, lock: u8) -> Gate {
        let function = "CREATE OR REPLACE FUNCTION public.held_back() RETURNS trigger LANGUAGE plpgsql AS \
                        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::int); RETURN NEW; END $$";
        let create = format!("CREATE {trigger} {when} EXECUTE FUNCTION public.held_back({lock})");
        let gate = self.lock(&format!("SELECT pg_advisory_lock({lock})")).await;
        self.connection.execute(function).await.unwrap();
        self.connection.execute(AssertSqlSafe(create)).await.unwrap();
        gate
    }

    /// Runs a statement of the test's own.
    pub(crate) async fn execute(&mut self, sql: &'static str) {
        self.connection.execute(sql).await.unwrap();
    }

    /// Has the database note every event that comes into the side table from now on.
    pub(crate) async fn note_held(&mut self) {
        self.connection
            .execute(
                "CREATE TABLE public.was_held (event_id text);
                 CREATE FUNCTION public.note_held() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO public.was_held VALUES (NEW.event_id); RETURN NEW; END $$;
                 CREATE TRIGGER note_held AFTER INSERT OR UPDATE ON relay.held
                 FOR EACH ROW EXECUTE FUNCTION public.note_held()",
            )
            .await
            .unwrap();
    }

    /// The ids of events that came into the side table since [`RelayTables::note_held`], whatever became of them.
    pub(crate) async fn were_held(&mut self) -> Vec<String> {
        sqlx::query_scalar("SELECT event_id FROM public.was_held")
            .fetch_all(&mut self.connection)
            .await
            .unwrap()
    }
}
