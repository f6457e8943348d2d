//! The NATS sink against a real server.

#![expect(clippy::unwrap_used, reason = "what tests share panics as tests do")]

use std::collections::BTreeSet;
use std::time::Duration;

use relay::sink::Sink as _;
use relay::sink::nats::{NatsSink, NatsSinkConfig};
use relay_engine::outcome::FailureClass::{Permanent, Unavailable, Unknown};
use relay_tests::stack::{Nats, free_port, shared_nats};

use crate::sink_driver::{Draft, Driver, batch, failure};

fn config(url: String) -> NatsSinkConfig {
    NatsSinkConfig {
        name: "tell".to_owned(),
        servers: vec![url],
        login: None,
        token: None,
        credentials: None,
        in_flight: 1_000,
        ack_timeout: Duration::from_secs(10),
    }
}

fn sink(config: NatsSinkConfig) -> Driver<NatsSink> {
    // An error says that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Driver::new(|reports| NatsSink::new(config, reports))
}

fn numbered(subject: &str, count: usize) -> Vec<Draft<'_>> {
    (0..count).map(|n| Draft::new(format!("e{n}"), "order-1", format!("{n}"), subject)).collect()
}

#[tokio::test]
async fn ten_thousand_messages_are_stored_once_with_their_id_key_and_headers() {
    let nats = shared_nats().await.unwrap();
    nats.create_stream("plain", &["plain.>"]).await.unwrap();
    let mut driver = sink(config(nats.url()));
    driver.sink.open().await.unwrap();
    assert!(driver.sink.traits().max_message.is_some());
    let mut drafts = numbered("plain.orders", 10_000);
    drafts[0].headers.push(("tenant", b"blue"));
    let outcomes = driver.deliver(&batch(&drafts)).await;
    assert!(outcomes.values().all(Result::is_ok));
    driver.close().await;

    let stored = nats.read_stream("plain").await.unwrap();
    assert_eq!(stored.len(), 10_000);
    assert_eq!(stored[0].header("Nats-Msg-Id"), Some("p/e0/0"));
    assert_eq!(stored[0].header("relay-message-key"), Some("order-1"));
    assert_eq!(stored[0].header("tenant"), Some("blue"));
    assert_eq!((stored[0].subject.as_str(), &stored[0].body[..]), ("plain.orders", &b"0"[..]));
    let bodies: Vec<usize> =
        stored.iter().map(|it| String::from_utf8_lossy(&it.body).parse().unwrap()).collect();
    assert!(bodies.is_sorted());
}

#[tokio::test]
async fn a_message_sent_twice_is_delivered_twice_and_stored_once() {
    let nats = shared_nats().await.unwrap();
    nats.create_stream("twice", &["twice.>"]).await.unwrap();
    let mut driver = sink(config(nats.url()));
    driver.sink.open().await.unwrap();
    let batch = batch(&numbered("twice.orders", 3));
    assert!(driver.deliver(&batch).await.values().all(Result::is_ok));
    assert!(driver.deliver(&batch).await.values().all(Result::is_ok));
    assert_eq!(nats.count("twice").await.unwrap(), 3);
    driver.close().await;
}

#[tokio::test]
async fn a_subject_without_a_stream_is_an_outage_that_names_it() {
    let nats = shared_nats().await.unwrap();
    let mut driver = sink(config(nats.url()));
    driver.sink.open().await.unwrap();
    let batch = batch(&numbered("later.orders", 2));
    let outcomes = driver.deliver(&batch).await;
    assert_eq!(failure(&outcomes, 0), (Unavailable, "S232"));
    assert!(outcomes[&0].as_ref().unwrap_err().detail.contains("\"later.orders\""));
    nats.create_stream("later", &["later.>"]).await.unwrap();
    assert!(driver.deliver_as_a_lane(&batch).await.is_empty());
    assert_eq!(nats.count("later").await.unwrap(), 2);
    driver.close().await;
}

#[tokio::test]
async fn messages_at_fault_fail_alone() {
    let nats = Nats::start_with("max_payload: 4096").await.unwrap();
    nats.create_stream("faults", &["faults.>"]).await.unwrap();
    let mut driver = sink(config(nats.url()));
    driver.sink.open().await.unwrap();
    assert_eq!(driver.sink.traits().max_message, Some(3_072));
    let drafts = [
        Draft::new("e0", "a", "x".repeat(5_000), "faults.a"),
        Draft::new("e1", "a", "x", "faults.*"),
        Draft::new("e2", "a", "x", "faults..a"),
        Draft::new("e3", "a", "x", "faults.a").header("nats-msg-id", b"mine"),
        Draft::new("e4", "a", "x", "faults.a").header("tenant", b"two\r\nlines"),
        Draft::new("e5", "a", "x", "faults.a"),
    ];
    let outcomes = driver.deliver(&batch(&drafts)).await;
    for (index, code) in [(0, "S204"), (1, "S235"), (2, "S235"), (3, "S221"), (4, "S221")] {
        assert_eq!(failure(&outcomes, index), (Permanent, code), "message {index}");
    }
    assert!(outcomes[&5].is_ok());
    driver.close().await;
}

#[tokio::test]
async fn a_server_killed_while_sending_leaves_lost_answers_unknown_and_everything_arrives_after() {
    let mut nats = Nats::start().await.unwrap();
    nats.create_stream("orders", &["orders.>"]).await.unwrap();
    let mut driver = sink(config(nats.url()));
    driver.sink.open().await.unwrap();
    let batch = batch(&numbered("orders.placed", 5_000));
    nats.pause();
    let id = driver.send_some(&batch, (0..500).collect()).await;
    nats.kill();
    let outcomes = driver.outcomes(id, 500).await;
    assert!(outcomes.iter().all(|(index, _)| failure(&outcomes, *index).0 == Unknown));
    let refused = driver.sink.open().await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_ref()), (Unavailable, "S230"));

    nats.restart().await.unwrap();
    driver.sink.open().await.unwrap();
    assert!(driver.deliver_as_a_lane(&batch).await.is_empty());
    driver.close().await;
    let stored = nats.read_stream("orders").await.unwrap();
    let ids: BTreeSet<_> = stored.iter().map(|it| it.header("Nats-Msg-Id").unwrap()).collect();
    assert_eq!((ids.len(), stored.len()), (5_000, 5_000));
}

#[tokio::test]
async fn answers_that_do_not_come_are_unknown_in_time_and_when_the_sink_is_closed() {
    let mut nats = Nats::start().await.unwrap();
    nats.create_stream("orders", &["orders.>"]).await.unwrap();
    let quick = NatsSinkConfig { ack_timeout: Duration::from_millis(300), ..config(nats.url()) };
    let mut impatient = sink(quick);
    impatient.sink.open().await.unwrap();
    let mut patient = sink(config(nats.url()));
    patient.sink.open().await.unwrap();
    nats.pause();
    let outcomes = impatient.deliver(&batch(&numbered("orders.a", 5))).await;
    assert!((0..5).all(|index| failure(&outcomes, index) == (Unknown, "S208")));

    let id = patient.send(&batch(&numbered("orders.b", 5))).await;
    let seen = patient.close().await;
    nats.resume();
    assert!((0..5).all(|index| failure(&seen[&id], index) == (Unknown, "S208")));
    impatient.close().await;
}

#[tokio::test]
async fn opening_says_whether_the_server_the_login_or_jetstream_is_missing() {
    let mut nobody = sink(config(format!("nats://127.0.0.1:{}", free_port().unwrap())));
    assert_eq!(nobody.sink.open().await.unwrap_err().code, "S230");

    let guarded = Nats::start_with("authorization { user: relay, password: right }").await.unwrap();
    let login = Some(("relay".to_owned(), "wrong".to_owned()));
    let mut stranger = sink(NatsSinkConfig { login, ..config(guarded.url()) });
    let refused = stranger.sink.open().await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_ref()), (Unavailable, "S231"));
    let login = Some(("relay".to_owned(), "right".to_owned()));
    let mut friend = sink(NatsSinkConfig { login, ..config(guarded.url()) });
    friend.sink.open().await.unwrap();
}
