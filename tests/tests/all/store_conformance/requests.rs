//! Sending dead letters again.

use relay::store::{DeadAction, DeadAgain, DeadFilter, Extent, HeldEvent, HeldState, Outcome};

use super::place::Place;
use super::sample::{NOW, Owner, done, failed, failure, held, message, only, retrying, up_to};

pub(crate) async fn a_retry_request_parks_a_dead_letter_again(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead), held(2, "a", HeldState::Blocked)]).await;
    assert_eq!(owner.apply().await, 0, "nobody asked");
    let version = owner.lease.version;

    // The command line is another process.
    assert_eq!(place.open().await.request(&only(1), &DeadAction::Retry).await.unwrap().letters, 1);
    assert_eq!(owner.dead().await, [1], "the owner has not seen the request yet");
    assert_eq!(owner.apply().await, 1);
    assert_eq!(owner.lease.version, version + 1);

    let due = owner.store.due(&owner.lane, up_to(10)).await.unwrap();
    assert_eq!((due.len(), due[0].event.sequence, due[0].attempts), (1, 1, 0));
    assert_eq!(owner.dead().await, [] as [u64; 0]);
    owner.settle(retrying(vec![done(1, "a")])).await;
    assert_eq!(owner.due().await, [2], "the key goes on");
}

pub(crate) async fn a_request_is_carried_out_once(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead)]).await;
    assert_eq!(owner.store.request(&only(1), &DeadAction::Retry).await.unwrap().letters, 1);
    assert_eq!(owner.apply().await, 1);
    owner.settle(retrying(vec![failed(1, "a", HeldState::Dead)])).await;
    assert_eq!(owner.apply().await, 0);
    assert_eq!(owner.dead().await, [1]);
    assert_eq!(
        owner.store.request(&only(1), &DeadAction::Retry).await.unwrap().letters,
        1,
        "asked again, it goes again"
    );
    assert_eq!(owner.apply().await, 1);
}

pub(crate) async fn dead_letters_of_a_key_are_sent_again_one_after_another(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold([12, 3, 5].map(|it| held(it, "a", HeldState::Dead)).into()).await;
    owner.hold(vec![held(4, "b", HeldState::Dead)]).await;
    assert_eq!(owner.store.request(&DeadFilter::default(), &DeadAction::Retry).await.unwrap().letters, 4);
    assert_eq!(owner.apply().await, 4);
    assert_eq!(owner.due().await, [3, 4]);
    owner.settle(retrying(vec![done(3, "a")])).await;
    assert_eq!(owner.due().await, [4, 5]);
    owner.settle(retrying(vec![done(5, "a")])).await;
    assert_eq!(owner.due().await, [4, 12]);
}

pub(crate) async fn a_letter_behind_a_dead_one_waits_for_it(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let (first, last) = (held(5, "a", HeldState::Dead), held(7, "a", HeldState::Dead));
    owner.hold(vec![first, held(6, "a", HeldState::Blocked), last]).await;
    assert_eq!(owner.store.request(&only(7), &DeadAction::Retry).await.unwrap().letters, 1);
    assert_eq!(owner.apply().await, 1);
    assert_eq!(owner.due().await, [] as [u64; 0], "6 and 7 wait for 5");
    assert_eq!(owner.store.request(&only(5), &DeadAction::Retry).await.unwrap().letters, 1);
    assert_eq!(owner.apply().await, 1);
    for next in [5, 6, 7] {
        assert_eq!(owner.due().await, [next]);
        owner.settle(retrying(vec![done(next, "a")])).await;
    }
}

pub(crate) async fn a_revived_letter_waits_behind_the_parked_event_of_its_key(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead), held(2, "a", NOW)]).await;
    assert_eq!(owner.store.request(&only(1), &DeadAction::Retry).await.unwrap().letters, 1);
    assert_eq!(owner.apply().await, 1);
    assert_eq!(owner.due().await, [2], "2 may be on its way already");
    owner.settle(retrying(vec![done(2, "a")])).await;
    assert_eq!(owner.due().await, [1]);
}

pub(crate) async fn a_request_reaches_only_what_it_names(place: &Place) {
    let mut kafka = Owner::of(place, "kafka").await;
    let mut nats = Owner::of(place, "nats").await;
    for owner in [&mut kafka, &mut nats] {
        owner.hold(vec![held(1, "a", HeldState::Dead), held(2, "b", HeldState::Dead)]).await;
    }
    let both = DeadFilter { aggregate_id: Some("a".to_owned()), ..DeadFilter::default() };
    assert_eq!(kafka.store.request(&both, &DeadAction::Retry).await.unwrap().letters, 2);
    assert_eq!(kafka.apply().await, 1);
    assert_eq!((kafka.due().await, kafka.dead().await), (vec![1], vec![2]));
    assert_eq!((nats.due().await, nats.dead().await), (vec![], vec![1, 2]), "its owner has not looked yet");
    assert_eq!(nats.apply().await, 1);
    let one = DeadFilter { sink: Some("nats".to_owned()), ..DeadFilter::default() };
    assert_eq!(kafka.store.request(&one, &DeadAction::Retry).await.unwrap().letters, 1);
    assert_eq!((kafka.apply().await, nats.apply().await), (0, 1));
    let none = DeadFilter { code: Some("S299".to_owned()), ..DeadFilter::default() };
    assert_eq!(kafka.store.request(&none, &DeadAction::Retry).await.unwrap().letters, 0);
    assert_eq!(kafka.apply().await, 0);
}

pub(crate) async fn a_dropped_letter_is_gone_and_its_key_goes_on(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead), held(2, "a", HeldState::Blocked)]).await;
    owner.hold(vec![held(3, "b", HeldState::Dead)]).await;
    assert_eq!(owner.store.request(&only(1), &DeadAction::Drop).await.unwrap().letters, 1);
    let applied = owner.store.apply_requests(&owner.lane, &mut owner.lease).await.unwrap();
    assert_eq!((applied.parked.len(), applied.dropped.len()), (0, 1));
    assert_eq!((owner.due().await, owner.dead().await), (vec![2], vec![3]));
    assert_eq!(owner.apply().await, 0, "once");
}

pub(crate) async fn a_letter_to_transform_anew_forgets_its_messages(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let rendered = |it: HeldEvent| HeldEvent { messages: Some(vec![message("0")]), ..it };
    let letters = [held(1, "a", HeldState::Dead), held(2, "b", HeldState::Dead)];
    owner.hold(letters.map(rendered).into()).await;
    assert!(owner.store.dead(&only(1), 1, 0).await.unwrap()[0].messages.is_some());
    assert_eq!(owner.store.request(&only(1), &DeadAction::Rerun).await.unwrap().letters, 1);
    let edited = DeadAction::Replace(b"{\"amount\":1}".to_vec());
    assert_eq!(owner.store.request(&only(2), &edited).await.unwrap().letters, 1);
    assert_eq!(owner.apply().await, 2);

    let due = owner.store.due(&owner.lane, up_to(10)).await.unwrap();
    assert!(due.iter().all(|it| it.messages.is_none() && it.delivered.is_empty()), "{due:?}");
    assert!(due[0].rerun.is_some() && due[1].rerun.is_some() && due[0].rerun != due[1].rerun, "{due:?}");
    assert_eq!(due[1].event.payload.as_deref(), Some(&b"{\"amount\":1}"[..]));
    assert_ne!(due[0].event.payload, due[1].event.payload);
}

pub(crate) async fn a_request_never_means_letters_that_die_later(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead)]).await;
    assert_eq!(owner.store.request(&DeadFilter::default(), &DeadAction::Drop).await.unwrap().letters, 1);
    // SQLite counts milliseconds.
    let asked = std::time::Instant::now();
    while asked.elapsed() < std::time::Duration::from_millis(3) {}
    owner.hold(vec![held(2, "b", HeldState::Dead)]).await;
    assert_eq!((owner.apply().await, owner.dead().await), (1, vec![2]));
}

pub(crate) async fn letters_are_chosen_by_their_age(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead)]).await;
    let died = owner.store.dead(&DeadFilter::default(), 1, 0).await.unwrap()[0].dead_at;
    let before = |time| DeadFilter { dead_before: Some(time), ..DeadFilter::default() };
    assert_eq!(owner.store.dead(&before(died), 1, 0).await.unwrap().len(), 0);
    assert_eq!(owner.store.dead(&before(died + 1), 1, 0).await.unwrap().len(), 1);
    assert_eq!(owner.store.request(&before(died), &DeadAction::Drop).await.unwrap().letters, 0);
    assert_eq!(owner.store.request(&before(died + 1), &DeadAction::Drop).await.unwrap().letters, 1);
    assert_eq!((owner.apply().await, owner.dead().await), (1, vec![]));
}

/// Not in the suite of every store: the SQL stores carry out `per_call` letters of a request with each call.
pub(crate) async fn a_large_request_takes_several_calls_and_no_letter_twice(place: &Place, per_call: u64) {
    let mut owner = Owner::of(place, "kafka").await;
    let letters = (1..=per_call + 1).map(|it| held(it, &format!("key {it}"), HeldState::Dead));
    owner.hold(letters.collect()).await;
    assert_eq!(
        owner.store.request(&DeadFilter::default(), &DeadAction::Retry).await.unwrap().letters,
        per_call + 1
    );
    assert_eq!(owner.apply().await, per_call);
    assert_eq!(owner.dead().await, [per_call + 1]);
    owner.settle(retrying(vec![failed(1, "key 1", HeldState::Dead)])).await;
    assert_eq!(owner.apply().await, 1, "what died again since was not asked for");
    assert_eq!(owner.dead().await, [1]);
    assert_eq!(owner.apply().await, 0);
}

pub(crate) async fn what_came_of_a_request_is_told_from_its_beginning_to_its_end(place: &Place) {
    let mut owner = Owner::of(place, "kafka").await;
    let letters =
        [held(1, "a", HeldState::Dead), held(2, "b", HeldState::Dead), held(3, "c", HeldState::Dead)];
    owner.hold(letters.into()).await;
    owner.hold(vec![held(4, "a", HeldState::Blocked), held(5, "d", HeldState::Dead)]).await;
    let extent = owner.store.extent(&DeadFilter::default()).await.unwrap();
    assert_eq!(extent, Extent { letters: 4, keys: 4, behind: 1 });
    assert_eq!(owner.store.extent(&only(9)).await.unwrap(), Extent::default());

    let mut requests = Vec::new();
    for letter in [1, 2, 3] {
        requests.extend(owner.store.request(&only(letter), &DeadAction::Retry).await.unwrap().requests);
    }
    let open = owner.store.outcome(&requests).await.unwrap();
    assert_eq!(open, Outcome { open: vec![owner.lane.clone(); 3], ..Outcome::default() });
    owner.apply().await;
    let taken = owner.store.outcome(&requests).await.unwrap();
    assert_eq!(taken, Outcome { taken: 3, waiting: 3, ..Outcome::default() });

    owner.settle(retrying(vec![done(1, "a"), failed(2, "b", HeldState::Dead)])).await;
    // The next of the key was in no request: its delivery is to the credit of none.
    owner.settle(retrying(vec![done(4, "a")])).await;
    let dead = vec![DeadAgain { code: "S202".to_owned(), detail: failure("S202").detail, letters: 1 }];
    let told = owner.store.outcome(&requests).await.unwrap();
    assert_eq!(told, Outcome { taken: 3, done: 1, waiting: 1, dead, open: Vec::new() });
    assert_eq!(owner.store.outcome(&requests[..1]).await.unwrap().done, 1, "each for itself");

    let dropped = owner.store.request(&only(5), &DeadAction::Drop).await.unwrap();
    owner.apply().await;
    let told = owner.store.outcome(&dropped.requests).await.unwrap();
    assert_eq!(told, Outcome { taken: 1, ..Outcome::default() });
}
