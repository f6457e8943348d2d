//! Many bad events at once: a storm stops the lane, a full side table does, and a parked key is kept whole.

use std::time::{Duration, Instant};

use relay_tests::journal::check;
use relay_tests::program::Relay;
use relay_tests::stack::Answer;

use crate::keyed_shop::{KeyedShop, count, dead, wait_for_dead};

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const EVENTS: usize = 1_000;
const KEYS: u64 = 20;
const POISONED: &str = "order-3";
/// How often the side table is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// What it takes to tell a storm, with the standard settings.
const STORM: u64 = 100;
/// Requests of the HTTP sink under way at once, with the standard settings.
const IN_FLIGHT: u64 = 64;

/// Sends dead letters again until there is none and everything that was committed has been accepted.
async fn mend(relay: &Relay, limit: u64, lost: impl Fn() -> Vec<String>) {
    let deadline = Instant::now() + LIMIT;
    loop {
        relay.ask(&["dead", "retry", "--all"]).await.unwrap();
        tokio::time::sleep(LOOK).await;
        let listed = count(&dead(relay).await);
        assert!(listed <= limit, "{listed} are dead");
        let lost = lost();
        if lost.is_empty() && listed == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "lost {lost:?}; the relay's log:\n{}", relay.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_everything_stops_the_lane_before_the_outbox_is_dead() {
    let shop = KeyedShop::write(EVENTS, KEYS).await;
    shop.receiver.answer(Answer::status(422));
    let keys_of_their_own = "on_dead = \"skip_after_dead_letter\"";
    let mut relay = Relay::start(&shop.settings(1, keys_of_their_own).await).await.unwrap();
    relay.wait_for_log("E602", 1, LIMIT).await.unwrap();
    // Some probes later still no event more is given up.
    shop.receiver.wait_for(shop.receiver.count() + 3, LIMIT).await.unwrap();
    let given_up = count(&dead(&relay).await);
    assert!((1..=STORM + IN_FLIGHT).contains(&given_up), "{given_up} of {EVENTS} are dead");

    let refused = shop.receiver.count();
    shop.receiver.answer(Answer::status(204));
    shop.receiver.wait_for(refused + EVENTS / 2, LIMIT).await.unwrap();
    mend(&relay, STORM + IN_FLIGHT, || check(&shop.journal, &shop.accepted(refused, None)).lost).await;
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_key_is_dead_as_a_whole_and_a_retry_sends_all_of_it_in_order() {
    let shop = KeyedShop::write(EVENTS, KEYS).await;
    let poisoned = format!("/orders/{POISONED}");
    shop.receiver.answer_path(&poisoned, Answer::status(422));
    let mut relay = Relay::start(&shop.settings(2, "on_dead = \"park_key\"").await).await.unwrap();
    let of_others = shop.journal.committed_of(|event| event.key != POISONED);
    let of_key = (shop.journal.committed() - of_others) as u64;
    shop.receiver.wait_for(of_others + 2, LIMIT).await.unwrap();
    let listed = wait_for_dead(&relay, of_key, LIMIT).await;
    let codes: Vec<_> = listed.iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect();
    assert!(codes.contains(&"E601".to_owned()) && codes.len() == 2, "{listed:?}");
    let refused = shop.requests_for(&poisoned);
    assert_eq!(refused, 2, "the others of the key were not sent");

    shop.receiver.answer_path(&poisoned, Answer::status(204));
    relay.ask(&["dead", "retry", "--all"]).await.unwrap();
    shop.receiver.wait_for(refused + shop.journal.committed(), LIMIT).await.unwrap();
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    assert!(dead(&relay).await.is_empty());
    let report = check(&shop.journal, &shop.accepted(refused, Some(&poisoned)));
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!((report.arrived, report.duplicates), (shop.journal.committed(), 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_side_table_stops_the_lane_and_loses_nothing() {
    let shop = KeyedShop::write(EVENTS, KEYS).await;
    let poisoned = format!("/orders/{POISONED}");
    shop.receiver.answer_path(&poisoned, Answer::status(422));
    let policy = "on_dead = \"skip_after_dead_letter\"\nheld = { dead = 5 }";
    let relay = Relay::start(&shop.settings(1, policy).await).await.unwrap();
    relay.wait_for_log("E604", 1, LIMIT).await.unwrap();
    assert_eq!(count(&wait_for_dead(&relay, 5, LIMIT).await), 5);

    // What the window holds beyond the limit becomes dead as soon as there is room.
    let refused = shop.requests_for(&poisoned);
    shop.receiver.answer_path(&poisoned, Answer::status(204));
    mend(&relay, 5, || check(&shop.journal, &shop.accepted(refused, Some(&poisoned))).lost).await;
}
