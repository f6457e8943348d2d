//! NATS JetStream.
//!
//! Publishes are pipelined: each names a reply subject below one inbox of the sink, so that one subscription and
//! one task receive all acknowledgements, and nothing but a number is kept per message. The answers come in any
//! order and a lost one leaves a gap, so the sink keeps no prefixes: its caller has one message per key in flight.

mod classify;
mod config;
mod connection;
mod pending;
mod publish;
mod sink;

pub use config::NatsSinkConfig;
pub use sink::NatsSink;
