//! What a shadow finds, and that it holds up nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use relay_engine::message::Content;
use relay_engine::verdict::{PluginMessage, Verdict};

use super::compare::differences;
use super::{ShadowTap, Tally, shadowed};
use crate::plugin::host::testing::{OBEDIENT, WIT, component, config, events, obedient};
use crate::plugin::host::{Build, PluginHost};
use crate::plugin::{Answer, Fault, Generation};

const PATIENCE: Duration = Duration::from_secs(60);

fn generation(bytes: Vec<u8>) -> Arc<dyn Generation> {
    let config = config("plugin.wasm");
    PluginHost::new().unwrap().load_build(&config, &Build::new(bytes, &config.config)).unwrap()
}

/// Traps on every event.
fn trapping() -> Vec<u8> {
    let discards = "(call $discard (local.get $verdict) (i32.const 100) (i32.const 4))\n";
    component(&OBEDIENT.replacen(discards, "(call $trap_as_asked)\n", 1), WIT)
}

fn until(tally: &Tally, holds: impl Fn(u64, u64, u64) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (compared, differing, skipped) = tally.so_far();
        if holds(compared, differing, skipped) {
            return;
        }
        assert!(Instant::now() < deadline, "{compared} compared, {differing} differ, {skipped} skipped");
        std::thread::yield_now();
    }
}

#[test]
fn what_comes_out_otherwise_is_counted_and_what_is_live_answers_as_before() {
    let tap = Arc::new(ShadowTap::new("a"));
    let mut plugin = shadowed(generation(obedient()), &tap).instantiate().unwrap();
    let mut answers = Vec::new();
    plugin.run("shop", &events(&["a", "b"]), &mut answers);
    let tally = tap.set(Some(generation(trapping()))).unwrap().unwrap();
    plugin.run("shop", &events(&["p", "a", "t", "p"]), &mut answers);
    until(&tally, |compared, differing, skipped| (compared, differing, skipped) == (4, 3, 0));
    assert_eq!(answers.len(), 6);
    assert!(matches!(&answers[3], Answer::Verdict(Verdict::Discard(_))), "{answers:?}");
    // The same build beside itself differs in nothing, not in the time that the clock shows either.
    let tally = tap.set(Some(generation(obedient()))).unwrap().unwrap();
    plugin.run("shop", &events(&["c", "p", "a"]), &mut answers);
    until(&tally, |compared, _, _| compared == 3);
    assert_eq!(tally.so_far(), (3, 0, 0));
    assert!(tap.set(None).unwrap().is_none());
    plugin.run("shop", &events(&["a"]), &mut answers);
    assert_eq!(tally.so_far(), (3, 0, 0));
    // The live build's clock goes on when nothing runs beside it any more.
    let deadline = Instant::now() + PATIENCE;
    let mut shows = || {
        answers.clear();
        plugin.run("shop", &events(&["c"]), &mut answers);
        answers[0].clone()
    };
    let first = shows();
    while shows() == first {
        assert!(Instant::now() < deadline, "the clock stands still");
    }
}

#[test]
fn a_build_that_can_not_keep_up_is_left_out_and_holds_up_nobody() {
    let tap = Arc::new(ShadowTap::new("a"));
    let live = shadowed(generation(obedient()), &tap);
    let looping = OBEDIENT.replacen(
        "(call $discard (local.get $verdict) (i32.const 100) (i32.const 4))\n",
        "(loop $ever (br $ever))\n",
        1,
    );
    let tally = tap.set(Some(generation(component(&looping, WIT)))).unwrap().unwrap();
    let mut plugin = live.instantiate().unwrap();
    let before = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..200 {
        plugin.run("shop", &events(&["a"]), &mut answers);
    }
    // 200 times its time limit of 20 ms would be 4 s of CPU time.
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
    assert_eq!(answers.len(), 200);
    until(&tally, |compared, differing, skipped| skipped > 100 && differing > 0 && compared + skipped > 150);
}

fn publish(message: PluginMessage) -> Answer {
    Answer::Verdict(Verdict::Publish(vec![message]))
}

fn unchanged() -> PluginMessage {
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

#[test]
fn differences_are_told_by_field_and_never_by_value() {
    let payload = br#"{"total": 12, "customer": {"email": "a@example.org", "id": 7}}"#;
    let told = |live: &Answer, other: &Answer| differences(Some(payload), live, other).join("; ");
    let same = publish(unchanged());
    assert_eq!(
        told(&same, &publish(PluginMessage { body: Content::Bytes(payload.to_vec()), ..unchanged() })),
        ""
    );
    let hidden = br#"{"total": 12, "customer": {"id": 7}, "by/me": 1}"#;
    let other = PluginMessage {
        slot: Some("a".to_owned()),
        body: Content::Bytes(hidden.to_vec()),
        headers: vec![("tenant".to_owned(), b"blue".to_vec())],
        ..unchanged()
    };
    assert_eq!(
        told(&same, &publish(other)),
        "message 1: slot; message 1: header tenant; message 1: body at /customer/email, /by~1me"
    );
    let spaced = br#"{"total":12,"customer":{"email":"a@example.org","id":7}}"#;
    let spaced = publish(PluginMessage { body: Content::Bytes(spaced.to_vec()), ..unchanged() });
    assert!(told(&same, &spaced).contains("way of writing"), "{}", told(&same, &spaced));
    let discard = |reason: &str| Answer::Verdict(Verdict::Discard(reason.to_owned()));
    assert_eq!(told(&same, &discard("a")), "publish → discard");
    assert_eq!(told(&discard("a"), &discard("b")), "the reason");
    let fault = |code, detail: &str| Answer::Fault(Fault { code, detail: detail.to_owned() });
    assert_eq!(told(&same, &fault("P120", "here")), "publish → fault P120");
    assert_eq!(told(&fault("P120", "here"), &fault("P120", "there")), "");
    let two = Answer::Verdict(Verdict::Publish(vec![unchanged(), unchanged()]));
    assert_eq!(told(&same, &two), "1 → 2 messages");
}
