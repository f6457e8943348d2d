//! Events of a running relay are seen as they pass, exactly, by who may, and at no cost to their delivery.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use relay_tests::program::{Profile, program};
use relay_tests::stack::{Answer, StackError};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::tapped::{LIMIT, PRIVATE, Tapped, email, payload};

const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Headers that the connection adds below the sink.
const OF_THE_CONNECTION: [&str; 4] = ["host", "content-length", "accept", "user-agent"];

/// Read, two plugins, sent, answered.
const RECORDS_PER_EVENT: usize = 5;

fn records(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'r>(records: &'r [Value], kind: &str) -> Vec<&'r Value> {
    records.iter().filter(|it| it["kind"] == kind).collect()
}

/// Runs `relay tap --json` with these flags while orders are committed, until it ends by itself.
async fn tap(tapped: &Tapped, flags: &[&str], orders: usize) -> Vec<Value> {
    let mut command = vec!["tap", "--json"];
    command.extend(flags);
    let commit = async {
        tapped.wait_for_attached(1).await;
        tapped.commit(0..orders).await;
    };
    let (shown, ()) = tokio::join!(tapped.relay.ask(&command), commit);
    records(&shown.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_as_sent_is_byte_for_byte_what_the_receiver_gets() {
    const ORDERS: usize = 20;
    let tapped = Tapped::start("tap = true").await;
    let limit = (ORDERS * RECORDS_PER_EVENT).to_string();
    let shown = tap(&tapped, &["--limit", &limit], ORDERS).await;
    let received = tapped.receiver.wait_for(ORDERS, LIMIT).await.unwrap();

    let sent = of_kind(&shown, "sent");
    assert_eq!(sent.len(), ORDERS);
    for record in &sent {
        let key = record["idempotency_key"].as_str().unwrap();
        let request = received.iter().find(|it| it.header("webhook-id") == Some(key)).unwrap();
        assert_eq!(record["body"]["text"].as_str().unwrap().as_bytes(), request.body);
        assert_eq!(record["body"]["bytes"], request.body.len());
        let shown: BTreeMap<_, _> = record["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["name"].as_str().unwrap(), it["text"].as_str()))
            .collect();
        for (name, value) in &request.headers {
            if OF_THE_CONNECTION.contains(&name.as_str()) {
                continue;
            }
            let decided_elsewhere = ["authorization", "webhook-timestamp", "webhook-signature"];
            let expected = (!decided_elsewhere.contains(&name.as_str())).then_some(value.as_str());
            assert_eq!(shown.get(name.as_str()), Some(&expected), "{name} of {record}");
        }
    }
    let delivered = of_kind(&shown, "answer");
    assert_eq!(delivered.len(), ORDERS);
    assert!(delivered.iter().all(|it| it["outcome"] == "delivered" && it["took_us"].as_u64().unwrap() > 0));
    assert!(shown.iter().all(|it| !it.to_string().contains("hunter2")), "a sink's credentials are shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_shown_before_and_after_each_plugin_and_filters_act_in_the_relay() {
    let tapped = Tapped::start("tap = true").await;
    let shown = tap(&tapped, &["--key", "order-7", "--limit", "5"], 20).await;
    let kinds: Vec<_> = shown.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["read", "plugin", "plugin", "sent", "answer"]);
    assert!(shown.iter().all(|it| it["event"]["key"] == "order-7" && it["event"]["id"] == "event-7"));
    let whole = payload(7);
    assert_eq!(shown[0]["payload"]["text"], whole);
    let (redact, router) = (&shown[1], &shown[2]);
    assert_eq!((&redact["plugin"], &router["plugin"]), (&"redact".into(), &"router".into()));
    assert_eq!(redact["before"]["payload"]["text"], whole);
    let without_phone = redact["after"]["messages"][0]["body"]["text"].as_str().unwrap();
    assert!(!without_phone.contains("phone") && without_phone.contains("1.50"), "{without_phone}");
    assert_eq!(router["before"]["payload"]["text"], without_phone);
    assert_eq!(router["after"]["messages"][0]["body"]["unchanged"], true);
    assert_eq!(shown[3]["body"]["text"], without_phone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_value_is_nowhere_in_what_leaves_the_relay() {
    const ORDERS: usize = 10;
    let tapped = Tapped::start("tap = true").await;
    // The receiver says it again in its refusal.
    let refusal = Answer::status(422).body(format!("no mailbox {}", email(3)).as_bytes());
    tapped.receiver.answer_path("/orders/order-3", refusal);
    let mut open = tapped.attach("{}").await;
    tapped.wait_for_attached(1).await;
    let hiding = r#"{"redact":["$.customer.email"],"redact_headers":["Contact"]}"#;
    let mut hidden = tapped.attach(hiding).await;
    tapped.wait_for_attached(2).await;
    tapped.commit(3..3 + ORDERS).await;

    let (seen, veiled) = tokio::join!(read_until_answers(&mut open, 2), read_until_answers(&mut hidden, 2));
    assert!(seen.contains(PRIVATE), "what is not redacted is shown: {seen}");
    assert!(seen.contains(&format!("no mailbox {}", email(3))), "{seen}");
    assert!(veiled.contains("no mailbox [redacted]"), "{veiled}");
    assert!(veiled.lines().count() > ORDERS * 3, "{veiled}");
    assert!(!veiled.contains(PRIVATE) && !veiled.contains("someone"), "{veiled}");
}

/// What comes until so many answers about the first order came.
async fn read_until_answers(stream: &mut tokio::net::TcpStream, count: usize) -> String {
    let mut text = String::new();
    let mut buffer = vec![0; 64 * 1_024];
    let answered = |text: &str| {
        let of_first = |it: &&str| it.contains("\"kind\":\"answer\"") && it.contains("order-3\"");
        text.lines().filter(of_first).count()
    };
    while answered(&text) < count {
        let read = tokio::time::timeout(LIMIT, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "the relay ended it:\n{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_stops_no_lane_and_is_told_what_it_missed() {
    const ORDERS: usize = 20_000;
    let tapped = Tapped::start("tap = true").await;
    let mut stalled = tapped.attach("{}").await;
    tapped.wait_for_attached(1).await;
    tapped.commit(0..ORDERS).await;
    // Not a byte is read meanwhile.
    tapped.receiver.wait_for(ORDERS, LIMIT).await.unwrap();

    let mut text = Vec::new();
    let mut buffer = vec![0; 256 * 1_024];
    let missed = loop {
        let read = tokio::time::timeout(LIMIT, stalled.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "the relay ended it");
        text.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|it| it.ends_with("\"kind\":\"missed\"}"));
        let counts = lines.filter_map(|it| serde_json::from_str::<Value>(it).ok()?["count"].as_u64());
        let missed = counts.sum::<u64>();
        if missed > 0 {
            break missed;
        }
    };
    let all = (ORDERS * RECORDS_PER_EVENT) as u64;
    assert!(missed > all / 2 && missed < all, "{missed} of {all} were missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_watches_a_relay_whose_operator_did_not_allow_it() {
    let tapped = Tapped::start("").await;
    let Err(StackError::Command { .. }) = tapped.relay.ask(&["tap", "--limit", "1"]).await else {
        panic!("it let somebody watch");
    };
    let ended = run(&["tap", "--admin", &format!("127.0.0.1:{}", tapped.port)]).await;
    assert_eq!(ended.0, Some(4));
    assert!(ended.1.contains("C047") && ended.1.contains("[admin] tap is not true"), "{}", ended.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_tap_ends_says_why() {
    let mut tapped = Tapped::start("tap = true").await;
    let address = format!("127.0.0.1:{}", tapped.port);
    let (code, said) = run(&["tap", "--admin", &address, "--redact", "customer.email"]).await;
    assert_eq!(code, Some(2), "{said}");

    let interrupted = spawn(&["tap", "--admin", &address]).await;
    tapped.wait_for_attached(1).await;
    let interrupt = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let (code, said) = end_of(interrupted).await;
    assert_eq!(code, Some(0), "{said}");

    let left_alone = spawn(&["tap", "--admin", &address]).await;
    tapped.wait_for_attached(2).await;
    assert_eq!(tapped.relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", tapped.relay.log());
    let (code, said) = end_of(left_alone).await;
    assert_eq!(code, Some(4));
    assert!(said.contains("C048") && said.contains("the relay went away"), "{said}");

    let (code, said) = run(&["tap", "--admin", &address]).await;
    assert_eq!(code, Some(4));
    assert!(said.contains("C046") && said.contains("no relay answers"), "{said}");
}

async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    end_of(spawn(arguments).await).await
}

async fn spawn(arguments: &[&str]) -> std::process::Child {
    let program = program(Profile::of_tests()).await.unwrap();
    let mut command = Command::new(program);
    command.args(arguments).env_remove("RELAY_CONFIG").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Its exit code, and what it said on standard error.
async fn end_of(child: std::process::Child) -> (Option<i32>, String) {
    let ended = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}
