//! Wrapping as the relay runs it: configuration in, verdicts out.

use relay_plugin_sdk::serde_json::{self, Value, json};
use relay_plugin_sdk::testing::{EventBuilder, Harness};

use super::*;

fn wrap(config: &str, event: &Event) -> Message {
    let verdict = Harness::<CloudEvents>::new(config).unwrap().run(event).unwrap();
    let [message] = verdict.messages() else { panic!("not one message: {verdict:?}") };
    message.clone()
}

fn envelope(config: &str, event: &Event) -> Value {
    serde_json::from_slice(wrap(config, event).body_of(event).unwrap()).unwrap()
}

fn headers(config: &str, event: &Event) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    wrap(config, event).headers_of(event).map(|(name, value)| (name.to_owned(), text(value))).collect()
}

fn placed() -> EventBuilder {
    EventBuilder::new("order", "order-1", "OrderPlaced").id("e-1").payload(r#" {"amount":1.10} "#)
}

#[test]
fn an_envelope_holds_the_payload_as_it_was_written() {
    let event = placed().header("traceparent", "00-4bf9-00f0-01").build();
    let message = wrap("{}", &event);
    let body = std::str::from_utf8(message.body_of(&event).unwrap()).unwrap();
    assert_eq!(
        body,
        "{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/shop\",\"type\":\"OrderPlaced\",\
         \"subject\":\"order-1\",\"partitionkey\":\"order-1\",\"time\":\"2026-11-21T12:00:00Z\",\
         \"traceparent\":\"00-4bf9-00f0-01\",\"datacontenttype\":\"application/json\",\"data\":{\"amount\":1.10}}"
    );
    let content_type = message.headers_of(&event).find(|(name, _)| *name == "content-type");
    assert_eq!(content_type, Some(("content-type", &b"application/cloudevents+json"[..])));
}

#[test]
fn settings_name_the_source_and_the_type() {
    let config = r#"{"mode":"structured","source":"urn:shop:\"x\"","type_prefix":"com.example."}"#;
    let envelope = envelope(config, &placed().build());
    assert_eq!(envelope["source"], "urn:shop:\"x\"");
    assert_eq!(envelope["type"], "com.example.OrderPlaced");
}

#[test]
fn what_is_not_json_travels_as_base64() {
    let avro = placed().payload(&b"\x00\xff"[..]).content_type("avro/binary").build();
    let wrapped = envelope("{}", &avro);
    assert_eq!(
        (&wrapped["data_base64"], &wrapped["datacontenttype"]),
        (&json!("AP8="), &json!("avro/binary"))
    );
    assert_eq!(wrapped.get("data"), None);
    let text = placed().payload("7").content_type("text/plain").build();
    assert_eq!(envelope("{}", &text)["data_base64"], "Nw==");
    let json = placed().payload("7").content_type("application/vnd.shop+json; charset=utf-8").build();
    assert_eq!(envelope("{}", &json)["data"], 7);
    let broken = placed().payload("{").build();
    assert_eq!(envelope("{}", &broken)["data_base64"], "ew==");
}

#[test]
fn binary_mode_leaves_the_body_alone_and_names_headers_for_the_protocol() {
    let event =
        EventBuilder::new("order", "ann lee %é\"", "OrderPlaced").id("e-1").header("own", "1").build();
    assert!(wrap(r#"{"mode":"binary"}"#, &event).keeps_body());
    let kafka = headers(r#"{"mode":"binary","headers":"kafka"}"#, &event);
    let expected = [
        ("own", "1"),
        ("ce_specversion", "1.0"),
        ("ce_id", "e-1"),
        ("ce_source", "/shop"),
        ("ce_type", "OrderPlaced"),
        ("ce_subject", "ann lee %é\""),
        ("ce_partitionkey", "ann lee %é\""),
        ("ce_time", "2026-11-21T12:00:00Z"),
        ("content-type", "application/json"),
    ];
    assert_eq!(kafka, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for protocol in ["http", "nats"] {
        let headers = headers(&format!(r#"{{"mode":"binary","headers":"{protocol}"}}"#), &event);
        let subject = headers.iter().find(|(name, _)| name == "ce-subject").map(|(_, value)| value.as_str());
        assert_eq!(subject, Some("ann%20lee%20%25%C3%A9%22"));
    }
}

#[test]
fn a_tombstone_stays_one() {
    let gone = placed().tombstone().build();
    assert_eq!(wrap("{}", &gone), Message::next());
    let headers = headers(r#"{"mode":"binary"}"#, &gone);
    assert!(headers.iter().any(|(name, _)| name == "ce_id"));
    assert!(headers.iter().all(|(name, _)| name != "content-type"));
}

#[test]
fn an_event_without_a_type_is_rejected() {
    let event = EventBuilder::new("order", "order-1", "").build();
    let fault = Harness::<CloudEvents>::new("{}").unwrap().run(&event).unwrap_err();
    assert!(matches!(fault, Fault::Reject { ref code, .. } if code == "no-type"), "{fault:?}");
}

#[test]
fn problems_name_their_place_and_what_is_allowed() {
    let problems = Harness::<CloudEvents>::new(r#"{"mode":"wrapped"}"#).unwrap_err();
    assert_eq!(problems[0].path(), "/mode");
    assert!(problems[0].message().contains("`structured` or `binary`"), "{:?}", problems[0]);
    assert_eq!(Harness::<CloudEvents>::new(r#"{"source":""}"#).unwrap_err()[0].path(), "/source");
}
