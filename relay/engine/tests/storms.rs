//! Storms, step by step: what opens one, what it gives up, how it is probed and what ends it.

use std::time::Duration;

use relay_engine::clock::Time;
use relay_engine::engine::{
    BatchId, Cause, Command, HELD_LIMITS, HeldBytes, Lane, LaneConfig, OnDead, Plan, PlannedEvent,
    RetryPolicy, StormLimit,
};
use relay_engine::event::KeyId;
use relay_engine::outcome::{Failure, FailureClass};

const HALF_OF_TEN: StormLimit = StormLimit { percent: 50, last: 10 };

/// A lane into a sink that keeps prefixes or not, whose dead letters let their keys pass.
fn lane(ordered_prefix: bool) -> Lane {
    let config = LaneConfig {
        ordered_prefix,
        window_events: 1_000,
        window_bytes: 1 << 20,
        in_flight: 4,
        retry: RetryPolicy { first: Duration::from_millis(200), max: Duration::from_secs(300), attempts: 3 },
        on_dead: OnDead::SkipAfterDeadLetter,
        settle_every: Duration::from_millis(100),
        storm: Some(HALF_OF_TEN),
        limits: HELD_LIMITS,
    };
    Lane::new(config, [], HeldBytes::default(), 7, 1, Time(0))
}

fn event(key: u128, destination: u32) -> PlannedEvent {
    PlannedEvent { key: KeyId(key), bytes: 10, destination, plan: Plan::Send { messages: 1 } }
}

fn failure(class: FailureClass) -> Failure {
    Failure::new(class, "S214", "refused")
}

/// What the lane wants sent at `now`, and how many events it gives up; settlements succeed at once.
fn poll(lane: &mut Lane, now: Time) -> (Vec<(BatchId, u32)>, usize) {
    let (mut sent, mut given_up) = (Vec::new(), 0);
    while let Some(command) = lane.poll(now) {
        match command {
            Command::Send { batch, messages } => sent.extend(messages.into_iter().map(|it| (batch, it))),
            Command::Probe { batch, message } => sent.push((batch, message)),
            Command::Settle(plan) => {
                given_up += plan.held.len();
                lane.settled(now);
            }
            Command::Reopen => lane.sink_opened(),
            Command::FetchDue { .. } => {
                lane.retry(now, Vec::new(), None);
            }
            Command::Halted(reason) => unreachable!("{reason}"),
        }
    }
    (sent, given_up)
}

/// Answers all that is sent, as `refuses` says, until nothing more is sent at `now`; returns what was given up.
fn answer_all(lane: &mut Lane, now: Time, refuses: impl Fn(u32) -> bool) -> usize {
    let mut given_up = 0;
    loop {
        let (sent, held) = poll(lane, now);
        given_up += held;
        if sent.is_empty() {
            return given_up;
        }
        for (batch, message) in sent {
            if refuses(message) {
                lane.failed(now, batch, message, failure(FailureClass::Permanent));
            } else {
                lane.delivered(batch, &[message]);
            }
        }
    }
}

fn cause(lane: &Lane) -> Option<Cause> {
    lane.status().outage.map(|it| it.cause)
}

#[test]
fn a_storm_gives_up_what_it_takes_to_tell_it_and_no_more_however_long_it_lasts() {
    for ordered_prefix in [false, true] {
        let mut lane = lane(ordered_prefix);
        let mut now = Time(1_000_000);
        lane.batch(now, (0..100).map(|key| event(key, 0)).collect());
        let mut given_up = answer_all(&mut lane, now, |_| true);
        assert_eq!(cause(&lane), Some(Cause::Receiver));
        assert!(lane.is_stuck());
        for _ in 0..200 {
            now = lane.wakes_at().unwrap_or(now).max(now);
            given_up += answer_all(&mut lane, now, |_| true);
        }
        assert!(given_up < 10, "{given_up}");
        assert!(lane.status().outage.is_some_and(|it| it.probes > 150));

        now = lane.wakes_at().unwrap_or(now).max(now);
        let more = answer_all(&mut lane, now, |_| false);
        assert_eq!(cause(&lane), None, "the first that is taken ends it");
        now = now + Duration::from_secs(1);
        given_up += more + answer_all(&mut lane, now, |_| false);
        let status = lane.status();
        assert_eq!((status.deliveries, status.window), (100 - given_up as u64, 0));
    }
}

#[test]
fn a_storm_ends_although_the_first_event_is_bad_itself() {
    let mut lane = lane(false);
    let mut now = Time(1_000_000);
    lane.batch(now, (0..100).map(|key| event(key, 0)).collect());
    answer_all(&mut lane, now, |_| true);
    now = lane.wakes_at().unwrap_or(now).max(now);
    let (first, _) = poll(&mut lane, now);
    lane.failed(now, first[0].0, first[0].1, failure(FailureClass::Permanent));
    now = lane.wakes_at().unwrap_or(now).max(now);
    let (second, _) = poll(&mut lane, now);
    assert_ne!(first, second, "another event has its turn");
    assert_eq!((first.len(), second.len()), (1, 1), "one at a time");
    lane.delivered(second[0].0, &[second[0].1]);
    assert_eq!(cause(&lane), None);
}

#[test]
fn a_storm_in_one_destination_is_probed_there() {
    let mut lane = lane(false);
    let mut now = Time(1_000_000);
    // Every tenth event goes to destination 9, which refuses: a tenth of all, and all of its own.
    lane.batch(now, (0..400).map(|key| event(key, u32::try_from(key % 10).unwrap_or(0))).collect());
    answer_all(&mut lane, now, |message| message % 10 == 9);
    assert_eq!(cause(&lane), Some(Cause::Receiver));
    for _ in 0..5 {
        now = lane.wakes_at().unwrap_or(now).max(now);
        let (probe, _) = poll(&mut lane, now);
        assert!(probe.iter().all(|(_, message)| message % 10 == 9), "{probe:?}");
        for (batch, message) in probe {
            lane.failed(now, batch, message, failure(FailureClass::Retryable));
        }
    }
}

#[test]
fn a_plugin_that_fails_on_everything_gives_up_nothing_and_is_not_probed() {
    let mut lane = lane(true);
    let now = Time(1_000_000);
    let failed = |key| PlannedEvent { plan: Plan::Fail(failure(FailureClass::Permanent)), ..event(key, 0) };
    lane.batch(now, (0..100).map(failed).collect());
    assert_eq!(answer_all(&mut lane, now, |_| false), 0);
    assert_eq!(cause(&lane), Some(Cause::Plugin));
    assert!(lane.is_stuck() && lane.wakes_at().is_none(), "{:?}", lane.wakes_at());
    assert_eq!(answer_all(&mut lane, now + Duration::from_secs(3_600), |_| false), 0);
}

#[test]
fn bad_events_among_good_ones_are_no_storm() {
    let mut lane = lane(true);
    let now = Time(1_000_000);
    lane.batch(now, (0..500).map(|key| event(key, 0)).collect());
    assert_eq!(answer_all(&mut lane, now, |message| message % 5 < 2), 200);
    assert_eq!(cause(&lane), None);
}
