//! Which event of a key may go next.
//!
//! At most one event of a key is parked; the others are blocked behind it or dead. After every settlement the
//! lowest blocked event of each key it touched moves up to parked, due at once, unless
//! - another event of the key is parked already, or
//! - a dead letter stands before it and dead letters block their key.
//!
//! Where a dead letter takes its key with it, events that are blocked behind one become dead letters in the same
//! transaction: nothing of such a key waits, so that all of it is seen.
//!
//! Keys are named generously: to look at a key that needs nothing costs three index probes, to miss one stalls
//! it for good. A blocked event counts as touching its key because what it waited for may have been settled
//! between the lane's decision and this settlement.

use relay_engine::event::KeyId;

use super::port::{HeldState, RetryResult, Settlement};

/// The keys whose next event may have to move up after `settlement`, each once, ascending.
pub(super) fn keys_to_promote(settlement: &Settlement) -> Vec<KeyId> {
    let retried = settlement.retried.iter().filter_map(|retried| match &retried.result {
        RetryResult::Done | RetryResult::Held { state: HeldState::Dead | HeldState::Blocked, .. } => {
            Some(retried.key)
        }
        RetryResult::Held { state: HeldState::Parked { .. }, .. } => None,
    });
    let held = settlement.held.iter().filter(|held| held.state == HeldState::Blocked).map(|held| held.key);
    let mut keys: Vec<KeyId> = retried.chain(held).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
