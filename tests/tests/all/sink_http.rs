//! The HTTP sink against real receivers.

#![expect(clippy::unwrap_used, reason = "what tests share panics as tests do")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use relay::sink::Sink as _;
use relay::sink::http::{HttpSink, HttpSinkConfig};
use relay_engine::outcome::FailureClass::{Permanent, Retryable, Unavailable, Unknown};
use relay_tests::stack::{Answer, HttpReceiver};

use crate::sink_driver::{Draft, Driver, batch, failure};

const SECRETS: [&[u8]; 2] = [b"the new secret", b"the old secret"];

fn config(url: String) -> HttpSinkConfig {
    HttpSinkConfig {
        name: "billing".to_owned(),
        url,
        method: "POST".to_owned(),
        headers: vec![("x-relay".to_owned(), "yes".to_owned())],
        credentials: Vec::new(),
        secrets: Vec::new(),
        concurrency: 16,
        timeout: Duration::from_secs(30),
        allow_private: true,
        conflict_is_success: false,
    }
}

async fn open(config: HttpSinkConfig) -> Driver<HttpSink> {
    // An error says that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut driver = Driver::new(|reports| HttpSink::new(config, reports));
    driver.sink.open().await.unwrap();
    driver
}

fn one(place: &str) -> Draft<'_> {
    Draft::new("e0", "order-1", "{\"amount\":1}", place)
}

/// HMAC-SHA256 from its definition, so that the sink's own is not measured by itself.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let padded = |pad: u8| -> Vec<u8> {
        let mut block = [0u8; 64];
        block[..key.len()].copy_from_slice(key);
        block.iter().map(|it| it ^ pad).collect()
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |all, it| all << 8 | u32::from(*it)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

#[tokio::test]
async fn a_message_arrives_whole_and_its_signatures_verify() {
    let receiver = HttpReceiver::start().unwrap();
    let secrets = SECRETS.iter().map(|it| it.to_vec()).collect();
    let mut driver = open(HttpSinkConfig { secrets, ..config(format!("{}/hooks", receiver.url())) }).await;
    let outcomes = driver.deliver(&batch(&[one("/invoices?a=1").header("x-tenant", b"blue")])).await;
    assert!(outcomes[&0].is_ok());

    let request = &receiver.received()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks/invoices?a=1"));
    assert_eq!(request.body, b"{\"amount\":1}");
    assert_eq!(request.header("x-tenant"), Some("blue"));
    assert_eq!(request.header("x-relay"), Some("yes"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("webhook-id"), Some("p/e0/0"));
    let timestamp = request.header("webhook-timestamp").unwrap();
    let signed = [b"p/e0/0.", timestamp.as_bytes(), b".", &request.body[..]].concat();
    let expected = SECRETS.map(|secret| format!("v1,{}", base64(&hmac_sha256(secret, &signed))));
    assert_eq!(request.header("webhook-signature"), Some(expected.join(" ").as_str()));
}

#[tokio::test]
async fn ten_thousand_messages_are_each_delivered_once() {
    let receiver = HttpReceiver::start().unwrap();
    let mut driver = open(config(receiver.url())).await;
    let drafts: Vec<_> = (0..10_000).map(|n| Draft::new(format!("e{n}"), "k", "{}", "/")).collect();
    let outcomes = driver.deliver(&batch(&drafts)).await;
    assert!(outcomes.values().all(Result::is_ok));
    let mut ids: Vec<_> =
        receiver.received().iter().map(|it| it.header("webhook-id").unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), receiver.count()), (10_000, 10_000));
}

#[tokio::test]
async fn each_status_has_its_class_and_the_answers_words() {
    let receiver = HttpReceiver::start().unwrap();
    let table = [
        (400, Retryable, "S214"),
        (401, Unavailable, "S213"),
        (403, Unavailable, "S213"),
        (404, Unavailable, "S213"),
        (409, Retryable, "S222"),
        (410, Unavailable, "S213"),
        (413, Retryable, "S214"),
        (422, Retryable, "S214"),
        (429, Unavailable, "S215"),
        (500, Unavailable, "S216"),
        (503, Unavailable, "S215"),
    ];
    let paths: Vec<String> = table.iter().map(|(status, ..)| format!("/{status}")).collect();
    for (path, (status, ..)) in paths.iter().zip(table) {
        receiver.answer_path(path, Answer::status(status).body(b"amount must be > 0"));
    }
    let mut driver = open(config(receiver.url())).await;
    let drafts: Vec<_> = paths.iter().map(|path| one(path)).collect();
    let outcomes = driver.deliver(&batch(&drafts)).await;
    for (index, (status, class, code)) in (0u32..).zip(table) {
        assert_eq!(failure(&outcomes, index), (class, code), "{status}");
        let detail = &outcomes[&index].as_ref().unwrap_err().detail;
        assert_eq!(*detail, format!("{status} from POST /{status}: \"amount must be > 0\""));
    }

    let mut driver = open(HttpSinkConfig { conflict_is_success: true, ..config(receiver.url()) }).await;
    assert!(driver.deliver(&batch(&[one("/409")])).await[&0].is_ok());
}

#[tokio::test]
async fn the_receivers_wish_for_later_is_understood_in_both_forms() {
    let receiver = HttpReceiver::start().unwrap();
    receiver.answer_path("/seconds", Answer::status(503).header("retry-after", "17"));
    receiver.answer_path("/past", Answer::status(429).header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"));
    receiver.answer_path("/far", Answer::status(429).header("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT"));
    let mut driver = open(config(receiver.url())).await;
    let outcomes = driver.deliver(&batch(&[one("/seconds"), one("/past"), one("/far")])).await;
    let waits: Vec<_> = outcomes.values().map(|it| it.as_ref().unwrap_err().retry_after).collect();
    assert_eq!(waits, [17, 0, 3_600].map(|it| Some(Duration::from_secs(it))));
}

#[tokio::test]
async fn a_redirect_is_shown_and_not_followed() {
    let receiver = HttpReceiver::start().unwrap();
    let elsewhere = format!("{}/elsewhere", receiver.url());
    receiver.answer_path("/", Answer::status(307).header("location", &elsewhere));
    let mut driver = open(config(receiver.url())).await;
    let outcomes = driver.deliver(&batch(&[one("/")])).await;
    assert_eq!(failure(&outcomes, 0), (Unavailable, "S217"));
    assert!(outcomes[&0].as_ref().unwrap_err().detail.contains(&elsewhere));
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_a_refused_connection_an_outage() {
    let mut receiver = HttpReceiver::start().unwrap();
    receiver.answer_path("/slow", Answer::status(200).held());
    receiver.answer_path("/cut", Answer::drop_connection());
    let timeout = Duration::from_millis(500);
    let mut driver = open(HttpSinkConfig { timeout, ..config(receiver.url()) }).await;
    let outcomes = driver.deliver(&batch(&[one("/slow"), one("/cut")])).await;
    assert_eq!(failure(&outcomes, 0), (Unknown, "S208"));
    assert_eq!(failure(&outcomes, 1), (Unknown, "S208"));

    // A sink without an open connection, which would break while the request is on it.
    let mut driver = open(config(receiver.url())).await;
    receiver.stop();
    let outcomes = driver.deliver(&batch(&[one("/")])).await;
    assert_eq!(failure(&outcomes, 0), (Unavailable, "S219"));
    receiver.restart().unwrap();
    assert!(driver.deliver(&batch(&[one("/")])).await[&0].is_ok());
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_and_counts_by_its_status() {
    let receiver = HttpReceiver::start().unwrap();
    receiver.answer_path("/good", Answer::status(200).endless_body());
    receiver.answer_path("/bad", Answer::status(400).endless_body());
    let mut driver = open(config(receiver.url())).await;
    let began = Instant::now();
    let outcomes = driver.deliver(&batch(&[one("/good"), one("/bad")])).await;
    assert!(outcomes[&0].is_ok());
    assert_eq!(failure(&outcomes, 1), (Retryable, "S214"));
    assert!(outcomes[&1].as_ref().unwrap_err().detail.len() < 1_200);
    assert!(began.elapsed() < Duration::from_secs(20), "the timeout ended it, not the bound");
}

#[tokio::test]
async fn addresses_that_are_not_dialled_keep_the_lane_waiting() {
    let receiver = HttpReceiver::start().unwrap();
    let by_name = format!("http://localhost:{}", receiver.port());
    let table = [
        ("http://169.254.169.254/latest".to_owned(), true),
        (receiver.url(), false),
        (by_name.clone(), false),
    ];
    for (url, allow_private) in table {
        let mut driver = open(HttpSinkConfig { allow_private, ..config(url.clone()) }).await;
        let outcomes = driver.deliver(&batch(&[one("/")])).await;
        assert_eq!(failure(&outcomes, 0), (Unavailable, "S218"), "{url}");
        assert!(outcomes[&0].as_ref().unwrap_err().detail.contains("ssrf_blocked"));
    }
    assert_eq!(receiver.count(), 0);
    let mut driver = open(config(by_name)).await;
    assert!(driver.deliver(&batch(&[one("/")])).await[&0].is_ok());
}

#[tokio::test]
async fn a_header_that_is_not_the_messages_to_set_fails_it_alone() {
    let receiver = HttpReceiver::start().unwrap();
    let mut driver = open(config(receiver.url())).await;
    let outcomes = driver.deliver(&batch(&[one("/").header("host", b"evil"), one("/")])).await;
    assert_eq!(failure(&outcomes, 0), (Permanent, "S221"));
    assert!(outcomes[&1].is_ok());
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_configured_and_closing_reports_the_rest_as_unknown() {
    let receiver = HttpReceiver::start().unwrap();
    receiver.answer(Answer::status(200).held());
    let mut driver = open(HttpSinkConfig { concurrency: 3, ..config(receiver.url()) }).await;
    let all = batch(&[one("/"), one("/"), one("/"), one("/")]);
    let id = driver.send_some(&all, vec![0, 1, 2]).await;
    receiver.wait_for(3, Duration::from_secs(30)).await.unwrap();
    let fourth = driver.send_some(&all, vec![3]);
    assert!(tokio::time::timeout(Duration::from_millis(100), fourth).await.is_err(), "there was room");
    let seen: BTreeMap<_, _> = driver.close().await;
    assert_eq!(receiver.count(), 3);
    assert!((0..3).all(|index| failure(&seen[&id], index) == (Unknown, "S208")));
    assert_eq!(seen.values().map(BTreeMap::len).sum::<usize>(), 4, "the one that waited is reported too");
}
