//! The screen, word for word.

use serde_json::{Value, json};

use super::screen::lines;
use crate::cli::style::Style;

fn record(kind: &str, more: Value) -> Value {
    let mut record = json!({
        "kind": kind,
        "at": "2026-11-21T09:14:03.120394Z",
        "pipeline": "orders",
        "sink": "billing",
        "event": { "id": "01JD3K", "sequence": 7, "key": "order-17", "aggregate_type": "order", "type": "OrderPlaced", "attempt": 1 },
    });
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn screen(records: &[Value]) -> String {
    records.iter().map(|it| lines(it, Style::PLAIN)).collect()
}

#[test]
fn an_event_is_followed_from_the_outbox_to_the_sinks_answer() {
    let payload = json!({ "bytes": 21, "text": "{\"email\":\"[redacted]\"}", "redacted": true });
    let headers = json!([{ "name": "origin", "bytes": 4, "text": "shop" }]);
    let before = json!({ "key": "order-17", "payload": payload, "headers": headers });
    let message = json!({
        "slot": null, "sink": null, "to": { "http": "/orders", "method": null }, "event_headers": true,
        "key": { "unchanged": true, "bytes": 8 }, "body": { "bytes": 2, "text": "{}" }, "headers": [],
    });
    let publish = json!({ "verdict": "publish", "messages": [message] });
    let plugin = json!({ "plugin": "redact", "version": "0.1.0", "digest": "c01d77aa", "before": before });
    let with = |after: Value| {
        let mut record = record("plugin", plugin.clone());
        record["after"] = after;
        record
    };
    let sent = json!({
        "slot": "0", "address": { "place": "/orders", "partition": null, "timestamp": null, "method": null },
        "idempotency_key": "orders/01JD3K/0", "key": { "bytes": 8, "text": "order-17" },
        "body": { "bytes": 5000, "text": "{}", "truncated": true },
        "headers": [{ "name": "authorization", "withheld": true }, { "name": "x", "bytes": 2, "base64": "//4=" }],
    });
    let failure = json!({ "code": "S214", "detail": "400 from POST /orders" });
    let shown = screen(&[
        record("read", json!({ "payload": payload, "headers": headers })),
        with(publish),
        with(json!({ "verdict": "discard", "reason": "a test" })),
        with(json!({ "verdict": "reject", "code": "not-json", "reason": "the payload is not JSON" })),
        record("sent", sent),
        record("answer", json!({ "outcome": "delivered", "failure": null, "took_us": 4100 })),
        record("answer", json!({ "outcome": "permanent", "failure": failure, "took_us": 5250 })),
        record("not_sent", json!({ "outcome": "nothing_for_this_sink", "failure": null })),
        record(
            "not_sent",
            json!({ "outcome": "permanent", "failure": { "code": "R401", "detail": "outside" } }),
        ),
        json!({ "kind": "missed", "count": 1123 }),
    ]);
    insta::assert_snapshot!("tap", shown);
}

#[test]
fn what_an_event_holds_cannot_steer_the_terminal() {
    let payload = json!({ "bytes": 9, "text": "\u{1b}[2Jgone\n" });
    let shown = screen(&[record("read", json!({ "payload": payload, "headers": [] }))]);
    assert!(shown.contains("\\u{1b}[2Jgone\\n"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
}
