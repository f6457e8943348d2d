//! When a lane looks for parked events.

use std::time::Duration;

use relay_engine::clock::Time;
use relay_engine::engine::{
    BatchId, Command, HELD_LIMITS, HeldBytes, Lane, LaneConfig, OnDead, Plan, PlannedEvent, RetryPolicy,
};
use relay_engine::event::KeyId;
use relay_engine::outcome::{Failure, FailureClass};

const PAUSE: Duration = Duration::from_millis(200);

fn lane() -> Lane {
    let config = LaneConfig {
        ordered_prefix: false,
        window_events: 1_000,
        window_bytes: 1 << 20,
        in_flight: 4,
        retry: RetryPolicy { first: PAUSE, max: PAUSE, attempts: 3 },
        on_dead: OnDead::Block,
        settle_every: Duration::from_millis(100),
        storm: None,
        limits: HELD_LIMITS,
    };
    Lane::new(config, [], HeldBytes::default(), 7, 1, Time(0))
}

/// Takes in an event of `key` that fails once, and records it as parked.
fn park(lane: &mut Lane, now: Time, key: u128) {
    let plan = Plan::Send { messages: 1 };
    lane.batch(now, vec![PlannedEvent { key: KeyId(key), bytes: 10, destination: 0, plan }]);
    let mut parked = 0;
    while let Some(command) = lane.poll(now) {
        match command {
            Command::Send { batch, messages } => fail(lane, now, batch, &messages),
            Command::Settle(plan) => {
                parked += plan.held.len();
                lane.settled(now);
            }
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(parked, 1, "it is in the side table now");
}

fn fail(lane: &mut Lane, now: Time, batch: BatchId, messages: &[u32]) {
    for message in messages {
        let failure = Failure::new(FailureClass::Retryable, "S214", "refused");
        lane.failed(now, batch, *message, failure);
    }
}

#[test]
fn an_event_that_is_parked_while_the_lane_waits_for_an_answer_is_looked_for_all_the_same() {
    let mut lane = lane();
    let now = Time(1_000_000);
    park(&mut lane, now, 1);
    let due = now + PAUSE;
    assert!(matches!(lane.poll(due), Some(Command::FetchDue { .. })), "the first is due");
    // The store reads its answer now; by the time it comes the next event is recorded.
    park(&mut lane, due, 2);
    lane.retry(due, Vec::new(), None);

    let next = lane.wakes_at().expect("the second one is parked");
    assert!(next <= due + PAUSE, "{next:?}");
    assert!(matches!(lane.poll(next), Some(Command::FetchDue { .. })), "it is looked for when it is due");
}
