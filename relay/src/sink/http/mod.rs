//! HTTP receivers, by the Standard Webhooks contract.
//!
//! Requests run beside each other, so the sink keeps no prefixes: its caller has one message per key in flight.

mod addresses;
mod answer;
pub mod config;
mod request;
mod retry_after;
mod signature;
mod sink;

pub use config::HttpSinkConfig;
pub use sink::HttpSink;
