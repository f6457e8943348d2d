//! Bugs planted between the engine and its world, so that the checker is seen to find them.
//!
//! They live in the model's shell, store and sink: the product's engine carries no test hooks. Mistakes inside the
//! engine show as the same broken promises, so the same checks meet them.

/// A bug, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    None,
    /// Progress moves to what was read instead of what was acknowledged.
    SettleBeforeAcknowledgement,
    /// Progress moves over parked events without recording them.
    CursorOverParked,
    /// The store takes a settlement of any term and version.
    NoTermCheck,
    /// An outage is reported as the event's own fault.
    ChargeOutage,
    /// What a stop interrupts is reported as the event's own fault.
    ChargeShutdown,
    /// A new owner is not told which keys are held.
    ForgetHeldKeys,
    /// A retry is not told which of its messages were delivered.
    ForgetDeliveredSlots,
    /// A lost answer counts as an acknowledgement.
    AcknowledgeUnknown,
    /// Batches of each session are numbered from 1 again, so that late answers name other messages.
    ReuseBatchNumbers,
    /// A settlement whose answer was lost counts as recorded.
    TrustLostSettlement,
    /// The store forgets to move the next event of a key up.
    NoPromotion,
    /// A sink that keeps no order is said to keep prefixes.
    WrongSinkTrait,
    /// The store leaves events blocked behind a dead letter of a parked key.
    NoBurial,
    /// Storms are not looked for.
    NoStorms,
    /// The side table is said to have room for all.
    NoLimits,
    /// Retries are fetched from the store but never handed to the engine's timer: nothing says when the next is due.
    NoNextDue,
}
