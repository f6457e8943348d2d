//! Reading, updating and reading again.

use crate::{CaseError, Content, Outcome, Suite, updated};

const FILE: &str = r#"# what everyone should know
config = { topic = "orders" }

[[case]]
name = "sent on"       # the usual
event = { aggregate_type = "order", aggregate_id = "o-1", type = "Placed", payload = '{"a":1}' }
message = [{ kafka = "orders" }]

# the other way of writing it
[[case]]
name = "sections"

[case.event]
aggregate_type = "order"
aggregate_id = "o-2"
type = "Placed"
payload = { base64 = "/w==" }
headers = { tenant = "blue", several = ["1", "2"] }

[[case.message]]
nats = "orders.placed"
body = { json = { b = 2 } }

[[case]]
name = "not yet"
event = { aggregate_type = "user", aggregate_id = "u-1", type = "Created" }
"#;

/// One of each kind, with everything that a message can have.
fn outcomes() -> Vec<Outcome> {
    let sent = r#"
        [[case]]
        name = "x"
        event = { aggregate_type = "order", aggregate_id = "o-1", type = "Placed" }
        message = [
          { kafka = "orders", partition = 3, timestamp = 5, slot = "a", sink = "events", key = { null = true } },
          { http = "/a", method = "PUT", auth = "crm", body = { base64 = "/w==" }, event_headers = false, headers = { a = ["1", "2"], b = "x" } },
          { nats = "a.b", key = "k", body = "it's \"quoted\"\nand long" },
          { other = { kind = "redis", address = "x" } },
          {},
        ]
    "#;
    let sent = Suite::parse("x", sent).unwrap().cases.remove(0).expected.unwrap();
    vec![
        sent,
        Outcome::Discard("no order".to_owned()),
        Outcome::Retry { reason: "later".to_owned(), after_ms: Some(5) },
        Outcome::Retry { reason: "later".to_owned(), after_ms: None },
        Outcome::Reject { code: "not-json".to_owned(), reason: "at byte 3".to_owned() },
        Outcome::Halt("stop".to_owned()),
        Outcome::Fault("P120".to_owned()),
    ]
}

#[test]
fn events_have_defaults_and_both_ways_of_writing_are_read() {
    let suite = Suite::parse("a.toml", FILE).unwrap();
    assert_eq!(suite.config, serde_json::json!({ "topic": "orders" }));
    let [first, second, third] = &suite.cases[..] else { panic!("{suite:?}") };
    assert_eq!((first.event.id.as_str(), first.event.sequence, first.event.attempt), ("case-1", 1, 1));
    assert_eq!(first.now, first.event.occurred_at);
    assert_eq!(second.event.payload.as_deref(), Some(&b"\xff"[..]));
    assert_eq!(second.event.headers.len(), 3);
    let Some(Outcome::Messages(messages)) = &second.expected else { panic!("{second:?}") };
    assert_eq!(messages[0].body, Content::Bytes(b"{\"b\":2}".to_vec()));
    assert_eq!((third.event.payload.as_ref(), &third.expected), (None, &None));
}

#[test]
fn what_is_written_reads_back_the_same_in_every_case() {
    for outcome in outcomes() {
        for name in ["sent on", "sections", "not yet"] {
            let text = updated("a.toml", FILE, &[(name.to_owned(), outcome.clone())]).unwrap();
            let suite = Suite::parse("a.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let original = Suite::parse("a.toml", FILE).unwrap();
            for (case, before) in suite.cases.iter().zip(&original.cases) {
                let expected = if case.name == name {
                    Some(outcome.clone().normal(&case.event))
                } else {
                    before.expected.clone()
                };
                assert_eq!(case.expected, expected, "{text}");
                assert_eq!(case.event, before.event, "{text}");
            }
            for comment in ["# what everyone", "# the usual", "# the other way"] {
                assert!(text.contains(comment), "{text}");
            }
        }
    }
}

#[test]
fn a_file_that_is_right_keeps_every_byte() {
    assert_eq!(updated("a.toml", FILE, &[]).unwrap(), FILE);
}

fn wrong(text: &str) -> String {
    let CaseError { file, what } = Suite::parse("a.toml", text).unwrap_err();
    assert_eq!(file, "a.toml");
    what
}

#[test]
fn mistakes_are_named_with_their_case() {
    let case = |rest: &str| {
        wrong(&format!(
            "[[case]]\nname = \"x\"\nevent = {{ aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" }}\n{rest}"
        ))
    };
    assert!(case("discard = \"a\"\nhalt = \"b\"").starts_with("case \"x\": has several outcomes"));
    assert!(case("message = [{ kafka = \"a\", nats = \"b\" }]").contains("message 0: has several targets"));
    assert!(case("message = [{ nats = \"a\", partition = 1 }]").contains("are for kafka"));
    assert!(case("message = [{ http = \"/a\", body = 7 }]").contains("body is integer; write text"));
    assert!(case("message = [{ topik = \"a\" }]").contains("unknown field `topik`"));
    assert!(
        case(
            "[[case]]\nname = \"x\"\nevent = { aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" }"
        )
        .contains("two cases")
    );
    assert!(wrong("pipeline = \"a\"\nconfig = { b = 1 }").contains("a pipeline and a config"));
    let piped =
        Suite::parse("a.toml", &format!("pipeline = \"orders\"\n{}", FILE.replace("config =", "# config =")));
    assert!(piped.unwrap().of_plugin().unwrap_err().to_string().contains("`relay test`"));
    assert!(wrong("[[case]]\nname = \"x\"").contains("missing field `event`"));
}

#[test]
fn a_file_may_bring_rows_of_lookup_tables() {
    let suite =
        Suite::parse("a.toml", "[lookup.customers]\n\"c-1\" = { tier = \"gold\", n = 1 }\nx = 7\n").unwrap();
    let rows = &suite.lookups["customers"];
    assert_eq!(rows["c-1"], serde_json::json!({ "tier": "gold", "n": 1 }));
    assert_eq!(rows["x"], serde_json::json!(7));
    assert!(Suite::parse("a.toml", "lookup = { customers = 1 }").is_err());
}
