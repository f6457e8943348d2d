//! The screen, word for word.

use relay_engine::event::{OwnedEvent, Position};

use super::screen::{json_screen, screen};
use crate::app::{EventFate, LaneTrace, Trace, TracedRow};
use crate::store::{HeldRecord, KeyQueue, LaneId, LaneSummary, WaitsFor};

/// 2026-11-21T09:20:00Z
const NOW: u64 = 1_795_252_800_000_000;

fn event() -> OwnedEvent {
    OwnedEvent {
        id: "01JD3K".to_owned(),
        sequence: 812,
        aggregate_type: "order".to_owned(),
        aggregate_id: "order-17".to_owned(),
        event_type: "OrderPlaced".to_owned(),
        occurred_at: NOW - 600_000_000,
        ..OwnedEvent::default()
    }
}

fn lane(sink: &str, leased: bool, fate: EventFate) -> LaneTrace {
    let lane = LaneId::new("orders", sink);
    let summary = LaneSummary {
        lane: lane.clone(),
        owner: "relay-a".to_owned(),
        term: 7,
        leased,
        state: "running".to_owned(),
        position: Some(Position { base: "sqlite".to_owned(), after: 900 }),
        generation: vec!["c01d77aa00".to_owned(), "71aa02ff00".to_owned()],
        delivered: 899,
        discarded: 0,
        parked: 1,
        dead: 1,
        settled_at: Some(NOW - 2_000_000),
    };
    LaneTrace { lane, summary: Some(summary), fate }
}

fn held(waits_for: WaitsFor) -> EventFate {
    let failed = waits_for != WaitsFor::Key;
    EventFate::Held(Box::new(HeldRecord {
        lane: LaneId::new("orders", "billing"),
        event: event(),
        waits_for,
        attempts: if failed { 3 } else { 0 },
        failure: failed.then(|| ("S214".to_owned(), "400 from POST /invoices".to_owned())),
        delivered: if failed { vec!["copy".to_owned()] } else { Vec::new() },
        generation: vec!["c01d77aa00".to_owned()],
        held_at: NOW - 500_000_000,
        rerun: failed.then_some(4),
        ahead: if failed { 0 } else { 2 },
        behind: (!failed).then(|| "01JD3J".to_owned()),
    }))
}

#[test]
fn each_fate_is_told_with_what_is_kept_of_it() {
    let queue = KeyQueue { lane: LaneId::new("orders", "audit"), first: "01JD3J".to_owned(), events: 3 };
    let lanes = vec![
        lane("events", true, EventFate::Settled { or_before_start: false }),
        lane("tell", true, EventFate::Settled { or_before_start: true }),
        lane("billing", true, held(WaitsFor::Operator { dead_at: NOW - 400_000_000 })),
        lane("copy", true, held(WaitsFor::Attempt { due_at: NOW + 3_000_000 })),
        lane("late", true, held(WaitsFor::Attempt { due_at: NOW })),
        lane("mail", true, held(WaitsFor::Key)),
        lane("search", true, EventFate::NotReached { queue: None }),
        lane("audit", false, EventFate::NotReached { queue: Some(queue) }),
        lane("old", false, EventFate::Unknown("the lane settled last before a failover".to_owned())),
        LaneTrace { summary: None, ..lane("new", false, EventFate::NotReached { queue: None }) },
    ];
    let row = Some(TracedRow { transaction: Some(7401), rows: 1 });
    let trace = Trace { source: "shop".to_owned(), event: event(), row, lanes };
    insta::assert_snapshot!("trace", screen(&trace, NOW));
    let gone = Trace { row: None, lanes: trace.lanes[2..3].to_vec(), ..trace.clone() };
    insta::assert_snapshot!("trace_without_row", screen(&gone, NOW));
    let few = [0, 2, 5, 7].map(|index| trace.lanes[index].clone()).to_vec();
    insta::assert_snapshot!("trace_json", json_screen(&[Trace { lanes: few, ..trace }]));
}
