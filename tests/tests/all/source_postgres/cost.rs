//! What a poll costs, in buffers of the server: the same however many rows are retained.

use std::collections::BTreeMap;

use relay::source::{BatchLimit, Start};
use relay_tests::stack::Postgres;
use sqlx::Row;

use super::fixture::{Outbox, execute, insert, next};

/// Rows that have been read already and are still in the table; a million by the variable.
fn retained_rows() -> u64 {
    let rows = std::env::var("RELAY_TEST_RETAINED_ROWS").ok().and_then(|text| text.parse().ok());
    rows.unwrap_or(200_000)
}

/// More than the executions after which a prepared statement would get a generic plan.
const ROUNDS: u64 = 12;

/// New rows of a round, and the batch they are read in: polls that fit, and deltas that are paged.
const SHAPES: [(u64, usize); 5] = [(1, 2_000), (150, 2_000), (3_000, 100), (6_000, 2_000), (60_000, 8_000)];

/// Rows of the largest shapes are read in one round: they are there for the size of the delta.
const MANY: u64 = 10_000;

/// What the calls of one kind of statement touched.
#[derive(Debug, Clone, Copy)]
struct Cost {
    calls: i64,
    buffers: i64,
}

impl Cost {
    fn per_call(self) -> i64 {
        self.buffers / self.calls
    }
}

/// An outbox with `rows` rows that nothing is known about, or whose statistics are fresh.
async fn retain(server: &Postgres, rows: u64) -> Outbox {
    let url = server.create_database("cost").await.unwrap();
    let mut outbox = Outbox::without_table(&url).await.with_table().await;
    let sql = format!(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
         SELECT 'order', 'k' || n % 1000, 'changed', repeat('x', 300) FROM generate_series(1, {rows} / 10) AS n"
    );
    // Statistics are to stay as they are: none at first, then those of one moment.
    execute(&mut outbox.writer, "ALTER TABLE outbox SET (autovacuum_enabled = off)").await;
    execute(&mut outbox.writer, "CREATE EXTENSION pg_stat_statements").await;
    for _ in 0..10 {
        execute(&mut outbox.writer, &sql).await;
    }
    outbox
}

/// Reads rounds of new rows while a transaction stays open, which has late rows at the end of each round.
async fn rounds(outbox: &mut Outbox, (size, limit): (u64, usize)) {
    let limit = BatchLimit { events: limit, bytes: 8 << 20 };
    let mut late = outbox.connect().await;
    let mut source = outbox.open(Start::Now).await;
    for _ in 0..if size > MANY { 1 } else { ROUNDS } {
        execute(&mut late, "BEGIN").await;
        insert(&mut late, "late", "late").await;
        execute(
            &mut outbox.writer,
            &format!(
                "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
                 SELECT 'order', 'k' || n, 'changed', repeat('x', 300) FROM generate_series(1, {size}) AS n"
            ),
        )
        .await;
        expect(&mut source, size, limit).await;
        execute(&mut late, "COMMIT").await;
        expect(&mut source, 1, limit).await;
    }
}

async fn expect(source: &mut relay::source::postgres::PostgresSource, count: u64, limit: BatchLimit) {
    let mut read = 0;
    while read < count {
        read += next(source, limit).await.events.len() as u64;
    }
    assert_eq!(read, count);
}

/// Costs by kind of statement since the last reset.
async fn costs(outbox: &mut Outbox) -> BTreeMap<String, Cost> {
    let sql = "SELECT CASE WHEN query LIKE 'SELECT min(%' THEN 'bounds'
                           WHEN query LIKE '%ORDER BY \"seq\"%' THEN 'page'
                           WHEN query LIKE '%ANY%' THEN 'late' ELSE 'fresh' END,
                      sum(calls)::bigint, sum(shared_blks_hit + shared_blks_read)::bigint
                 FROM pg_stat_statements
                WHERE query LIKE 'SELECT%FROM \"public\".\"outbox\"%WHERE%'
                  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                GROUP BY 1";
    let rows = sqlx::query(sql).fetch_all(&mut outbox.writer).await.unwrap();
    rows.iter().map(|row| (row.get(0), Cost { calls: row.get(1), buffers: row.get(2) })).collect()
}

/// Costs of every shape.
async fn measure(outbox: &mut Outbox) -> BTreeMap<(u64, usize, String), Cost> {
    let mut measured = BTreeMap::new();
    for shape in SHAPES {
        execute(&mut outbox.writer, "SELECT pg_stat_statements_reset()").await;
        rounds(outbox, shape).await;
        let costs = costs(outbox).await;
        measured.extend(costs.into_iter().map(|(kind, cost)| ((shape.0, shape.1, kind), cost)));
    }
    measured
}

/// Buffers that a page of rows of 300 bytes may touch: about one per twenty, and the way there.
fn page_bound(limit: usize) -> i64 {
    i64::try_from(limit / 10).unwrap() + 20
}

/// One more level of each index, and a page or two of chance.
const MARGIN: i64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_costs_the_same_over_few_and_over_many_retained_rows() {
    let server = Postgres::start_with(&["shared_preload_libraries=pg_stat_statements"]).await.unwrap();
    let mut small = retain(&server, 1_000).await;
    let mut large = retain(&server, retained_rows()).await;
    for analyzed in [false, true] {
        if analyzed {
            execute(&mut small.writer, "ANALYZE outbox").await;
            execute(&mut large.writer, "ANALYZE outbox").await;
        }
        let (few, many) = (measure(&mut small).await, measure(&mut large).await);
        for kind in ["fresh", "late", "page", "bounds"] {
            assert!(many.keys().any(|(_, _, found)| found == kind), "{kind} was measured: {many:?}");
        }
        for (what, cost) in many.iter().chain(&few).filter(|((_, _, kind), _)| kind == "page") {
            let (now, bound) = (cost.per_call(), page_bound(what.1));
            assert!(now <= bound, "{what:?}, statistics {analyzed}: {now} buffers for a page, not {bound}");
        }
        for (what, cost) in &many {
            let before = few.get(what).map_or(0, |cost| cost.per_call());
            let now = cost.per_call();
            eprintln!("{what:?}, statistics {analyzed}: {before} buffers a call, then {now}");
            assert!(
                now <= before + before / 4 + MARGIN,
                "{what:?}, statistics {analyzed}: {before} buffers a call grew to {now}"
            );
        }
    }
}
