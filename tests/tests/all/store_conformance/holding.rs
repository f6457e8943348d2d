//! Parked, blocked and dead events.

use std::time::{Duration, Instant};

use relay::store::{DeadAction, DeadFilter, DueLimit, HeldEvent, HeldState, RetryResult, Settlement};
use relay_engine::event::OwnedEvent;
use relay_engine::message::{Content, Message};

use super::place::Place;
use super::sample::{
    LATER, NOW, Owner, done, event, failed, failure, held, holding, message, retrying, take, up_to,
};

pub(crate) async fn a_held_event_comes_back_byte_for_byte(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let whole = HeldEvent {
        event: OwnedEvent {
            payload: Some((0..=255).collect()),
            headers: vec![("h".to_owned(), vec![0xff, 0]), ("h".to_owned(), Vec::new())],
            attributes: vec![("ü".to_owned(), "'\"\\\n".to_owned()), (String::new(), String::new())],
            ..event(1, "a")
        },
        messages: Some(vec![message("0"), message("audit")]),
        delivered: vec!["audit".to_owned()],
        attempts: 4,
        ..held(1, "a", NOW)
    };
    let tombstone = HeldEvent {
        event: OwnedEvent { payload: None, content_type: None, headers: Vec::new(), ..event(2, "b") },
        ..held(2, "b", NOW)
    };
    let empty = HeldEvent {
        event: OwnedEvent { payload: Some(Vec::new()), ..event(3, "c") },
        messages: Some(Vec::new()),
        ..held(3, "c", NOW)
    };
    let events = vec![whole, tombstone, empty];
    owner.hold(events.clone()).await;

    let due = place.open().await.due(&owner.lane, up_to(10)).await.unwrap();
    assert_eq!(due.len(), 3);
    for (parked, held) in due.into_iter().zip(events) {
        assert_eq!(parked.event, held.event);
        assert_eq!((parked.key, parked.attempts), (held.key, held.attempts));
        assert_eq!((parked.messages, parked.delivered), (held.messages, held.delivered));
    }
}

pub(crate) async fn a_parked_event_is_due_only_after_its_time(place: &Place) {
    let wait = Duration::from_millis(400);
    let mut owner = Owner::of(place, "kafka").await;
    let before = Instant::now();
    owner.hold(vec![held(1, "a", HeldState::Parked { after: wait }), held(2, "b", LATER)]).await;
    // The first answers may come late on a busy machine, but never with an event before its time.
    loop {
        let due = owner.due().await;
        // The clock of SQLite counts milliseconds.
        if before.elapsed() < wait.saturating_sub(Duration::from_millis(2)) {
            assert_eq!(due, [] as [u64; 0], "due after {:?}", before.elapsed());
        }
        if !due.is_empty() {
            assert_eq!(due, [1]);
            break;
        }
        let next = owner.store.next_due(&owner.lane).await.unwrap().unwrap();
        assert!(next <= wait, "{next:?}");
        tokio::time::sleep(next).await;
    }
    owner.settle(retrying(vec![done(1, "a")])).await;
    let next = owner.store.next_due(&owner.lane).await.unwrap().unwrap();
    assert!(next > Duration::from_secs(3_000) && next <= Duration::from_secs(3_600), "{next:?}");
}

pub(crate) async fn due_events_are_limited_and_in_outbox_order(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold([5, 12, 3, 8, 1].map(|it| held(it, &format!("key {it}"), NOW)).into()).await;
    assert_eq!(owner.due().await, [1, 3, 5, 8, 12]);
    assert_eq!(owner.store.due(&owner.lane, up_to(2)).await.unwrap().len(), 2);
    assert_eq!(owner.store.next_due(&owner.lane).await.unwrap(), Some(Duration::ZERO));
}

pub(crate) async fn due_events_are_limited_by_their_bytes_and_one_comes_whatever_its_size(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let sized = |sequence: u64, bytes: usize, messages| {
        let payload = Some(vec![b'x'; bytes]);
        let key = format!("key {sequence}");
        HeldEvent {
            event: OwnedEvent { payload, ..event(sequence, &key) },
            messages,
            ..held(sequence, &key, NOW)
        }
    };
    let rendered = Message { body: Content::Bytes(vec![b'y'; 30_000]), ..message("0") };
    // One settlement each, so that they are due in this order.
    for held in [
        sized(4, 20_000, None),
        sized(3, 20_000, None),
        sized(2, 100, Some(vec![rendered])),
        sized(1, 100, None),
    ] {
        owner.hold(vec![held]).await;
        // A store's clock may count in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for (bytes, expected) in [(1_000, vec![4]), (42_000, vec![3, 4]), (90_000, vec![1, 2, 3, 4])] {
        let limit = DueLimit { events: 10, bytes };
        let due = owner.store.due(&owner.lane, limit).await.unwrap();
        let sequences: Vec<_> = due.iter().map(|it| it.event.sequence).collect();
        assert_eq!(sequences, expected, "within {bytes} bytes");
    }
}

pub(crate) async fn the_next_of_a_key_moves_up_when_the_first_is_done(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let waiting = [2, 13, 4].map(|it| held(it, "a", HeldState::Blocked));
    owner.hold([vec![held(1, "a", NOW)], waiting.into()].concat()).await;
    for next in [1, 2, 4, 13] {
        assert_eq!(owner.due().await, [next], "one of the key at a time, in order");
        owner.settle(retrying(vec![done(next, "a")])).await;
    }
    assert_eq!(owner.due().await, [] as [u64; 0]);
    assert!(take(owner.store.as_ref(), &owner.lane, "relay-2").await.unwrap().held_keys.is_empty());
}

pub(crate) async fn a_blocked_event_whose_key_is_free_is_due_at_once(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", NOW)]).await;
    // The lane saw the key held when it decided; the settlement itself sets it free.
    let settlement =
        Settlement { retried: vec![done(1, "a")], ..holding(vec![held(2, "a", HeldState::Blocked)]) };
    owner.settle(settlement).await;
    assert_eq!(owner.due().await, [2]);
    owner.hold(vec![held(3, "b", HeldState::Blocked), held(4, "b", HeldState::Blocked)]).await;
    assert_eq!(owner.due().await, [2, 3]);
}

pub(crate) async fn a_key_never_has_two_parked_events(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(7, "a", NOW)]).await;
    // A transaction that committed late brings an earlier place of the same key.
    owner.hold(vec![held(5, "a", HeldState::Blocked), held(8, "a", HeldState::Blocked)]).await;
    assert_eq!(owner.due().await, [7]);
    owner.settle(retrying(vec![failed(7, "a", NOW)])).await;
    assert_eq!(owner.due().await, [7], "what was tried first stays first");
    owner.settle(retrying(vec![done(7, "a")])).await;
    assert_eq!(owner.due().await, [5]);
}

pub(crate) async fn a_dead_letter_blocks_its_key(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", NOW), held(2, "a", HeldState::Blocked)]).await;
    owner.settle(retrying(vec![failed(1, "a", HeldState::Dead)])).await;
    owner.hold(vec![held(3, "a", HeldState::Blocked), held(4, "b", NOW)]).await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![4], vec![1]));
    owner.settle(retrying(vec![done(4, "b")])).await;
    assert_eq!(owner.store.next_due(&owner.lane).await.unwrap(), None);
}

pub(crate) async fn a_dead_letter_that_is_skipped_lets_its_key_pass(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let skipping = |settlement| Settlement { skip_dead: true, ..settlement };
    owner.hold(vec![held(1, "a", NOW), held(2, "a", HeldState::Blocked)]).await;
    owner.settle(skipping(retrying(vec![failed(1, "a", HeldState::Dead)]))).await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![2], vec![1]));
    owner.settle(skipping(holding(vec![held(3, "a", HeldState::Blocked)]))).await;
    assert_eq!(owner.due().await, [2], "the living still go one at a time");
    owner.settle(skipping(retrying(vec![done(2, "a")]))).await;
    assert_eq!(owner.due().await, [3]);
}

pub(crate) async fn a_dead_letter_of_a_parked_key_takes_what_waits_behind_it(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let parking = |settlement| Settlement { buries: Some(failure("E601")), ..settlement };
    let waiting = [2, 13, 4].map(|it| held(it, "a", HeldState::Blocked));
    let other = [held(5, "b", NOW), held(6, "b", HeldState::Blocked)];
    owner.settle(parking(holding([vec![held(1, "a", NOW)], waiting.into(), other.into()].concat()))).await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![1, 5], vec![]), "nothing is dead yet");
    owner.settle(parking(retrying(vec![failed(1, "a", HeldState::Dead)]))).await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![5], vec![1, 2, 4, 13]));
    let with_it = owner.store.dead(&super::sample::only(4), 1, 0).await.unwrap();
    assert_eq!((with_it[0].code.as_str(), with_it[0].attempts), ("E601", 0));
    // What is behind a dead letter when it is recorded is buried with it, what stands before it is not.
    owner.settle(parking(holding(vec![held(14, "a", HeldState::Blocked)]))).await;
    owner
        .settle(parking(holding(vec![held(9, "c", HeldState::Dead), held(8, "c", HeldState::Blocked)])))
        .await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![5, 8], vec![1, 2, 4, 9, 13, 14]));
    let filter = DeadFilter { aggregate_id: Some("a".to_owned()), ..DeadFilter::default() };
    owner.store.request(&filter, &DeadAction::Retry).await.unwrap();
    assert_eq!(owner.store.apply_requests(&owner.lane, &mut owner.lease).await.unwrap().letters(), 5);
    for next in [1, 2, 4, 13, 14] {
        assert!(owner.due().await.contains(&next), "the key as a whole, in its order");
        owner.settle(parking(retrying(vec![done(next, "a")]))).await;
    }
    assert_eq!((owner.due().await, owner.dead().await), (vec![5, 8], vec![9]));
}

pub(crate) async fn what_waits_before_a_dead_letter_of_a_parked_key_stays(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let parking = |settlement| Settlement { buries: Some(failure("E601")), ..settlement };
    // A transaction that committed late brought earlier places of the key.
    let late = [held(7, "a", NOW), held(5, "a", HeldState::Blocked), held(6, "a", HeldState::Blocked)];
    owner.settle(parking(holding(late.into()))).await;
    owner.settle(parking(holding(vec![held(8, "a", HeldState::Blocked)]))).await;
    owner.settle(parking(retrying(vec![failed(7, "a", HeldState::Dead)]))).await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![5], vec![7, 8]));
    owner.settle(parking(retrying(vec![done(5, "a")]))).await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![6], vec![7, 8]));
}

pub(crate) async fn an_event_that_failed_again_waits_with_what_it_learned(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", NOW), held(2, "b", NOW)]).await;
    let mut again = failed(1, "a", NOW);
    again.result = RetryResult::Held {
        state: NOW,
        attempts: 5,
        failure: failure("S203"),
        messages: Some(vec![message("0")]),
        delivered: vec!["0".to_owned()],
    };
    owner.settle(retrying(vec![again, failed(2, "b", LATER)])).await;
    let due = owner.store.due(&owner.lane, up_to(10)).await.unwrap();
    assert_eq!(due.len(), 1, "the other waits for its time");
    assert_eq!((due[0].attempts, due[0].messages.as_deref()), (5, Some(&[message("0")][..])));
    assert_eq!(due[0].delivered, ["0"]);

    let settlement = Settlement {
        generation: vec!["sha256:two".to_owned()],
        ..retrying(vec![failed(1, "a", HeldState::Dead), failed(2, "b", HeldState::Dead)])
    };
    owner.settle(settlement).await;
    let dead = owner.store.dead(&super::sample::only(1), 1, 0).await.unwrap();
    assert_eq!((dead[0].attempts, dead[0].code.as_str()), (2, "S202"));
    assert_eq!(dead[0].generation, [] as [&str; 0], "the settlement that rendered it named no plugin");
    let dead = owner.store.dead(&super::sample::only(2), 1, 0).await.unwrap();
    assert_eq!(dead[0].generation, ["sha256:two"], "its plugins ran for this attempt");
}

pub(crate) async fn messages_that_are_not_rendered_again_stay(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let rendered = HeldEvent { messages: Some(vec![message("0")]), ..held(1, "a", NOW) };
    owner.hold(vec![rendered]).await;
    let settlement = Settlement {
        generation: vec!["sha256:two".to_owned()],
        ..retrying(vec![failed(1, "a", HeldState::Dead)])
    };
    owner.settle(settlement).await;
    let dead = owner.store.dead(&super::sample::only(1), 1, 0).await.unwrap();
    assert_eq!(dead[0].messages.as_deref(), Some(&[message("0")][..]));
    assert_eq!(dead[0].generation, ["sha256:one"], "no plugin ran for this attempt");
}

pub(crate) async fn an_event_held_twice_keeps_its_first_row(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![HeldEvent { attempts: 3, ..held(1, "a", HeldState::Dead) }]).await;
    owner.hold(vec![HeldEvent { attempts: 1, ..held(1, "a", NOW) }, held(2, "b", NOW)]).await;
    assert_eq!((owner.due().await, owner.dead().await), (vec![2], vec![1]));
    let dead = owner.store.dead(&super::sample::only(1), 1, 0).await.unwrap();
    assert_eq!(dead[0].attempts, 3);
}
