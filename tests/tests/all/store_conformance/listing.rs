//! What people are shown.

use std::time::{SystemTime, UNIX_EPOCH};

use relay::store::{DeadAction, DeadFilter, HeldEvent, HeldState, KeyQueue, LaneId, Settlement, WaitsFor};
use relay_engine::event::KeyId;

use super::place::Place;
use super::sample::{LATER, Owner, event, failure, held, id, lane, message, position, take};

/// A minute, in microseconds: what clocks of one machine may differ by at most.
const MINUTE: u64 = 60_000_000;

fn is_now(time: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    u128::from(time).abs_diff(now) < u128::from(MINUTE)
}

pub(crate) async fn counts_add_up(place: &Place) {
    let mut kafka = Owner::of(place, "kafka").await;
    let nats = Owner::of(place, "nats").await;
    let settlement = Settlement {
        position: Some(position(9)),
        generation: vec!["sha256:one".to_owned()],
        delivered: 5,
        discarded: 2,
        held: vec![held(1, "a", LATER), held(2, "a", HeldState::Blocked), held(3, "b", HeldState::Dead)],
        ..Settlement::default()
    };
    kafka.settle(settlement).await;
    kafka.settle(Settlement { delivered: 1, discarded: 1, ..Settlement::default() }).await;

    let lanes = place.open().await.lanes().await.unwrap();
    assert_eq!(lanes.iter().map(|it| &it.lane).collect::<Vec<_>>(), [&kafka.lane, &nats.lane]);
    let [kafka, nats] = &lanes[..] else { panic!("two lanes") };
    assert_eq!((kafka.delivered, kafka.discarded), (6, 3));
    assert_eq!((kafka.parked, kafka.dead), (2, 1));
    assert_eq!((kafka.owner.as_str(), kafka.term), ("relay-1", 1));
    assert_eq!(kafka.position, Some(position(9)));
    assert!(kafka.settled_at.is_some_and(is_now), "{:?}", kafka.settled_at);
    assert_eq!((nats.delivered, nats.parked, nats.dead, nats.settled_at), (0, 0, 0, None));
}

pub(crate) async fn dead_letters_are_told_whole(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let letter =
        HeldEvent { messages: Some(vec![message("0")]), attempts: 7, ..held(1, "a", HeldState::Dead) };
    let blocked = [2, 3].map(|it| held(it, "a", HeldState::Blocked));
    owner.hold([vec![letter, held(4, "b", LATER)], blocked.into()].concat()).await;

    let dead = place.open().await.dead(&DeadFilter::default(), 10, 0).await.unwrap();
    assert_eq!(dead.len(), 1);
    let dead = &dead[0];
    assert_eq!((&dead.lane, &dead.event), (&owner.lane, &event(1, "a")));
    assert_eq!(dead.messages.as_deref(), Some(&[message("0")][..]));
    assert_eq!((dead.attempts, dead.code.as_str(), dead.detail.as_str()), (7, "S201", "the sink said S201"));
    assert_eq!((&dead.generation[..], dead.blocked), (&["sha256:one".to_owned()][..], 2));
    assert!(is_now(dead.dead_at), "{}", dead.dead_at);
}

pub(crate) async fn each_filter_narrows_and_all_must_hold(place: &Place) {
    let mut kafka = Owner::of(place, "kafka").await;
    let mut nats = Owner::of(place, "nats").await;
    let coded = HeldEvent { failure: Some(failure("P101")), ..held(2, "b", HeldState::Dead) };
    kafka.hold(vec![held(1, "a", HeldState::Dead), coded, held(3, "a", HeldState::Blocked)]).await;
    nats.hold(vec![held(1, "a", HeldState::Dead)]).await;
    let other = LaneId::new("users", "kafka");
    let store = place.open().await;
    let mut lease = take(store.as_ref(), &other, "relay-1").await.unwrap().lease;
    let held = Settlement { held: vec![held(9, "a", HeldState::Dead)], ..Settlement::default() };
    store.settle(&other, &mut lease, &held).await.unwrap();

    let some = |text: &str| Some(text.to_owned());
    let any = DeadFilter::default;
    for (filter, expected) in [
        (any(), vec![("kafka", 1), ("nats", 1), ("kafka", 2), ("kafka", 9)]),
        (DeadFilter { pipeline: some("users"), ..any() }, vec![("kafka", 9)]),
        (DeadFilter { sink: some("nats"), ..any() }, vec![("nats", 1)]),
        (DeadFilter { event_id: Some(id(1)), ..any() }, vec![("kafka", 1), ("nats", 1)]),
        (DeadFilter { aggregate_id: some("b"), ..any() }, vec![("kafka", 2)]),
        (DeadFilter { code: some("P101"), ..any() }, vec![("kafka", 2)]),
        (DeadFilter { code: some("P101"), aggregate_id: some("a"), ..any() }, vec![]),
        (DeadFilter { event_id: Some(id(3)), ..any() }, vec![]),
    ] {
        let found = store.dead(&filter, 10, 0).await.unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.lane.sink.as_str(), it.event.sequence)).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(
            store.request(&filter, &DeadAction::Retry).await.unwrap().letters,
            expected.len() as u64,
            "{filter:?}"
        );
    }
}

pub(crate) async fn pages_follow_outbox_order(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold([14, 3, 25, 7, 11].map(|it| held(it, "a", HeldState::Dead)).into()).await;
    let page = async |limit, offset| {
        let found = owner.store.dead(&DeadFilter::default(), limit, offset).await.unwrap();
        found.into_iter().map(|it| it.event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(page(2, 0).await, [3, 7]);
    assert_eq!(page(2, 2).await, [11, 14]);
    assert_eq!(page(2, 4).await, [25]);
    assert_eq!(page(2, 6).await, [] as [u64; 0]);
    assert_eq!(owner.lane, lane("kafka"));
}

pub(crate) async fn what_is_held_of_an_event_is_told_with_what_it_waits_for(place: &Place) {
    let mut kafka = Owner::of(place, "kafka").await;
    let mut nats = Owner::of(place, "nats").await;
    let parked = HeldEvent { attempts: 3, delivered: vec!["a".to_owned()], ..held(2, "a", LATER) };
    let blocked = [3, 4].map(|it| held(it, "a", HeldState::Blocked));
    // Under skip_after_dead_letter a dead one stands before one that is parked, and is not what the others wait for.
    kafka.hold([vec![held(1, "a", HeldState::Dead), parked], blocked.into()].concat()).await;
    nats.hold(vec![held(4, "a", HeldState::Dead), held(9, "b", LATER)]).await;
    let store = place.open().await;

    let both = store.held(&id(4)).await.unwrap();
    assert_eq!(both.iter().map(|it| &it.lane).collect::<Vec<_>>(), [&kafka.lane, &nats.lane]);
    let [in_kafka, in_nats] = &both[..] else { panic!("two lanes") };
    assert_eq!((&in_kafka.event, in_kafka.waits_for), (&event(4, "a"), WaitsFor::Key));
    assert_eq!((in_kafka.ahead, in_kafka.behind.clone()), (3, Some(id(2))));
    assert_eq!((in_kafka.attempts, &in_kafka.failure), (0, &None));
    assert!(is_now(in_kafka.held_at), "{}", in_kafka.held_at);
    assert!(matches!(in_nats.waits_for, WaitsFor::Operator { dead_at } if is_now(dead_at)), "{in_nats:?}");
    assert_eq!((in_nats.ahead, &in_nats.behind), (0, &None));
    assert_eq!(in_nats.failure, Some(("S201".to_owned(), "the sink said S201".to_owned())));

    let parked = store.held(&id(2)).await.unwrap();
    let WaitsFor::Attempt { due_at } = parked[0].waits_for else { panic!("{parked:?}") };
    assert!(is_now(due_at - 3_600_000_000), "due in an hour: {due_at}");
    assert_eq!((parked[0].attempts, &parked[0].delivered[..]), (3, &["a".to_owned()][..]));
    assert_eq!(
        (&parked[0].generation[..], parked[0].behind.clone()),
        (&["sha256:one".to_owned()][..], Some(id(1)))
    );
    assert_eq!(store.held("nobody").await.unwrap(), []);

    let queues = store.queues(KeyId::of("a")).await.unwrap();
    let expected = [(kafka.lane.clone(), id(1), 4), (nats.lane.clone(), id(4), 1)]
        .map(|(lane, first, events)| KeyQueue { lane, first, events });
    assert_eq!(queues, expected);
    assert_eq!(store.queues(KeyId::of("nobody")).await.unwrap(), []);
}
