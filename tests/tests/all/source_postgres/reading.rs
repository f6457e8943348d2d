//! What comes out, in which order, and from where.

use std::collections::BTreeMap;

use futures_util::future::select_all;
use relay::source::{BatchLimit, Source, Start};
use relay_engine::event::{OwnedEvent, Shard};

use super::fixture::{Outbox, PATIENCE, WIDE, ask, execute, insert, next, read};

#[tokio::test]
async fn rows_become_events_with_every_field() {
    let mut outbox = Outbox::create().await;
    execute(
        &mut outbox.writer,
        "ALTER TABLE outbox ADD COLUMN tenant text;
         INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers, created_at, tenant) VALUES
           ('0190aaaa-0000-7000-8000-000000000001', 'order', 'order-1', 'placed', '{\"total\": 5}',
            '{\"traceparent\": \"00-ab\", \"retries\": 3, \"none\": null}', '2026-11-21 12:00:00.5+00', 'acme'),
           ('0190aaaa-0000-7000-8000-000000000002', 'order', 'order-1', 'gone', NULL, NULL, '2026-11-21 12:00:01+00', NULL)",
    )
    .await;
    let mut config = outbox.config();
    config.columns.attributes = vec!["tenant".to_owned()];
    let mut source = relay::source::postgres::PostgresSource::new(config);
    source.open(Start::Beginning).await.unwrap();

    let batch = next(&mut source, WIDE).await;
    let events: Vec<OwnedEvent> = batch.events.iter().map(OwnedEvent::from).collect();
    let placed = OwnedEvent {
        id: "0190aaaa-0000-7000-8000-000000000001".to_owned(),
        sequence: 1,
        aggregate_type: "order".to_owned(),
        aggregate_id: "order-1".to_owned(),
        event_type: "placed".to_owned(),
        content_type: None,
        payload: Some(b"{\"total\": 5}".to_vec()),
        headers: [("retries", "3"), ("traceparent", "00-ab")]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .to_vec(),
        attributes: vec![("tenant".to_owned(), "acme".to_owned())],
        occurred_at: 1_795_262_400_500_000,
    };
    let gone = OwnedEvent {
        id: "0190aaaa-0000-7000-8000-000000000002".to_owned(),
        sequence: 2,
        event_type: "gone".to_owned(),
        payload: None,
        headers: Vec::new(),
        attributes: Vec::new(),
        occurred_at: 1_795_262_401_000_000,
        ..placed.clone()
    };
    assert_eq!(events, [placed, gone]);
}

#[tokio::test]
async fn payloads_of_every_type_come_as_bytes() {
    for (column_type, literal, expected, media_type) in [
        ("text", "'plain'", &b"plain"[..], None),
        ("json", "'{\"a\":  1}'", b"{\"a\":  1}", Some("application/json")),
        ("jsonb", "'{\"a\":  1}'", b"{\"a\": 1}", Some("application/json")),
        ("bytea", "'\\x00ff10'", &[0, 255, 16], None),
    ] {
        let mut outbox = Outbox::create().await;
        let sql = format!(
            "ALTER TABLE outbox ALTER COLUMN payload TYPE {column_type} USING NULL;
             INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('', 'k', '', {literal})"
        );
        execute(&mut outbox.writer, &sql).await;
        let batch = next(&mut outbox.open(Start::Beginning).await, WIDE).await;
        let event = batch.events.get(0).unwrap();
        assert_eq!((event.payload(), event.content_type()), (Some(expected), media_type), "{column_type}");
    }
}

#[tokio::test]
async fn now_begins_behind_what_is_there_and_beginning_before_it() {
    let mut outbox = Outbox::create().await;
    outbox.insert("a", &["old"]).await;
    let mut tail = outbox.open(Start::Now).await;
    outbox.insert("a", &["new"]).await;
    assert_eq!(read(&mut tail, 1, WIDE).await.0, ["new"]);
    let mut whole = outbox.open(Start::Beginning).await;
    assert_eq!(read(&mut whole, 2, WIDE).await.0, ["old", "new"]);
}

#[tokio::test]
async fn a_row_that_commits_late_comes_when_it_commits_and_holds_nobody_up() {
    let mut outbox = Outbox::create().await;
    let mut late = outbox.connect().await;
    execute(&mut late, "BEGIN").await;
    insert(&mut late, "late", "late 1").await;
    let mut source = outbox.open(Start::Now).await;
    outbox.insert("a", &["1", "2"]).await;
    assert_eq!(read(&mut source, 2, WIDE).await.0, ["1", "2"]);
    insert(&mut late, "late", "late 2").await;
    outbox.insert("a", &["3"]).await;
    let (payloads, position) = read(&mut source, 1, WIDE).await;
    assert_eq!(payloads, ["3"]);
    execute(&mut late, "COMMIT").await;
    assert_eq!(read(&mut source, 2, WIDE).await.0, ["late 1", "late 2"]);

    let mut again = outbox.open(Start::After(position)).await;
    assert_eq!(read(&mut again, 2, WIDE).await.0, ["late 1", "late 2"], "the position knows who still ran");
}

#[tokio::test]
async fn rolled_back_rows_never_come() {
    let mut outbox = Outbox::create().await;
    let mut source = outbox.open(Start::Beginning).await;
    execute(&mut outbox.writer, "BEGIN").await;
    insert(&mut outbox.writer, "a", "whole transaction").await;
    execute(&mut outbox.writer, "ROLLBACK; BEGIN; SAVEPOINT s").await;
    insert(&mut outbox.writer, "a", "to the savepoint").await;
    execute(&mut outbox.writer, "ROLLBACK TO s").await;
    insert(&mut outbox.writer, "a", "kept").await;
    execute(&mut outbox.writer, "COMMIT").await;
    assert_eq!(read(&mut source, 1, WIDE).await.0, ["kept"]);
}

#[tokio::test]
async fn a_position_between_two_events_of_a_batch_is_a_place_to_go_on() {
    let mut outbox = Outbox::create().await;
    let mut source = outbox.open(Start::Now).await;
    outbox.insert("a", &["1", "2", "3", "4"]).await;
    let batch = next(&mut source, WIDE).await;
    outbox.insert("a", &["5"]).await;
    for index in 0..batch.events.len() {
        let mut again = outbox.open(Start::After(batch.position_after(index))).await;
        let done = batch.events.get(index).unwrap().sequence();
        let (payloads, _) = read(&mut again, usize::try_from(5 - done).unwrap(), WIDE).await;
        let expected: Vec<String> = (done + 1..=5).map(|number| number.to_string()).collect();
        assert_eq!(payloads, expected);
    }
}

#[tokio::test]
async fn a_giant_transaction_comes_in_bounded_batches_and_in_order() {
    let mut outbox = Outbox::create().await;
    let mut source = outbox.open(Start::Now).await;
    execute(
        &mut outbox.writer,
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
         SELECT 'order', 'k' || n % 100, 'changed', n::text FROM generate_series(1, 50000) AS n",
    )
    .await;
    outbox.insert("a", &["after"]).await;
    let limit = BatchLimit { events: 2_000, bytes: 1 << 20 };
    let (payloads, _) = read(&mut source, 50_001, limit).await;
    let expected: Vec<String> = (1..=50_000).map(|n| n.to_string()).chain(["after".to_owned()]).collect();
    assert!(payloads == expected, "every row once, in order");
}

#[tokio::test]
async fn late_and_fresh_rows_that_are_paged_together_come_in_one_order() {
    let mut outbox = Outbox::create().await;
    let mut late = outbox.connect().await;
    execute(&mut late, "BEGIN; SELECT txid_current()").await;
    let mut source = outbox.open(Start::Now).await;
    let payloads: Vec<String> =
        (1..=60_u32).map(|number| format!("{number}:{}", "x".repeat(2_000))).collect();
    for (number, payload) in (1_u32..).zip(&payloads) {
        let writer = if number % 5 < 2 { &mut late } else { &mut outbox.writer };
        // Rows of different sizes, so that pages are cut by bytes and by number.
        insert(writer, "a", if number % 3 == 0 { payload } else { payload.split_once('x').unwrap().0 }).await;
    }
    // Together at last: all of them are new to the cursor, which saw the late transaction running.
    execute(&mut late, "COMMIT").await;
    let limits = [(3, 1 << 20), (7, 4_000), (60, 3_000), (1, 1)];
    let mut numbers = Vec::new();
    for (events, bytes) in limits.into_iter().cycle() {
        let batch = next(&mut source, BatchLimit { events, bytes }).await;
        assert!(batch.events.len() <= events);
        let position = batch.position_after(0);
        let first = batch.events.get(0).unwrap().sequence();
        for (event, sequence) in batch.events.iter().zip(first..) {
            assert_eq!(event.sequence(), sequence, "none is left out between");
        }
        numbers.push(first);
        if numbers.len() == 60 {
            break;
        }
        source.open(Start::After(position)).await.unwrap();
    }
    assert_eq!(numbers, (1..=60).collect::<Vec<u64>>());
}

#[tokio::test]
async fn large_payloads_close_a_batch_early_and_one_over_the_limit_comes_alone() {
    let mut outbox = Outbox::create().await;
    let mut source = outbox.open(Start::Now).await;
    execute(
        &mut outbox.writer,
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
         SELECT '', 'k', '', repeat('x', CASE n WHEN 100 THEN 3000000 ELSE 100000 END)
         FROM generate_series(1, 200) AS n",
    )
    .await;
    let limit = BatchLimit { events: 2_000, bytes: 1 << 20 };
    let (mut sequences, mut largest) = (Vec::new(), 0);
    while sequences.len() < 200 {
        let batch = next(&mut source, limit).await;
        let bytes: usize = batch.events.iter().map(|event| event.payload().unwrap().len()).sum();
        let last = batch.events.get(batch.events.len() - 1).unwrap().payload().unwrap().len();
        assert!(bytes - last < limit.bytes, "the batch closes at its limit: {bytes}");
        largest = largest.max(batch.events.len());
        sequences.extend(batch.events.iter().map(relay_engine::event::Event::sequence));
    }
    assert_eq!(sequences, (1..=200).collect::<Vec<_>>());
    assert!(largest > 5, "batches still hold several events");
}

#[tokio::test]
async fn a_payload_over_the_limit_is_measured_and_not_read() {
    const MOST: usize = 64 << 10;
    // A JSON document of one letter compresses as well as any.
    let json = |bytes: usize| format!("('\"' || repeat('x', {}) || '\"')", bytes - 2);
    let text = |bytes: usize| format!("repeat('x', {bytes})");
    let bytes = |bytes: usize| format!("decode(repeat('00', {bytes}), 'hex')");
    let literals: [(&str, &dyn Fn(usize) -> String); 4] =
        [("text", &text), ("json", &json), ("jsonb", &json), ("bytea", &bytes)];
    for (column_type, literal) in literals {
        let mut outbox = Outbox::create().await;
        let values: Vec<String> = [MOST, MOST + 1, 3 << 20, 2]
            .map(|size| format!("('order', 'a', 'changed', ({})::{column_type})", literal(size)))
            .into();
        let sql = format!(
            "ALTER TABLE outbox ALTER COLUMN payload TYPE {column_type} USING NULL;
             INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES {}",
            values.join(", ")
        );
        execute(&mut outbox.writer, &sql).await;
        let config = relay::source::postgres::PostgresSourceConfig { max_payload: MOST, ..outbox.config() };
        let mut source = relay::source::postgres::PostgresSource::new(config);
        source.open(Start::Beginning).await.unwrap();
        let batch = next(&mut source, WIDE).await;
        let found: Vec<_> =
            batch.events.iter().map(|it| (it.payload().map(<[u8]>::len), it.withheld())).collect();
        let expected =
            [(Some(MOST), None), (None, Some(MOST as u64 + 1)), (None, Some(3 << 20)), (Some(2), None)];
        assert_eq!(found, expected, "{column_type}");
    }
}

#[tokio::test]
async fn each_key_is_read_by_one_shard_whole_and_in_order() {
    const OF: u32 = 3;
    let mut outbox = Outbox::create().await;
    // A transaction that commits late, and more rows than a page: every statement of the poll takes part.
    let mut late = outbox.connect().await;
    execute(&mut late, "BEGIN").await;
    insert(&mut late, "key 0", "0").await;
    execute(
        &mut outbox.writer,
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
         SELECT 'order', 'key ' || it % 40, 'changed', it FROM generate_series(1, 2000) AS it",
    )
    .await;
    let mut sources = Vec::new();
    for index in 0..OF {
        let shard = Shard { index, of: OF };
        let config = relay::source::postgres::PostgresSourceConfig { shard, ..outbox.config() };
        let mut source = relay::source::postgres::PostgresSource::new(config);
        source.open(Start::Beginning).await.unwrap();
        sources.push(source);
    }
    let mut keys: BTreeMap<String, (usize, Vec<u64>)> = BTreeMap::new();
    read_all(&mut sources, 2_000, &mut keys).await;
    execute(&mut late, "COMMIT").await;
    read_all(&mut sources, 1, &mut keys).await;
    execute(
        &mut outbox.writer,
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
         SELECT 'order', 'key ' || it, 'changed', it FROM generate_series(0, 39) AS it",
    )
    .await;
    read_all(&mut sources, 40, &mut keys).await;

    assert_eq!(keys.len(), 40);
    for shard in 0..sources.len() {
        let share = keys.values().filter(|(by, _)| *by == shard).count();
        assert!((5..=25).contains(&share), "shard {shard} has {share} of 40 keys");
    }
    let late = keys.remove("key 0").unwrap().1;
    assert_eq!((late.len(), late[50]), (52, 1), "the late row comes when it commits");
    assert!(keys.values().all(|(_, sequences)| sequences.len() == 51 && sequences.is_sorted()));
}

/// Reads `count` events from whichever of `sources` has some; notes which of them had each key.
async fn read_all(
    sources: &mut [relay::source::postgres::PostgresSource],
    count: usize,
    keys: &mut BTreeMap<String, (usize, Vec<u64>)>,
) {
    let mut left = count;
    while left > 0 {
        let reads = sources.iter_mut().map(|source| source.next_batch(BatchLimit { events: 100, ..WIDE }));
        let (batch, by, _) = tokio::time::timeout(PATIENCE, select_all(reads)).await.unwrap();
        let batch = batch.unwrap();
        left = left.checked_sub(batch.events.len()).unwrap();
        for event in batch.events.iter() {
            let key = keys.entry(event.aggregate_id().to_owned()).or_insert_with(|| (by, Vec::new()));
            assert_eq!(key.0, by, "{} is read by two shards", event.aggregate_id());
            key.1.push(event.sequence());
        }
    }
}

#[tokio::test]
async fn a_dropped_call_loses_and_repeats_nothing() {
    let mut outbox = Outbox::create().await;
    let mut source = outbox.open(Start::Now).await;
    let mut payloads = Vec::new();
    for round in 0..200_u32 {
        insert(&mut outbox.writer, "a", &round.to_string()).await;
        // Polled a few times and then dropped, at another point in each round.
        for polls in 0..round % 7 {
            let mut call = Box::pin(source.next_batch(WIDE));
            for _ in 0..polls {
                if let std::task::Poll::Ready(batch) = futures_util::poll!(&mut call) {
                    payloads.extend(
                        batch.unwrap().events.iter().map(|event| super::fixture::text(event.payload())),
                    );
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }
    let missing = 200 - payloads.len();
    if missing > 0 {
        payloads.extend(read(&mut source, missing, WIDE).await.0);
    }
    assert_eq!(payloads, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    let open: i64 = ask(
        &mut outbox.writer,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'relay source' AND datname = current_database()",
    )
    .await;
    assert_eq!(open, 1, "on one and the same connection");
}
