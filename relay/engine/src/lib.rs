//! The pure core of the outbox relay: no clock, no runtime, no I/O.
//!
//! - [`event`]: what comes out of an outbox
//! - [`verdict`]: what a plugin says about it
//! - [`route`]: which messages that makes for which sink
//! - [`message`]: what goes to a sink
//! - [`outcome`]: what became of a delivery
//! - [`engine`]: what to send, park and settle next
//! - [`clock`]: time, given from outside

pub mod clock;
pub mod engine;
pub mod event;
pub mod message;
pub mod outcome;
pub mod route;
pub mod verdict;
