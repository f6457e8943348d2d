//! The pure core of the outbox relay: no clock, no runtime, no I/O.
//!
//! - [`event`]: what comes out of an outbox
//! - [`verdict`]: what a plugin says about it
//! - [`message`]: what goes to a sink
//! - [`outcome`]: what became of a delivery

pub mod event;
pub mod message;
pub mod outcome;
pub mod verdict;
