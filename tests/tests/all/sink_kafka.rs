//! The Kafka sink against a real broker.

#![expect(clippy::unwrap_used, reason = "what tests share panics as tests do")]

use std::collections::BTreeMap;

use relay::sink::Sink as _;
use relay::sink::kafka::{KafkaSink, KafkaSinkConfig};
use relay_engine::outcome::FailureClass::{Permanent, Unavailable, Unknown};
use relay_tests::stack::{Kafka, Record, free_port, shared_kafka};

use crate::sink_driver::{Draft, Driver, batch, failure};

fn sink(brokers: &str, properties: &[(&str, &str)]) -> Driver<KafkaSink> {
    let config = KafkaSinkConfig {
        name: "events".to_owned(),
        brokers: vec![brokers.to_owned()],
        compression: "none".to_owned(),
        properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    Driver::new(|reports| KafkaSink::new(config, reports))
}

/// `count` events over 100 keys, numbered in their bodies.
fn numbered(topic: &str, count: usize) -> Vec<Draft<'_>> {
    const KEYS: [&str; 4] = ["a", "b", "c", "d"];
    (0..count).map(|n| Draft::new(format!("e{n}"), KEYS[n % KEYS.len()], format!("{n}"), topic)).collect()
}

fn milliseconds_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// The numbers in the bodies of each key, in the order stored.
fn by_key(records: &[Record]) -> BTreeMap<Vec<u8>, Vec<usize>> {
    let mut found: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for record in records {
        let body = String::from_utf8(record.value.clone().unwrap()).unwrap();
        let number = body.trim_end_matches('x').parse().unwrap();
        found.entry(record.key.clone().unwrap()).or_default().push(number);
    }
    found
}

#[tokio::test]
async fn ten_thousand_messages_are_stored_once_in_order_with_their_headers_and_times() {
    let kafka = shared_kafka().await.unwrap();
    kafka.create_topic("sink-order", 4).await.unwrap();
    let mut driver = sink(&kafka.brokers(), &[]);
    driver.sink.open().await.unwrap();
    let mut drafts = numbered("sink-order", 10_000);
    drafts[0].headers.push(("tenant", b"blue"));
    let batch = batch(&drafts);
    let started = milliseconds_now();
    let outcomes = driver.deliver(&batch).await;
    assert!(outcomes.values().all(Result::is_ok));
    let ended = milliseconds_now();
    driver.close().await;

    let records = kafka.read_all("sink-order").await.unwrap();
    assert_eq!(records.len(), 10_000);
    for (_, numbers) in by_key(&records) {
        assert!(numbers.is_sorted(), "out of order");
        assert_eq!(numbers.len(), 2_500);
    }
    let first = records.iter().find(|it| it.value.as_deref() == Some(b"0")).unwrap();
    assert_eq!(first.headers.len(), 3);
    assert_eq!(first.header("tenant"), Some("blue"));
    assert_eq!(first.header("id"), Some("e0"));
    assert_eq!(first.header("relay-key"), Some("p/e0/0"));
    let sent = first.timestamp.unwrap();
    assert!(
        (started..=ended).contains(&sent),
        "brokers age idempotence and retention by it: the time of sending"
    );
}

#[tokio::test]
async fn a_tombstone_has_no_value_and_an_empty_body_has_an_empty_one() {
    let kafka = shared_kafka().await.unwrap();
    kafka.create_topic("sink-null", 1).await.unwrap();
    let mut driver = sink(&kafka.brokers(), &[]);
    driver.sink.open().await.unwrap();
    let mut tombstone = Draft::new("e0", "a", "", "sink-null");
    tombstone.body = None;
    let outcomes = driver.deliver(&batch(&[tombstone, Draft::new("e1", "a", "", "sink-null")])).await;
    assert!(outcomes.values().all(Result::is_ok));
    let records = kafka.read_all("sink-null").await.unwrap();
    assert_eq!(records[0].value, None);
    assert_eq!(records[1].value.as_deref(), Some(&b""[..]));
    driver.close().await;
}

#[tokio::test]
async fn a_message_over_the_producers_limit_fails_alone_and_nothing_behind_it_overtakes_it() {
    let kafka = shared_kafka().await.unwrap();
    kafka.create_topic("sink-own-limit", 1).await.unwrap();
    let mut driver = sink(&kafka.brokers(), &[("message.max.bytes", "5000")]);
    driver.sink.open().await.unwrap();
    let mut drafts = numbered("sink-own-limit", 9);
    drafts[4].body = Some(format!("4{}", "x".repeat(6_000)).into_bytes());
    let batch = batch(&drafts);
    let id = driver.send(&batch).await;
    let outcomes = driver.outcomes(id, 9).await;
    assert!((0..4).all(|index| outcomes[&index].is_ok()));
    assert_eq!(failure(&outcomes, 4), (Permanent, "S204"));
    assert!((5..9).all(|index| failure(&outcomes, index) == (Unavailable, "S207")));
    assert_eq!(kafka.count("sink-own-limit").await.unwrap(), 4);

    driver.sink.open().await.unwrap();
    let id = driver.send_some(&batch, vec![5, 6, 7, 8]).await;
    assert!(driver.outcomes(id, 4).await.values().all(Result::is_ok));
    driver.close().await;
}

#[tokio::test]
async fn a_message_over_the_topics_limit_fails_alone_and_order_is_kept_around_it() {
    let kafka = shared_kafka().await.unwrap();
    kafka.create_topic_with("sink-topic-limit", 2, &[("max.message.bytes", "3000")]).await.unwrap();
    // Small requests, so that others are on the wire when one of them is refused.
    let mut driver = sink(&kafka.brokers(), &[("batch.num.messages", "20")]);
    driver.sink.open().await.unwrap();
    let mut drafts = numbered("sink-topic-limit", 2_000);
    drafts[1_001].body = Some(format!("1001{}", "x".repeat(4_000)).into_bytes());
    let dead = driver.deliver_as_a_lane(&batch(&drafts)).await;
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].0, dead[0].1.code.as_ref()), (1_001, "S204"));
    driver.close().await;

    let records = kafka.read_all("sink-topic-limit").await.unwrap();
    let numbers = by_key(&records);
    for (key, numbers) in &numbers {
        assert!(numbers.is_sorted(), "key {key:?} is out of order");
    }
    assert_eq!(numbers.values().flatten().count(), 1_999, "each of the others exactly once");
}

#[tokio::test]
async fn an_unknown_topic_is_an_outage_that_names_it_until_the_topic_exists() {
    let kafka = shared_kafka().await.unwrap();
    let mut driver = sink(&kafka.brokers(), &[("topic.metadata.propagation.max.ms", "500")]);
    driver.sink.open().await.unwrap();
    let batch = batch(&numbered("sink-missing", 3));
    let outcomes = driver.deliver(&batch).await;
    assert_eq!(failure(&outcomes, 0), (Unavailable, "S203"));
    assert!(outcomes[&0].as_ref().unwrap_err().detail.contains("sink-missing"));
    let refused = driver.sink.open().await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_ref()), (Unavailable, "S203"));

    kafka.create_topic("sink-missing", 1).await.unwrap();
    assert!(driver.deliver_as_a_lane(&batch).await.is_empty());
    assert_eq!(kafka.count("sink-missing").await.unwrap(), 3);
    driver.close().await;
}

#[tokio::test]
async fn a_broker_killed_while_sending_loses_and_reorders_nothing() {
    let mut kafka = Kafka::start().await.unwrap();
    kafka.create_topic("orders", 2).await.unwrap();
    let mut driver = sink(&kafka.brokers(), &[]);
    driver.sink.open().await.unwrap();
    let batch = batch(&numbered("orders", 20_000));
    let mut ids = Vec::new();
    for chunk in (0..20_000u32).collect::<Vec<_>>().chunks(2_000) {
        ids.push(driver.send_some(&batch, chunk.to_vec()).await);
    }
    let first = driver.outcomes(ids[0], 2_000).await;
    assert!(first.values().all(Result::is_ok));
    kafka.kill();
    kafka.restart().await.unwrap();
    for id in &ids[1..] {
        assert!(driver.outcomes(*id, 2_000).await.values().all(Result::is_ok));
    }
    driver.close().await;
    let numbers = by_key(&kafka.read_all("orders").await.unwrap());
    for (key, numbers) in &numbers {
        let out_of_order = numbers.windows(2).find(|it| it[0] >= it[1]);
        assert_eq!(out_of_order, None, "key {key:?} is stored once and in order");
    }
    assert_eq!(numbers.values().flatten().count(), 20_000);
}

#[tokio::test]
async fn what_a_closed_sink_did_not_hear_about_is_unknown() {
    let mut kafka = Kafka::start().await.unwrap();
    kafka.create_topic("orders", 1).await.unwrap();
    let mut driver = sink(&kafka.brokers(), &[]);
    driver.sink.open().await.unwrap();
    kafka.pause();
    let id = driver.send(&batch(&numbered("orders", 10))).await;
    let seen = driver.close().await;
    kafka.resume();
    assert_eq!(seen[&id].len(), 10);
    assert!((0..10).all(|index| failure(&seen[&id], index) == (Unknown, "S208")));
}

#[tokio::test]
async fn opening_fails_within_seconds_when_no_broker_answers_and_names_a_reserved_property() {
    let nobody = format!("127.0.0.1:{}", free_port().unwrap());
    let mut driver = sink(&nobody, &[]);
    let refused = driver.sink.open().await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_ref()), (Unavailable, "S201"));
    driver.close().await;

    let mut driver = sink(&nobody, &[("acks", "0")]);
    let refused = driver.sink.open().await.unwrap_err();
    assert_eq!(refused.code, "S211");
    assert!(refused.detail.contains("\"acks\""));
}
