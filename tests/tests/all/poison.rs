//! One poison event among ten thousand: exactly that one is dead, and nobody but its key notices.

use std::time::{Duration, Instant};

use relay_tests::journal::check;
use relay_tests::program::Relay;
use relay_tests::stack::Answer;

use crate::keyed_shop::{KeyedShop, count, wait_for_dead};

const LIMIT: Duration = Duration::from_secs(180);
const EVENTS: usize = 10_000;
const KEYS: u64 = 200;
const ATTEMPTS: u32 = 3;
const POISONED: &str = "order-3";
/// How much longer the others may take: other tests run on the same machine, and a second is soon lost there.
const LONGER: u32 = 3;
const SLACK: Duration = Duration::from_secs(20);

/// A shop of its own, delivered with or without poison in one key. Answers how long that took from the first request
/// on; with poison its key is left waiting.
async fn others_take(poisoned: bool) -> (KeyedShop, Relay, Duration) {
    let shop = KeyedShop::write(EVENTS, KEYS).await;
    let path = format!("/orders/{POISONED}");
    if poisoned {
        shop.receiver.answer_path(&path, Answer::status(422));
    }
    let relay = Relay::start(&shop.settings(ATTEMPTS, "").await).await.unwrap();
    shop.receiver.wait_for(1, LIMIT).await.unwrap();
    let began = Instant::now();
    let others = shop.journal.committed_of(|event| event.key != POISONED);
    let of_the_key = if poisoned { ATTEMPTS as usize } else { shop.journal.committed() - others };
    let arrived = shop.receiver.wait_for(others + of_the_key, LIMIT).await;
    assert!(arrived.is_ok(), "{:?}; the relay's log:\n{}", arrived.err(), relay.log());
    let took = began.elapsed();
    (shop, relay, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_events_one_is_poison_and_the_other_keys_keep_their_order_and_time() {
    let (_, mut relay, without) = others_take(false).await;
    relay.stop(LIMIT).await.unwrap();
    let (shop, mut relay, with) = others_take(true).await;
    println!("the other keys took {without:?} without poison and {with:?} with it");
    assert!(with < without * LONGER + SLACK, "{without:?} without poison, {with:?} with it");

    let listed = wait_for_dead(&relay, 1, LIMIT).await;
    assert_eq!(count(&listed), 1, "exactly one of {EVENTS} is dead: {listed:?}");
    let path = format!("/orders/{POISONED}");
    assert_eq!(shop.requests_for(&path), ATTEMPTS as usize, "its key waits");
    shop.receiver.answer_path(&path, Answer::status(204));
    relay.ask(&["dead", "retry", "--all"]).await.unwrap();
    shop.receiver.wait_for(shop.journal.committed() + ATTEMPTS as usize, LIMIT).await.unwrap();
    relay.stop(LIMIT).await.unwrap();
    let report = check(&shop.journal, &shop.accepted(ATTEMPTS as usize, Some(&path)));
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!((report.arrived, report.duplicates), (shop.journal.committed(), 0), "{report}");
}
