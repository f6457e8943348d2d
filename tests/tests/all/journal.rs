//! The journal against a real database: what writers note is what the table holds.

use std::collections::BTreeSet;

use relay_tests::journal::{Observed, Outcome, WriterPlan, Writers, check, create_outbox, load_outbox};
use relay_tests::stack::shared_postgres;
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn the_journal_agrees_with_the_table() {
    let url = shared_postgres().await.unwrap().create_database("journal").await.unwrap();
    create_outbox(&url).await.unwrap();
    let plan = WriterPlan { events: 2_000, keys: 20, rollback_percent: 15, ..WriterPlan::default() };
    let journal = Writers::start(&url, &plan).finish().await;

    let mut connection = PgConnection::connect(&url).await.unwrap();
    let stored: Vec<(String, String)> = sqlx::query_as("SELECT id::text, payload FROM outbox ORDER BY seq")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let noted = journal.events.iter().filter(|(_, outcome)| *outcome == Outcome::Committed);
    let noted: BTreeSet<&str> = noted.map(|(event, _)| event.id.as_str()).collect();
    assert_eq!(stored.iter().map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>(), noted);
    assert!(journal.committed() >= 2_000);
    assert!(journal.rolled_back() > 100, "{} rolled back", journal.rolled_back());

    // In the order of `seq`, which the rows' locks tie to the order of commits within a key, all is clean.
    let observed: Vec<_> = stored
        .into_iter()
        .map(|(id, body)| Observed { body: body.into_bytes(), key: None, idempotency_key: id })
        .collect();
    let report = check(&journal, &observed);
    assert!(report.violations().is_empty(), "{report}");
}

#[tokio::test]
async fn a_loaded_outbox_has_the_events_that_the_benchmark_promises() {
    let url = shared_postgres().await.unwrap().create_database("load").await.unwrap();
    create_outbox(&url).await.unwrap();
    load_outbox(&url, 2_500).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let (count, keys, bytes, headers): (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT aggregateid), avg(length(payload))::bigint, \
         (SELECT count(*) FROM outbox o, jsonb_object_keys(o.headers) WHERE o.seq = 1) FROM outbox",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((count, keys, headers), (2_500, 2_500, 3));
    assert!((290..=315).contains(&bytes), "{bytes} bytes");
}
