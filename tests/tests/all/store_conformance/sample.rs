//! Lanes, events and settlements that tests are made of.

use std::time::Duration;

use relay::store::{
    Acquired, Claim, DeadFilter, HeldEvent, HeldState, LaneId, LaneRecord, Lease, Retried, RetryResult,
    Settlement, Store, StoreError,
};
use relay_engine::event::{KeyId, OwnedEvent, Position};
use relay_engine::message::{Address, Content, Message};
use relay_engine::outcome::{Failure, FailureClass};

/// Parked and due at once.
pub(crate) const NOW: HeldState = HeldState::Parked { after: Duration::ZERO };

/// Parked until long after any test.
pub(crate) const LATER: HeldState = HeldState::Parked { after: Duration::from_secs(3_600) };

pub(crate) fn lane(sink: &str) -> LaneId {
    LaneId::new("orders", sink)
}

pub(crate) fn position(after: u64) -> Position {
    Position { base: "7301:1:10-20-12.14".to_owned(), after }
}

pub(crate) fn failure(code: &'static str) -> Failure {
    Failure::new(FailureClass::Permanent, code, format!("the sink said {code}"))
}

pub(crate) fn event(sequence: u64, key: &str) -> OwnedEvent {
    OwnedEvent {
        id: id(sequence),
        sequence,
        aggregate_type: "order".to_owned(),
        aggregate_id: key.to_owned(),
        event_type: "OrderPlaced".to_owned(),
        content_type: Some("application/json".to_owned()),
        payload: Some(format!("{{\"n\":{sequence}}}").into_bytes()),
        headers: vec![("traceparent".to_owned(), b"00-ab".to_vec())],
        attributes: vec![("tenant".to_owned(), "a".to_owned())],
        occurred_at: 1_700_000_000_000_000 + sequence,
    }
}

/// Ids sort otherwise than sequences do, so that neither can stand for the other.
pub(crate) fn id(sequence: u64) -> String {
    format!("e{}-{sequence}", 9 - sequence % 10)
}

pub(crate) fn message(slot: &str) -> Message {
    Message {
        slot: slot.to_owned(),
        address: Address {
            place: "orders".to_owned(),
            partition: Some(3),
            timestamp: Some(-1),
            method: Some("PUT".to_owned()),
            auth: Some("crm".to_owned()),
        },
        key: Content::Bytes(vec![0, 0xff, b'"']),
        body: Content::Unchanged,
        inherit_headers: true,
        headers: vec![("raw".to_owned(), vec![0xfe, 0]), ("text".to_owned(), "ü\0".into())],
    }
}

pub(crate) fn held(sequence: u64, key: &str, state: HeldState) -> HeldEvent {
    HeldEvent {
        event: event(sequence, key),
        key: KeyId::of(key),
        state,
        messages: None,
        delivered: Vec::new(),
        attempts: u32::from(state != HeldState::Blocked),
        failure: (state != HeldState::Blocked).then(|| failure("S201")),
        generation: vec!["sha256:one".to_owned()],
    }
}

pub(crate) fn done(sequence: u64, key: &str) -> Retried {
    Retried { event_id: id(sequence), key: KeyId::of(key), result: RetryResult::Done }
}

pub(crate) fn failed(sequence: u64, key: &str, state: HeldState) -> Retried {
    Retried {
        event_id: id(sequence),
        key: KeyId::of(key),
        result: RetryResult::Held {
            state,
            attempts: 2,
            failure: failure("S202"),
            messages: None,
            delivered: Vec::new(),
        },
    }
}

pub(crate) fn holding(held: Vec<HeldEvent>) -> Settlement {
    Settlement { held, ..Settlement::default() }
}

pub(crate) fn retrying(retried: Vec<Retried>) -> Settlement {
    Settlement { retried, ..Settlement::default() }
}

pub(crate) fn only(event_id: u64) -> DeadFilter {
    DeadFilter { event_id: Some(id(event_id)), ..DeadFilter::default() }
}

/// A claim whose lease runs out at once, so that the next one need not wait.
pub(crate) fn claim(owner: &str) -> Claim {
    Claim {
        owner: owner.to_owned(),
        process: format!("process of {owner}"),
        length: Duration::ZERO,
        instead_of: None,
    }
}

/// Takes the lane over under [`claim`].
pub(crate) async fn take(store: &dyn Store, lane: &LaneId, owner: &str) -> Result<LaneRecord, StoreError> {
    match store.acquire(lane, &claim(owner)).await? {
        Acquired::Taken(record) => Ok(record),
        Acquired::Held(holder) => panic!("held by {holder:?}"),
    }
}

/// A store with the lane it owns.
pub(crate) struct Owner {
    pub(crate) store: std::sync::Arc<dyn Store>,
    pub(crate) lane: LaneId,
    pub(crate) lease: Lease,
}

impl Owner {
    pub(crate) async fn of(place: &super::place::Place, sink: &str) -> Self {
        let (store, lane) = (place.open().await, lane(sink));
        let lease = take(store.as_ref(), &lane, "relay-1").await.unwrap().lease;
        Self { store, lane, lease }
    }

    pub(crate) async fn settle(&mut self, settlement: Settlement) {
        self.store.settle(&self.lane, &mut self.lease, &settlement).await.unwrap();
    }

    pub(crate) async fn hold(&mut self, events: Vec<HeldEvent>) {
        self.settle(holding(events)).await;
    }

    pub(crate) async fn apply(&mut self) -> u64 {
        self.store.apply_requests(&self.lane, &mut self.lease).await.unwrap().letters() as u64
    }

    /// Sequences of what is due.
    pub(crate) async fn due(&self) -> Vec<u64> {
        let due = self.store.due(&self.lane, 100).await.unwrap();
        due.into_iter().map(|parked| parked.event.sequence).collect()
    }

    /// Sequences of the dead letters of this lane.
    pub(crate) async fn dead(&self) -> Vec<u64> {
        let filter = DeadFilter { sink: Some(self.lane.sink.clone()), ..DeadFilter::default() };
        let dead = self.store.dead(&filter, 100, 0).await.unwrap();
        dead.into_iter().map(|letter| letter.event.sequence).collect()
    }
}
