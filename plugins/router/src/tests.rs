//! The router as the relay runs it: configuration in, verdicts out.

use relay_plugin_sdk::testing::{EventBuilder, Harness};

use super::*;

fn router(config: &str) -> Harness<Router> {
    Harness::new(config).unwrap()
}

fn problems(config: &str) -> Vec<(String, String)> {
    let problems = Harness::<Router>::new(config).unwrap_err();
    problems.iter().map(|it| (it.path().to_owned(), it.message().to_owned())).collect()
}

fn placed() -> EventBuilder {
    EventBuilder::new("order", "order-1", "OrderPlaced")
}

#[test]
fn without_configuration_events_go_on_to_the_pipelines_route() {
    let event = placed().build();
    assert_eq!(router("{}").run(&event), Ok(Message::next().into()));
    assert_eq!(router("null").run(&event), Ok(Message::next().into()));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut router = router(
        r#"{"rules":[
            {"when":{"aggregate_type":"invoice"},"then":{"send":[{"kafka":"invoices"}]}},
            {"when":{"event_type":"Order*"},"then":{"send":[{"kafka":"orders"}]}},
            {"then":{"send":[{"kafka":"rest"}]}}],
          "default":{"discard":"never reached"}}"#,
    );
    assert_eq!(router.run(&placed().build()), Ok(Message::kafka("orders").into()));
    let other = EventBuilder::new("stock", "1", "Moved").build();
    assert_eq!(router.run(&other), Ok(Message::kafka("rest").into()));
}

#[test]
fn one_event_may_go_to_several_sinks_and_addresses() {
    let mut router = router(
        r#"{"rules":[{"then":{"send":[
            {"kafka":"orders.{aggregatetype}","slot":"log"},
            {"nats":"orders.{type}","sink":"tell"},
            {"http":"/orders/{aggregateid}"}]}}]}"#,
    );
    let verdict = router.run(&placed().build()).unwrap();
    let expected = [
        Message::kafka("orders.order").slot("log"),
        Message::nats("orders.OrderPlaced").sink("tell"),
        Message::http("/orders/order-1"),
    ];
    assert_eq!(verdict.messages(), expected);
    assert!(verdict.messages().iter().all(Message::keeps_body));
}

#[test]
fn a_value_in_the_payload_chooses() {
    let mut router = router(
        r#"{"rules":[
            {"when":{"json":{"/region":"eu","/lines/0/big":true}},"then":{"send":[{"kafka":"eu-big"}]}},
            {"when":{"json":{"/amount":10}},"then":{"discard":"ten"}}]}"#,
    );
    let mut run = |payload: &str| router.run(&placed().payload(payload).build());
    let both = r#"{"region":"\u0065u","lines":[{"big":true}]}"#;
    assert_eq!(run(both), Ok(Message::kafka("eu-big").into()));
    assert_eq!(run(r#"{"region":"eu","lines":[]}"#), Ok(Message::next().into()));
    assert_eq!(run(r#"{"amount": 10}"#), Ok(discard("ten")));
    assert_eq!(run(r#"{"amount": "10"}"#), Ok(Message::next().into()));
}

#[test]
fn only_rules_about_the_payload_read_it() {
    let mut router = router(
        r#"{"rules":[
            {"when":{"aggregate_type":"order"},"then":{"send":[{"kafka":"orders"}]}},
            {"when":{"json":{"/a":1}},"then":{"discard":"a"}}]}"#,
    );
    let broken =
        |aggregate_type| EventBuilder::new(aggregate_type, "1", "Placed").payload("not json").build();
    assert_eq!(router.run(&broken("order")), Ok(Message::kafka("orders").into()));
    let fault = router.run(&broken("stock")).unwrap_err();
    assert!(matches!(fault, Fault::Reject { ref code, .. } if code == "not-json"), "{fault:?}");
}

#[test]
fn routing_by_columns_leaves_the_payload_unread() {
    let config = r#"{"rules":[
        {"when":{"aggregate_type":"invoice","json":{"/a":1}},"then":{"discard":"a"}},
        {"when":{"event_type":"Order*"},"then":{"send":[{"kafka":"{type}"},{"nats":"n.{json:/a}"}]}}]}"#;
    let router = Router::new(relay_plugin_sdk::serde_json::from_str(config).unwrap()).unwrap();
    let is_read = |event: &Event| {
        let payload = Payload::of(event);
        router.decide(event, &payload).unwrap();
        payload.is_read()
    };
    assert!(!is_read(&EventBuilder::new("stock", "1", "Moved").build()));
    assert!(is_read(&placed().payload(r#"{"a":1}"#).build()));
}

#[test]
fn a_tombstone_matches_no_value() {
    let mut router =
        router(r#"{"rules":[{"when":{"json":{"/a":null}},"then":{"discard":"a"}}],"default":"pass"}"#);
    assert_eq!(router.run(&placed().tombstone().build()), Ok(Message::next().into()));
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let problems = problems(
        r#"{"rules":[
            {"when":{"json":{"a":1}},"then":{"send":[{"kafka":"a b"},{"kafka":"a","nats":"b"}]}},
            {"then":{"send":[]}}],
          "default":{"send":[{"http":"orders"}]}}"#,
    );
    let paths: Vec<_> = problems.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/rules/0/when/json",
            "/rules/0/then/send/0/kafka",
            "/rules/0/then/send/1",
            "/rules/1/then/send",
            "/default/send/0/http"
        ]
    );
}

#[test]
fn a_mistyped_setting_is_not_ignored() {
    let (path, message) = problems(r#"{"rules":[{"if":{},"then":"pass"}]}"#).remove(0);
    assert_eq!(
        (path.as_str(), message.as_str()),
        ("/rules/0/if", "unknown field `if`, expected `when` or `then`")
    );
}
