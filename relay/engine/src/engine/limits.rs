//! How much the side table may hold of a lane.

use std::fmt;

/// Events and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Events.
    pub rows: u64,
    /// Bytes of events and their messages.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.rows += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Bytes of one event, where it is not known which.
    fn mean(self) -> u64 {
        self.bytes.checked_div(self.rows).unwrap_or_default()
    }

    fn reaches(self, limit: Self) -> bool {
        self.rows >= limit.rows || self.bytes >= limit.bytes
    }
}

/// How much the side table may hold of a lane. At a limit progress stops before the event that finds no room, which
/// stays in the outbox: nothing is lost, and the lane goes on as soon as there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldLimits {
    /// Of events that are parked or blocked.
    pub parked: Amount,
    /// Of dead letters.
    pub dead: Amount,
}

/// Limits that a healthy lane never meets.
///
/// A million parked events: the keys of as many are kept in memory. A hundred thousand dead letters: more than
/// anybody looks through one by one, so that more of them say no more. A gibibyte of each: the tables live in the
/// application's own database.
pub const HELD_LIMITS: HeldLimits = HeldLimits {
    parked: Amount { rows: 1_000_000, bytes: 1 << 30 },
    dead: Amount { rows: 100_000, bytes: 1 << 30 },
};

/// One kind of held event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldKind {
    /// Parked or blocked.
    Parked,
    /// Dead letters.
    Dead,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Of what.
    pub kind: HeldKind,
    /// What the side table holds.
    pub held: Amount,
    /// What it may hold.
    pub limit: Amount,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, remedy) = match self.kind {
            HeldKind::Parked => ("parked events", "see to what they wait for, or raise held.parked"),
            HeldKind::Dead => ("dead letters", "send them again, drop them, or raise held.dead"),
        };
        let Self { held, limit, .. } = self;
        write!(
            f,
            "{} {what} of {} bytes where {} of {} bytes are allowed: {remedy}",
            held.rows, held.bytes, limit.rows, limit.bytes
        )
    }
}

/// Counts what the side table holds, or will with the pending settlement, against its limits.
#[derive(Debug)]
pub(super) struct Tally {
    limits: HeldLimits,
    parked: Amount,
    dead: Amount,
    /// What the cursor waits for.
    full: Option<Full>,
    /// A parked event waits for room among the dead.
    waits_for_dead: bool,
}

impl Tally {
    pub(super) fn new(limits: HeldLimits, parked: Amount, dead: Amount) -> Self {
        Self { limits, parked, dead, full: None, waits_for_dead: false }
    }

    pub(super) fn full(&self) -> Option<Full> {
        let dead = Full { kind: HeldKind::Dead, held: self.dead, limit: self.limits.dead };
        let waits = self.waits_for_dead && self.dead.reaches(self.limits.dead);
        self.full.or(waits.then_some(dead))
    }

    /// Looks again whether there is room.
    pub(super) fn look_again(&mut self) {
        self.full = None;
    }

    /// Counts an event in, where there is room for it.
    pub(super) fn admit(&mut self, kind: HeldKind, bytes: u64) -> bool {
        let (held, limit) = match kind {
            HeldKind::Parked => (&mut self.parked, self.limits.parked),
            HeldKind::Dead => (&mut self.dead, self.limits.dead),
        };
        if held.reaches(limit) {
            self.full = Some(Full { kind, held: *held, limit });
            return false;
        }
        held.add(bytes);
        true
    }

    /// Whether a parked event may become a dead letter. Those of its key that die with it need no room of their own:
    /// they are in the side table already.
    pub(super) fn has_room_for_dead(&mut self) -> bool {
        let full = self.dead.reaches(self.limits.dead);
        self.waits_for_dead = full;
        !full
    }

    /// A parked event is done.
    pub(super) fn leave(&mut self, bytes: u64) {
        self.parked.remove(bytes);
    }

    /// A parked event is dead now; `with` are those of its key that died with it.
    pub(super) fn die(&mut self, bytes: u64, with: u64) {
        self.parked.remove(bytes);
        self.dead.add(bytes);
        for _ in 0..with {
            let mean = self.parked.mean();
            self.parked.remove(mean);
            self.dead.add(mean);
        }
    }

    /// A dead letter is parked again.
    pub(super) fn revive(&mut self) {
        let mean = self.dead.mean();
        self.dead.remove(mean);
        self.parked.add(mean);
    }

    /// A dead letter was dropped.
    pub(super) fn drop_dead(&mut self) {
        let mean = self.dead.mean();
        self.dead.remove(mean);
    }
}
