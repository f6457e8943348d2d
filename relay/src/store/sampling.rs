//! How large events in the side table are: to add all of them up at each takeover would read the whole table.

use relay_engine::event::KeyId;

use super::port::HeldKey;

/// Keys whose events are measured: with a mean of so many a limit in bytes is met within some percent.
const SAMPLED_KEYS: usize = 100;

/// Keys to measure, spread over all of them.
pub(super) fn sampled(keys: &[HeldKey]) -> impl Iterator<Item = KeyId> + '_ {
    keys.iter().step_by(keys.len().div_ceil(SAMPLED_KEYS).max(1)).map(|it| it.key)
}
