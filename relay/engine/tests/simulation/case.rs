//! One simulated run: everything that decides it, in one line of text.

use std::fmt;
use std::str::FromStr;

use relay_engine::engine::OnDead;

use crate::random::Random;

/// Kinds of fault that a run may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A relay dies; a write it had under way may still reach the store, what it sent may still arrive.
    Crash,
    /// A relay is told to stop and drains.
    Stop,
    /// Another relay takes the lane over while its owner goes on.
    Takeover,
    /// A relay does nothing for a while, then goes on as if no time had passed.
    Freeze,
    /// A relay's clock, or the store's, jumps.
    Clock,
    /// An answer is lost; the message may have arrived, may arrive later, or never.
    Loss,
    /// An answer, or a message, comes twice.
    Duplicate,
    /// The sink is away.
    Outage,
    /// One destination of the sink is away.
    Destination,
    /// The store fails a call, which may have taken effect.
    Store,
    /// An operator sends dead letters again, or drops them.
    Operator,
    /// A new plugin generation comes.
    Swap,
    /// Some events fail by their own fault.
    Poison,
    /// The receiver refuses everything for a while.
    Storm,
    /// A plugin build that fails on everything.
    Broken,
    /// The side table has room for few.
    Limit,
}

impl Fault {
    pub(crate) const ALL: [(Self, &str); 16] = [
        (Self::Crash, "crash"),
        (Self::Stop, "stop"),
        (Self::Takeover, "takeover"),
        (Self::Freeze, "freeze"),
        (Self::Clock, "clock"),
        (Self::Loss, "loss"),
        (Self::Duplicate, "duplicate"),
        (Self::Outage, "outage"),
        (Self::Destination, "destination"),
        (Self::Store, "store"),
        (Self::Operator, "operator"),
        (Self::Swap, "swap"),
        (Self::Poison, "poison"),
        (Self::Storm, "storm"),
        (Self::Broken, "broken"),
        (Self::Limit, "limit"),
    ];
}

/// A set of kinds of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Faults(u32);

impl Faults {
    pub(crate) fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    pub(crate) fn with(self, fault: Fault) -> Self {
        Self(self.0 | (1 << fault as u32))
    }

    pub(crate) fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u32))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().map(|(fault, _)| fault).filter(move |it| self.has(*it))
    }
}

/// What decides a run. Its text form replays it: `RELAY_CASE='…'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) relays: usize,
    pub(crate) events: usize,
    pub(crate) keys: u64,
    /// Faults injected at most.
    pub(crate) budget: u32,
    pub(crate) ordered_prefix: bool,
    pub(crate) on_dead: OnDead,
    pub(crate) faults: Faults,
}

impl Case {
    /// The run that `seed` stands for: each seed switches its own kinds of fault on.
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5ca1_ab1e);
        let mut faults = Faults::default();
        for (fault, _) in Fault::ALL {
            if !random.one_in(3) {
                faults = faults.with(fault);
            }
        }
        let policies = [OnDead::Block, OnDead::ParkKey, OnDead::SkipAfterDeadLetter];
        Self {
            seed,
            relays: 1 + random.index(3),
            events: 24 + random.index(24),
            keys: 2 + random.below(5),
            budget: 8 + u32::try_from(random.below(40)).unwrap(),
            ordered_prefix: random.one_in(2),
            on_dead: policies[random.index(policies.len())],
            faults,
        }
    }
}

const POLICIES: [(OnDead, &str); 3] = [
    (OnDead::Block, "block"),
    (OnDead::ParkKey, "park_key"),
    (OnDead::SkipAfterDeadLetter, "skip_after_dead_letter"),
];

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy =
            POLICIES.iter().find(|(policy, _)| *policy == self.on_dead).map_or("?", |(_, name)| name);
        let faults: Vec<_> =
            Fault::ALL.iter().filter(|(it, _)| self.faults.has(*it)).map(|(_, name)| *name).collect();
        let Self { seed, relays, events, keys, budget, ordered_prefix, .. } = self;
        write!(
            f,
            "seed={seed} relays={relays} events={events} keys={keys} budget={budget} \
             ordered_prefix={ordered_prefix} on_dead={policy} faults={}",
            faults.join("+")
        )
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut case = Self::of(0);
        for part in text.split_whitespace() {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=VALUE"))?;
            let wrong = |_| format!("{value:?} is no value for {name}");
            match name {
                "seed" => case = Self::of(value.parse().map_err(wrong)?),
                "relays" => case.relays = value.parse().map_err(wrong)?,
                "events" => case.events = value.parse().map_err(wrong)?,
                "keys" => case.keys = value.parse().map_err(wrong)?,
                "budget" => case.budget = value.parse().map_err(wrong)?,
                "ordered_prefix" => case.ordered_prefix = value == "true",
                "on_dead" => {
                    let known = POLICIES.iter().find(|(_, it)| *it == value);
                    case.on_dead = known.ok_or_else(|| format!("no policy {value:?}"))?.0;
                }
                "faults" => {
                    case.faults = Faults::default();
                    for word in value.split('+').filter(|it| !it.is_empty()) {
                        let known = Fault::ALL.iter().find(|(_, it)| *it == word);
                        case.faults = case.faults.with(known.ok_or_else(|| format!("no fault {word:?}"))?.0);
                    }
                }
                other => return Err(format!("no setting {other:?}")),
            }
        }
        Ok(case)
    }
}
