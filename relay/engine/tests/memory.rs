//! What a million parked events cost a lane in memory. A process of its own, as it reads its own size.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a size that can't be read fails the test")]

use std::time::Duration;

use relay_engine::clock::Time;
use relay_engine::engine::{
    Command, HELD_LIMITS, HeldBytes, HeldKey, Lane, LaneConfig, OnDead, Plan, PlannedEvent, RetryPolicy,
    STORM,
};
use relay_engine::event::KeyId;

const KEYS: u64 = 1_000_000;
/// A table of 24-byte entries, doubled at 7/8 full: 25 to 57 bytes a key, and a million falls behind a doubling.
const BYTES_PER_KEY: u64 = 60;

fn config() -> LaneConfig {
    LaneConfig {
        ordered_prefix: true,
        window_events: 16_384,
        window_bytes: 32 << 20,
        in_flight: usize::MAX,
        retry: RetryPolicy { first: Duration::from_millis(200), max: Duration::from_secs(300), attempts: 12 },
        on_dead: OnDead::Block,
        settle_every: Duration::from_millis(100),
        storm: Some(STORM),
        limits: HELD_LIMITS,
    }
}

/// The largest that this process was, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn key(number: u64) -> KeyId {
    KeyId::of(&format!("order-{number}"))
}

/// Keeps the number of keys known beforehand, as a list of them does.
fn held() -> impl ExactSizeIterator<Item = HeldKey> {
    (0..usize::try_from(KEYS).unwrap()).map(|number| HeldKey { key: key(number as u64), parked: 1, dead: 0 })
}

#[test]
fn a_million_parked_keys_cost_under_sixty_bytes_each_and_leave_other_keys_at_full_speed() {
    let before = peak();
    let mut lane = Lane::new(config(), held(), HeldBytes::default(), 1, 1, Time(0));
    let grown = peak() - before;
    println!("{} bytes a key, {} MiB", grown / KEYS, grown >> 20);
    assert!(grown < KEYS * BYTES_PER_KEY, "{} bytes a key", grown / KEYS);
    assert_eq!(lane.status().held, KEYS);

    lane.sink_opened();
    let event = |number: u64| PlannedEvent {
        key: key(number),
        bytes: 200,
        destination: 0,
        plan: Plan::Send { messages: 1 },
    };
    // The first thousand are of held keys and blocked; the others are sent.
    let batch = lane.batch(Time(0), (KEYS - 1_000..KEYS + 1_000).map(event).collect());
    let sent: Vec<u32> = std::iter::from_fn(|| lane.poll(Time(0)))
        .filter_map(|command| match command {
            Command::Send { messages, .. } => Some(messages),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(sent.len(), 1_000);
    lane.delivered(batch, &sent);
    assert_eq!(lane.status().deliveries, 1_000);
    assert_eq!(lane.status().held, KEYS + 1_000);
}
