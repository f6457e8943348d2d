//! Redaction as the relay runs it: configuration in, verdicts out.

use relay_plugin_sdk::serde_json::{self, Value};
use relay_plugin_sdk::testing::{EventBuilder, Harness};

use super::*;

const HASH_OF_ANN: &str = "sha256:17239b6e250110330eda64a29c610bf146f89883371fab093feda03bec61b646";

fn event(payload: &str) -> Event {
    EventBuilder::new("order", "order-1", "OrderPlaced").payload(payload).build()
}

/// The payload after redaction, which must be JSON; `None` where the body is not even touched.
fn redacted(config: &str, payload: &str) -> Option<String> {
    let event = event(payload);
    let verdict = Harness::<Redact>::new(config).unwrap().run(&event).unwrap();
    let [message] = verdict.messages() else { panic!("not one message: {verdict:?}") };
    let body = String::from_utf8(message.body_of(&event).unwrap().to_vec()).unwrap();
    serde_json::from_str::<Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    (!message.keeps_body()).then_some(body)
}

#[track_caller]
fn removes(pointers: &str, payload: &str, expected: &str) {
    assert_eq!(redacted(&format!(r#"{{"remove":{pointers}}}"#), payload).as_deref(), Some(expected));
}

#[test]
fn a_removed_member_takes_its_name_and_one_comma_along() {
    let payload = r#"{ "a": 1, "b" : [2 , 3], "c":{"d":4} }"#;
    removes(r#"["/a"]"#, payload, r#"{ "b" : [2 , 3], "c":{"d":4} }"#);
    removes(r#"["/b"]"#, payload, r#"{ "a": 1, "c":{"d":4} }"#);
    removes(r#"["/c"]"#, payload, r#"{ "a": 1, "b" : [2 , 3] }"#);
    removes(r#"["/a","/b"]"#, payload, r#"{ "c":{"d":4} }"#);
    removes(r#"["/a","/c"]"#, payload, r#"{ "b" : [2 , 3] }"#);
    removes(r#"["/b","/c"]"#, payload, r#"{ "a": 1 }"#);
    removes(r#"["/*"]"#, payload, "{  }");
    removes(r#"["/b/0","/c/d"]"#, payload, r#"{ "a": 1, "b" : [3], "c":{} }"#);
    removes(r#"["/b/*"]"#, payload, r#"{ "a": 1, "b" : [], "c":{"d":4} }"#);
}

#[test]
fn a_star_goes_into_every_member_and_element() {
    let payload = r#"{"people":[{"name":"Ann","age":1},{"age":2},7],"more":{"x":{"name":"Bo"}}}"#;
    removes(
        r#"["/people/*/name","/more/*/name"]"#,
        payload,
        r#"{"people":[{"age":1},{"age":2},7],"more":{"x":{}}}"#,
    );
}

#[test]
fn what_is_not_named_keeps_every_byte() {
    let payload =
        "{\"z\":1.10,\n\"big\":12345678901234567890123,\t\"e\":1E2,\"secret\":0,\"\\u0061\":\"\\/\"}";
    let expected = "{\"z\":1.10,\n\"big\":12345678901234567890123,\t\"e\":1E2,\"\\u0061\":\"\\/\"}";
    removes(r#"["/secret"]"#, payload, expected);
}

#[test]
fn no_spelling_of_a_name_escapes_and_neither_does_its_second_mention() {
    removes(r#"["/email"]"#, r#"{"em\u0061il":1,"x":2,"email":3,"email":4}"#, r#"{"x":2}"#);
}

#[test]
fn a_hash_is_that_of_the_text_however_it_is_written() {
    let hashed = format!(r#"{{"name":"{HASH_OF_ANN}","x":null}}"#);
    let config = r#"{"hash":["/name","/x"]}"#;
    assert_eq!(redacted(config, r#"{"name":"Ann","x":null}"#).as_ref(), Some(&hashed));
    assert_eq!(redacted(config, r#"{"name":"\u0041nn","x":null}"#).as_ref(), Some(&hashed));
    let object = redacted(r#"{"hash":["/a"]}"#, r#"{"a":{"b":[1, 2]}}"#).unwrap();
    assert!(object.starts_with(r#"{"a":"sha256:"#) && object.len() == 79, "{object}");
}

#[test]
fn the_outer_place_counts_and_removing_counts_more_than_hashing() {
    let both = redacted(r#"{"hash":["/a","/b/c"],"remove":["/a","/b"]}"#, r#"{"a":1,"b":{"c":2},"d":3}"#);
    assert_eq!(both.as_deref(), Some(r#"{"d":3}"#));
    let outer = redacted(r#"{"hash":["/a"],"remove":["/a/b"]}"#, r#"{"a":{"b":1}}"#).unwrap();
    assert!(outer.starts_with(r#"{"a":"sha256:"#), "{outer}");
}

#[test]
fn an_event_without_any_of_the_places_goes_on_untouched() {
    for payload in [r#"{"a": 1}"#, "[]", "7", r#"{"email":{"x":1}}"#, r#"{"customer":"none"}"#] {
        assert_eq!(redacted(r#"{"remove":["/customer/email","/email/y"]}"#, payload), None, "{payload}");
    }
    let tombstone = EventBuilder::new("order", "order-1", "Gone").tombstone().build();
    let mut plugin = Harness::<Redact>::new(r#"{"remove":["/a"]}"#).unwrap();
    assert_eq!(plugin.run(&tombstone), Ok(Message::next().into()));
}

#[test]
fn what_is_not_json_is_rejected_and_never_passed_on() {
    let mut plugin = Harness::<Redact>::new(r#"{"remove":["/a"]}"#).unwrap();
    for payload in ["", "hello", r#"{"a":1"#, r#"{"a":1} x"#, "{'a':1}"] {
        let fault = plugin.run(&event(payload)).unwrap_err();
        assert!(
            matches!(fault, Fault::Reject { ref code, .. } if code == "not-json"),
            "{payload}: {fault:?}"
        );
    }
}

#[test]
fn problems_name_their_place() {
    let paths = |config: &str| {
        let problems = Harness::<Redact>::new(config).unwrap_err();
        problems.iter().map(|it| it.path().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths(r#"{"remove":["/a","b"],"hash":[""]}"#), ["/remove/1", "/hash/0"]);
    assert_eq!(paths("{}"), [""]);
    assert_eq!(paths(r#"{"removes":[]}"#), ["/removes"]);
}

#[test]
fn deep_nesting_costs_no_stack() {
    let depth = 200_000;
    let payload = format!(r#"{{"a":{}1{},"b":2}}"#, "[".repeat(depth), "]".repeat(depth));
    removes(r#"["/b","/a/*/*"]"#, &payload, r#"{"a":[[]]}"#);
}
