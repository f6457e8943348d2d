use std::sync::Arc;

use relay_engine::event::{EventBatch, EventFields, WITHHELD};
use relay_engine::message::{Content, Message};
use relay_engine::route::{Grant, Router, SinkKind, SinkRoute};
use relay_engine::verdict::{PluginMessage, Target, Verdict};
use tokio::sync::watch;

use super::{Chain, Rendered, Stage};
use crate::plugin::{Answer, Fault, Generation, Identity, Permissions, Plugin, PluginError, Record};

type Transform = fn(&str, &[u8]) -> Answer;

/// A plugin that is a function of an event's key and payload.
struct Scripted(Transform);

impl Plugin for Scripted {
    fn run(&mut self, _source: &str, events: &Arc<EventBatch>, answers: &mut Vec<Answer>) {
        answers.extend(
            events.iter().map(|event| (self.0)(event.aggregate_id(), event.payload().unwrap_or_default())),
        );
    }
}

struct Build(Identity, Transform, Arc<Record>);

impl Generation for Build {
    fn identity(&self) -> &Identity {
        &self.0
    }

    fn permissions(&self) -> Permissions {
        Permissions::default()
    }

    fn record(&self) -> Arc<Record> {
        Arc::clone(&self.2)
    }

    fn instantiate(&self) -> Result<Box<dyn Plugin>, PluginError> {
        Ok(Box::new(Scripted(self.1)))
    }
}

fn build(digest: &str, transform: Transform) -> Arc<dyn Generation> {
    let identity =
        Identity { name: "scripted".to_owned(), version: "1".to_owned(), digest: digest.to_owned() };
    Arc::new(Build(identity, transform, Arc::default()))
}

fn chain(plugins: &[Transform]) -> Chain {
    let grant = Grant::new([("billing".to_owned(), vec!["/invoices".to_owned()])]);
    let stages = plugins.iter().map(|transform| {
        let (_, live) = watch::channel(build("aaaaaa", *transform));
        Stage::new(live, grant.clone()).unwrap()
    });
    Chain::new("shop".to_owned(), router(), stages.collect())
}

fn router() -> Router {
    let template = "/{aggregatetype}".parse().unwrap();
    let sink = SinkRoute { name: "billing".to_owned(), kind: SinkKind::Http, template };
    Router::new(vec![sink], "billing").unwrap()
}

fn events(payloads: &[&str]) -> Arc<EventBatch> {
    Arc::new(batch_of(payloads))
}

fn batch_of(payloads: &[&str]) -> EventBatch {
    let mut batch = EventBatch::default();
    for payload in payloads {
        let fields = EventFields {
            id: "01JD",
            aggregate_type: "order",
            aggregate_id: "order-1",
            payload: Some(payload.as_bytes()),
            headers: &[("origin", b"shop")],
            ..EventFields::default()
        };
        batch.push(&fields).unwrap();
    }
    batch
}

fn message() -> PluginMessage {
    PluginMessage {
        slot: None,
        sink: None,
        to: None,
        key: Content::Unchanged,
        body: Content::Unchanged,
        inherit_headers: true,
        headers: Vec::new(),
    }
}

fn to(path: &str) -> PluginMessage {
    PluginMessage { to: Some(Target::Http { path: path.to_owned(), method: None, auth: None }), ..message() }
}

fn publish(messages: Vec<PluginMessage>) -> Answer {
    Answer::Verdict(Verdict::Publish(messages))
}

fn only(rendered: Vec<Rendered>) -> Vec<Message> {
    match <[Rendered; 1]>::try_from(rendered) {
        Ok([Rendered::Messages(messages)]) => messages,
        other => panic!("expected messages of one event, got {other:?}"),
    }
}

fn code(rendered: &Rendered) -> &str {
    match rendered {
        Rendered::Fail(failure) => &failure.code,
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[test]
fn without_plugins_the_pipelines_own_route_decides_and_nothing_is_copied() {
    let messages = only(chain(&[]).run(&events(&["{}"])));
    assert_eq!(messages[0].address.place, "/order");
    assert_eq!((&messages[0].key, &messages[0].body), (&Content::Unchanged, &Content::Unchanged));
}

#[test]
fn what_one_plugin_changes_the_next_one_sees_and_the_sink_gets() {
    let redact: Transform = |_, _| {
        let headers = vec![("redacted".to_owned(), b"yes".to_vec())];
        publish(vec![PluginMessage { body: Content::Bytes(b"***".to_vec()), headers, ..message() }])
    };
    let route: Transform = |_, payload| {
        assert_eq!(payload, b"***");
        publish(vec![to("/invoices/1")])
    };
    let messages = only(chain(&[redact, route]).run(&events(&["secret"])));
    assert_eq!(messages[0].address.place, "/invoices/1");
    assert_eq!(
        messages[0].body,
        Content::Bytes(b"***".to_vec()),
        "unchanged by the last plugin, not by the first"
    );
    assert_eq!(messages[0].headers, [("redacted".to_owned(), b"yes".to_vec())]);
    assert!(messages[0].inherit_headers);
}

#[test]
fn a_message_that_a_plugin_addresses_skips_the_plugins_behind_it() {
    let fan_out: Transform = |_, _| publish(vec![to("/invoices/audit"), message()]);
    let rest: Transform = |_, _| publish(vec![to("/invoices/rest")]);
    let messages = only(chain(&[fan_out, rest]).run(&events(&["{}"])));
    let places: Vec<_> = messages.iter().map(|it| (it.address.place.as_str(), it.slot.as_str())).collect();
    assert_eq!(places, [("/invoices/audit", "0"), ("/invoices/rest", "1.0")], "each has a slot of its own");
}

#[test]
fn two_messages_of_one_slot_are_refused_because_a_receiver_would_drop_one() {
    let twice: Transform = |_, _| {
        let named = |path| PluginMessage { slot: Some("same".to_owned()), ..to(path) };
        publish(vec![named("/invoices/1"), named("/invoices/2")])
    };
    assert_eq!(code(&chain(&[twice]).run(&events(&["{}"]))[0]), "P164");
}

#[test]
fn one_event_fails_and_its_neighbours_go_on() {
    let picky: Transform = |_, payload| match payload {
        b"bad" => {
            Answer::Verdict(Verdict::Reject { code: "not-json".to_owned(), reason: "line 1".to_owned() })
        }
        b"far" => publish(vec![to("/elsewhere")]),
        b"later" => Answer::Verdict(Verdict::Retry { reason: "warming up".to_owned(), after: None }),
        b"drop" => Answer::Verdict(Verdict::Discard("not ours".to_owned())),
        _ => publish(vec![message()]),
    };
    let pass: Transform = |_, _| publish(vec![message()]);
    for plugins in [&[picky][..], &[pass, picky][..]] {
        let rendered = chain(plugins).run(&events(&["good", "bad", "far", "later", "drop", "good"]));
        assert!(matches!(&rendered[0], Rendered::Messages(messages) if messages.len() == 1));
        assert_eq!([code(&rendered[1]), code(&rendered[2]), code(&rendered[3])], ["P161", "R401", "P160"]);
        assert!(matches!(&rendered[4], Rendered::Messages(messages) if messages.is_empty()));
        assert!(matches!(&rendered[5], Rendered::Messages(messages) if messages.len() == 1));
    }
}

#[test]
fn a_halt_outweighs_what_other_messages_of_the_event_became() {
    let fan_out: Transform = |_, _| {
        let named = |slot: &str| PluginMessage {
            slot: Some(slot.to_owned()),
            key: Content::Bytes(slot.into()),
            ..message()
        };
        publish(vec![named("a"), named("b")])
    };
    let halts: Transform = |key, _| match key {
        "a" => Answer::Verdict(Verdict::Halt("schema changed".to_owned())),
        _ => Answer::Verdict(Verdict::Reject { code: "x".to_owned(), reason: "y".to_owned() }),
    };
    let rendered = chain(&[fan_out, halts]).run(&events(&["{}"]));
    assert!(matches!(&rendered[0], Rendered::Halt(reason) if reason.contains("schema changed")));
}

#[tokio::test]
async fn a_new_generation_is_noticed_and_taken_over() {
    let (sender, live) = watch::channel(build("aaaaaa", |_, _| publish(vec![message()])));
    let stage = Stage::new(live, Grant::default()).unwrap();
    let mut chain = Chain::new("shop".to_owned(), router(), vec![stage]);
    sender.send_replace(build("bbbbbb", |_, _| Answer::Verdict(Verdict::Discard("new".to_owned()))));
    chain.changed().await;
    assert_eq!(chain.renew().unwrap(), ["scripted: aaaaaa → bbbbbb"]);
    assert!(only(chain.run(&events(&["{}"]))).is_empty());
    assert!(chain.renew().unwrap().is_empty(), "the same generation is not taken over twice");
}

#[test]
fn what_a_build_on_probation_fails_on_is_tried_again_soon() {
    let fault: Transform = |_, _| Answer::Fault(Fault { code: "P120", detail: "a trap".to_owned() });
    let tried = build("aaaaaa", fault);
    let (_, live) = watch::channel(Arc::clone(&tried));
    let stage = Stage::new(live, Grant::default()).unwrap();
    let mut chain = Chain::new("shop".to_owned(), router(), vec![stage]);
    let mut within = || match &chain.run(&events(&["{}"]))[0] {
        Rendered::Fail(failure) => failure.retry_within,
        other => panic!("{other:?}"),
    };
    assert_eq!(within(), None);
    tried.record().begin_probation(Arc::default());
    assert_eq!(within(), Some(super::SOON));
    tried.record().end_probation();
    assert_eq!(within(), None);
}

#[test]
fn an_event_whose_payload_was_not_read_fails_and_no_plugin_takes_it_for_a_tombstone() {
    let by_payload: Transform = |_, payload| match payload {
        b"" => publish(vec![to("/invoices/of-a-tombstone")]),
        _ => publish(vec![message()]),
    };
    let mut batch = batch_of(&["before"]);
    let withheld = EventFields {
        id: "01JE",
        aggregate_type: "order",
        aggregate_id: "order-2",
        attributes: &[("tenant", "a"), (WITHHELD, "104857600")],
        ..EventFields::default()
    };
    batch.push(&withheld).unwrap();
    // An operator gave this one a payload: what its source noted means nothing any more.
    batch.push(&EventFields { payload: Some(b"small"), ..withheld }).unwrap();
    let batch = Arc::new(batch);
    for plugins in [&[][..], &[by_payload], &[by_payload, by_payload]] {
        let rendered = chain(plugins).run(&batch);
        assert_eq!(code(&rendered[1]), "D318", "{} plugins", plugins.len());
        for delivered in [0, 2] {
            let Rendered::Messages(messages) = &rendered[delivered] else { panic!("{rendered:?}") };
            assert_eq!(messages.len(), 1, "{} plugins", plugins.len());
            assert_eq!(messages[0].address.place, "/order", "{} plugins", plugins.len());
        }
    }
}
