//! The model outbox: events with a key, a destination and a nature.

use relay_engine::engine::{Plan, PlannedEvent};
use relay_engine::event::KeyId;
use relay_engine::outcome::{Failure, FailureClass};

use crate::case::{Case, Fault};
use crate::random::Random;

/// What happens to an event by its own doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    Good,
    /// Its receiver refuses it this many times, then takes it.
    Flaky(u32),
    /// Its receiver always refuses it.
    Poison,
    /// Its receiver refuses it for good at once.
    Refused,
    /// Its plugin fails this many times, then passes.
    PluginFlaky(u32),
    /// Its plugin rejects it.
    Rejected,
    /// Its plugin discards it.
    Discarded,
    /// Its plugin halts the lane, until it is replaced.
    Halting,
}

impl Nature {
    /// Whether it can become a dead letter.
    pub(crate) fn can_die(self) -> bool {
        !matches!(self, Self::Good | Self::Discarded)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) key: u64,
    pub(crate) messages: u32,
    pub(crate) nature: Nature,
    /// Failures of its own so far, in plugins and receivers.
    pub(crate) faults: u32,
    /// Answers that were lost, each of which the engine may count towards a fault of the event.
    pub(crate) lost: u32,
    /// Whether it was refused for good while everything was.
    pub(crate) refused_in_storm: bool,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) events: Vec<Event>,
    /// Whether the plugin that halts was replaced.
    pub(crate) mended: bool,
    /// Whether the plugin fails on everything.
    pub(crate) broken: bool,
    /// Whether the receiver refuses everything.
    pub(crate) refusing: bool,
}

pub(crate) const DESTINATIONS: u64 = 3;
/// What each event takes in the side table.
pub(crate) const EVENT_BYTES: u32 = 10;

impl Outbox {
    pub(crate) fn new(case: &Case) -> Self {
        let mut random = Random::new(case.seed);
        let poison = case.faults.has(Fault::Poison);
        let one = |_| Event {
            key: random.below(case.keys),
            messages: if random.one_in(6) { 2 + u32::try_from(random.below(2)).unwrap() } else { 1 },
            nature: draw(&mut random, poison),
            faults: 0,
            lost: 0,
            refused_in_storm: false,
        };
        let events: Vec<_> = (0..case.events).map(one).collect();
        let mended = events.iter().all(|event| event.nature != Nature::Halting);
        Self { events, mended, broken: false, refusing: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// A key's events share a destination.
    pub(crate) fn destination(&self, event: usize) -> usize {
        usize::try_from(self.events[event].key % DESTINATIONS).unwrap()
    }

    /// Runs the plugin.
    pub(crate) fn plan(&mut self, event: usize) -> PlannedEvent {
        let (mended, destination) = (self.mended, u32::try_from(self.destination(event)).unwrap());
        let broken = self.broken;
        let event = &mut self.events[event];
        let plan = match event.nature {
            _ if broken => {
                event.refused_in_storm = true;
                fail(event, FailureClass::Permanent, "P120")
            }
            Nature::Discarded => Plan::Done,
            Nature::Rejected => fail(event, FailureClass::Permanent, "P110"),
            Nature::PluginFlaky(times) if event.faults < times => {
                fail(event, FailureClass::Retryable, "P111")
            }
            Nature::Halting if !mended => Plan::Halt("halted by its plugin".to_owned()),
            _ => Plan::Send { messages: event.messages },
        };
        PlannedEvent { key: key_id(event.key), bytes: EVENT_BYTES, destination, plan }
    }

    /// What is wrong with the event in its receiver's eyes.
    pub(crate) fn refusal(&mut self, event: usize) -> Option<Failure> {
        let event = &mut self.events[event];
        let class = match event.nature {
            Nature::Poison => FailureClass::Retryable,
            Nature::Flaky(times) if event.faults < times => FailureClass::Retryable,
            Nature::Refused => FailureClass::Permanent,
            _ if self.refusing => {
                event.refused_in_storm = true;
                FailureClass::Permanent
            }
            _ => return None,
        };
        event.faults += 1;
        Some(Failure::new(class, "S214", "refused"))
    }
}

pub(crate) fn key_id(key: u64) -> KeyId {
    KeyId(u128::from(key))
}

fn fail(event: &mut Event, class: FailureClass, code: &'static str) -> Plan {
    event.faults += 1;
    Plan::Fail(Failure::new(class, code, "its plugin failed"))
}

fn draw(random: &mut Random, poison: bool) -> Nature {
    match random.below(40) {
        0 if poison => Nature::Poison,
        1 | 2 if poison => Nature::Flaky(1),
        3 if poison => Nature::Rejected,
        4 if poison => Nature::Refused,
        5 if poison => Nature::PluginFlaky(2),
        6 if poison && random.one_in(4) => Nature::Halting,
        7 | 8 => Nature::Discarded,
        _ => Nature::Good,
    }
}
