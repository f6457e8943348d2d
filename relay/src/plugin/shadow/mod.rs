//! Runs another build of a plugin beside the one that is live, on the same events, and tells what comes out otherwise.
//!
//! Nothing of the other build is sent. A lane hands a copy of each batch and of its answers to a thread that has time,
//! and goes on; where that thread can't keep up, batches are left out and counted. The other build can slow down no
//! lane, and whatever it does to itself, its differences are all that is seen of it.

mod compare;
mod generation;
mod tap;
mod worker;

#[cfg(test)]
mod tests;

pub use generation::shadowed;
pub use tap::{ShadowTap, Tally};
