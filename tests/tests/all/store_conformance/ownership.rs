//! Progress, terms and who may write.

use std::time::Duration;

use relay::store::{
    Acquired, Claim, DeadAction, DeadFilter, HeldKey, HeldState, LaneId, Lease, Settlement, StoreError,
};
use relay_engine::event::{KeyId, Shard};

use super::place::Place;
use super::sample::{LATER, NOW, Owner, claim, done, failed, held, lane, position, take, up_to};

fn moving(after: u64) -> Settlement {
    Settlement { position: Some(position(after)), ..Settlement::default() }
}

pub(crate) async fn a_new_lane_has_no_progress(place: &Place) {
    let store = place.open().await;
    let record = take(store.as_ref(), &lane("kafka"), "relay-1").await.unwrap();
    assert_eq!(record.lease, Lease { term: 1, version: 0 });
    assert_eq!((record.position, record.parked, record.dead), (None, 0, 0));
    assert!(record.generation.is_empty() && record.held_keys.is_empty());
    assert_eq!(store.next_due(&lane("kafka")).await.unwrap(), None);
}

pub(crate) async fn progress_survives_a_reopen(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let generation = vec!["sha256:one".to_owned(), "sha256:two".to_owned()];
    owner.settle(Settlement { generation: generation.clone(), ..moving(41) }).await;
    owner.settle(Settlement { generation: generation.clone(), ..moving(42) }).await;
    assert_eq!(owner.lease, Lease { term: 1, version: 2 });
    drop(owner);

    let record = take(place.open().await.as_ref(), &lane("kafka"), "relay-2").await.unwrap();
    assert_eq!(record.lease, Lease { term: 2, version: 2 });
    assert_eq!(record.position, Some(position(42)));
    assert_eq!(record.generation, generation);
}

pub(crate) async fn a_settlement_without_a_position_leaves_it(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.settle(moving(7)).await;
    owner.settle(Settlement { delivered: 3, ..Settlement::default() }).await;
    let lanes = owner.store.lanes().await.unwrap();
    assert_eq!((lanes[0].position.clone(), lanes[0].delivered), (Some(position(7)), 3));
}

pub(crate) async fn an_older_owner_changes_nothing(place: &Place) {
    let mut old = Owner::of(place, "kafka").await;
    old.hold(vec![held(1, "a", NOW), held(2, "a", HeldState::Blocked), held(3, "b", LATER)]).await;
    let new = Owner::of(place, "kafka").await;
    let before = new.store.lanes().await.unwrap();

    let lease = old.lease.clone();
    let settlement = Settlement {
        delivered: 1,
        retried: vec![done(1, "a"), failed(3, "b", HeldState::Dead)],
        held: vec![held(4, "c", NOW)],
        ..moving(9)
    };
    let refused = old.store.settle(&old.lane, &mut old.lease, &settlement).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Lost { term: 1, .. }), "{refused}");
    assert!(refused.to_string().starts_with("T501"), "{refused}");
    assert_eq!(old.lease, lease, "a loser's lease stays");

    assert_eq!(new.store.lanes().await.unwrap(), before);
    assert_eq!((new.due().await, new.dead().await), (vec![1], vec![]));
}

pub(crate) async fn an_older_owner_carries_out_no_request(place: &Place) {
    let mut old = Owner::of(place, "kafka").await;
    old.hold(vec![held(1, "a", HeldState::Dead)]).await;
    assert_eq!(old.store.request(&DeadFilter::default(), &DeadAction::Retry).await.unwrap().letters, 1);
    let mut new = Owner::of(place, "kafka").await;

    let refused = old.store.apply_requests(&old.lane, &mut old.lease).await.unwrap_err();
    assert!(matches!(refused, StoreError::Lost { .. }), "{refused}");
    assert_eq!(new.dead().await, [1]);
    assert_eq!(new.apply().await, 1);
}

pub(crate) async fn of_two_that_settle_at_once_one_wins_whole(place: &Place) {
    let owner = Owner::of(place, "kafka").await;
    let other = place.open().await;
    let mut lease = owner.lease;
    for round in 0..20 {
        let contender = |number: u64| Settlement {
            held: vec![held(10 * round + number, "a", HeldState::Dead)],
            ..moving(10 * round + number)
        };
        let (one, two) = (contender(1), contender(2));
        let (mut first, mut second) = (lease.clone(), lease.clone());
        let (first_result, second_result) = tokio::join!(
            owner.store.settle(&owner.lane, &mut first, &one),
            other.settle(&owner.lane, &mut second, &two),
        );
        let (winner, loser, winning) = match (first_result, second_result) {
            (Ok(()), Err(error)) => (1, error, first),
            (Err(error), Ok(())) => (2, error, second),
            both => panic!("exactly one wins: {both:?}"),
        };
        assert!(matches!(loser, StoreError::Lost { .. }), "{loser}");
        let lanes = other.lanes().await.unwrap();
        assert_eq!(lanes[0].position, Some(position(10 * round + winner)));
        assert_eq!(lanes[0].dead, round + 1, "the loser left no event behind");
        lease = winning;
    }
}

pub(crate) async fn a_new_owner_learns_which_keys_are_held(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner
        .hold(vec![
            held(1, "a", LATER),
            held(2, "a", HeldState::Blocked),
            held(3, "b", HeldState::Dead),
            held(4, "c", NOW),
        ])
        .await;
    let record = take(place.open().await.as_ref(), &owner.lane, "relay-2").await.unwrap();
    let held_key = |key, parked, dead| HeldKey { key: KeyId::of(key), parked, dead };
    let mut expected = vec![held_key("a", 2, 0), held_key("b", 0, 1), held_key("c", 1, 0)];
    expected.sort_by_key(|it| it.key);
    assert_eq!(record.held_keys, expected);
    assert_eq!((record.parked, record.dead), (3, 1));
    let payload = held(1, "a", NOW).event.payload.map_or(0, |it| it.len() as u64);
    assert!((payload..payload + 1_000).contains(&record.mean_bytes) && payload > 0, "{record:?}");
}

pub(crate) async fn lanes_do_not_share_events(place: &Place) {
    let mut kafka = Owner::of(place, "kafka").await;
    let mut nats = Owner::of(place, "nats").await;
    kafka.hold(vec![held(1, "a", NOW)]).await;
    nats.hold(vec![held(1, "a", HeldState::Dead), held(2, "a", HeldState::Blocked)]).await;
    assert_eq!((kafka.due().await, nats.due().await), (vec![1], vec![]));
    kafka.settle(super::sample::retrying(vec![done(1, "a")])).await;
    assert_eq!((kafka.due().await, nats.dead().await), (vec![], vec![1]));
    assert_eq!(take(kafka.store.as_ref(), &kafka.lane, "relay-2").await.unwrap().held_keys, Vec::new());
}

fn claim_for(owner: &str, length: Duration) -> Claim {
    Claim { length, ..claim(owner) }
}

const LONG: Duration = Duration::from_secs(3_600);

pub(crate) async fn a_lease_that_runs_keeps_others_away_until_it_is_given_back(place: &Place) {
    let (store, other) = (place.open().await, place.open().await);
    let lane = lane("kafka");
    let Acquired::Taken(record) = store.acquire(&lane, &claim_for("relay-1", LONG)).await.unwrap() else {
        panic!("nobody had it");
    };
    let term = record.lease.term;
    let Acquired::Held(holder) = other.acquire(&lane, &claim_for("relay-2", LONG)).await.unwrap() else {
        panic!("the lease runs");
    };
    assert_eq!((holder.owner.as_str(), holder.process.as_str()), ("relay-1", "process of relay-1"));
    assert!(holder.term == term && holder.expires_in > LONG / 2, "{holder:?}");
    assert!(store.lanes().await.unwrap()[0].leased);

    store.release(&lane, term).await.unwrap();
    assert!(!store.lanes().await.unwrap()[0].leased);
    let taken = other.acquire(&lane, &claim_for("relay-2", LONG)).await.unwrap();
    assert!(matches!(&taken, Acquired::Taken(record) if record.lease.term == term + 1), "{taken:?}");
}

pub(crate) async fn a_lease_is_renewed_under_its_term_alone(place: &Place) {
    let store = place.open().await;
    let lane = lane("kafka");
    let first = take(store.as_ref(), &lane, "relay-1").await.unwrap().lease;
    // Run out, taken by nobody: still the owner's to renew, and to settle with.
    store.renew(&lane, first.term, LONG, "running").await.unwrap();
    let row = store.lanes().await.unwrap().remove(0);
    assert_eq!((row.leased, row.state.as_str()), (true, "running"));
    let mut settling = first.clone();
    store.settle(&lane, &mut settling, &moving(5)).await.unwrap();
    assert!(matches!(store.acquire(&lane, &claim("relay-2")).await.unwrap(), Acquired::Held(_)));

    store.release(&lane, first.term).await.unwrap();
    assert_eq!(store.lanes().await.unwrap()[0].state, "stopped");
    take(store.as_ref(), &lane, "relay-2").await.unwrap();
    let refused = store.renew(&lane, first.term, LONG, "running").await.unwrap_err();
    assert!(matches!(refused, StoreError::Lost { .. }), "{refused}");
    let refused = store.release(&lane, first.term).await.unwrap_err();
    assert!(matches!(refused, StoreError::Lost { .. }), "{refused}");
}

pub(crate) async fn a_process_takes_over_from_itself_and_from_a_term_known_to_be_gone(place: &Place) {
    let store = place.open().await;
    let lane = lane("kafka");
    let mine = claim_for("relay-1", LONG);
    for term in 1..=2 {
        let taken = store.acquire(&lane, &mine).await.unwrap();
        assert!(matches!(&taken, Acquired::Taken(record) if record.lease.term == term), "{taken:?}");
    }
    let wrong_term = Claim { instead_of: Some(1), ..claim_for("relay-2", LONG) };
    assert!(matches!(store.acquire(&lane, &wrong_term).await.unwrap(), Acquired::Held(_)));
    let right_term = Claim { instead_of: Some(2), ..wrong_term };
    let taken = store.acquire(&lane, &right_term).await.unwrap();
    assert!(matches!(&taken, Acquired::Taken(record) if record.lease.term == 3), "{taken:?}");
}

fn part(index: u32, of: u32) -> LaneId {
    LaneId { shard: Shard { index, of }, ..lane("kafka") }
}

pub(crate) async fn the_parts_of_a_lane_share_nothing_but_their_name(place: &Place) {
    let store = place.open().await;
    let (first, second) = (part(0, 2), part(1, 2));
    let mut lease = take(store.as_ref(), &first, "relay-1").await.unwrap().lease;
    let mut other = take(store.as_ref(), &second, "relay-2").await.unwrap().lease;
    assert_eq!((lease.term, other.term), (1, 1), "each has an owner of its own");
    let settlement = Settlement { held: vec![held(1, "a", HeldState::Dead), held(3, "c", NOW)], ..moving(4) };
    store.settle(&first, &mut lease, &settlement).await.unwrap();
    store
        .settle(&second, &mut other, &Settlement { held: vec![held(2, "b", NOW)], ..moving(7) })
        .await
        .unwrap();

    let due = async |part: &LaneId| {
        let due = store.due(part, up_to(10)).await.unwrap();
        due.into_iter().map(|it| it.event.sequence).collect::<Vec<_>>()
    };
    assert_eq!((due(&first).await, due(&second).await), (vec![3], vec![2]));
    let again = take(store.as_ref(), &second, "relay-2").await.unwrap();
    assert_eq!((again.position, again.parked, again.dead), (Some(position(7)), 1, 0));
    assert_eq!(again.held_keys, [HeldKey { key: KeyId::of("b"), parked: 1, dead: 0 }]);
    let lanes: Vec<_> =
        store.lanes().await.unwrap().into_iter().map(|it| (it.lane, it.parked, it.dead)).collect();
    assert_eq!(lanes, [(first.clone(), 1, 1), (second.clone(), 1, 0)]);

    let asked = store.request(&DeadFilter::default(), &DeadAction::Retry).await.unwrap();
    assert_eq!((asked.letters, asked.requests.len()), (1, 1), "one part has a letter");
    assert_eq!(store.outcome(&asked.requests).await.unwrap().open, std::slice::from_ref(&first));
    let mut other = again.lease;
    assert_eq!(store.apply_requests(&second, &mut other).await.unwrap().letters(), 0);
    assert_eq!(store.apply_requests(&first, &mut lease).await.unwrap().letters(), 1);
}

pub(crate) async fn a_lane_that_is_divided_is_not_divided_otherwise(place: &Place) {
    let store = place.open().await;
    take(store.as_ref(), &part(1, 2), "relay-1").await.unwrap();
    for other in [part(0, 1), part(0, 3), part(2, 3)] {
        let refused = store.acquire(&other, &claim("relay-2")).await.unwrap_err().to_string();
        assert!(refused.starts_with("T511") && refused.contains("2 shards"), "{refused}");
    }
    take(store.as_ref(), &part(0, 2), "relay-2").await.unwrap();
    let elsewhere = LaneId { sink: "nats".to_owned(), ..part(0, 3) };
    take(store.as_ref(), &elsewhere, "relay-2").await.unwrap();
}

pub(crate) async fn who_shares_a_lane_is_counted_while_it_says_so(place: &Place) {
    const LONG: Duration = Duration::from_secs(3600);
    let store = place.open().await;
    let attend =
        async |sink: &str, process: &str, length| store.attend(&lane(sink), process, length).await.unwrap();
    assert_eq!(attend("kafka", "one", LONG).await, 0);
    assert_eq!(attend("kafka", "two", LONG).await, 1);
    assert_eq!(attend("kafka", "one", LONG).await, 1, "again");
    assert_eq!(attend("nats", "one", LONG).await, 0, "each sink for itself");
    attend("kafka", "two", Duration::ZERO).await;
    assert_eq!(attend("kafka", "one", LONG).await, 0, "it left");
}
