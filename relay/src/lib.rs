//! A transactional outbox relay: reads outbox tables, hands each event to sandboxed WebAssembly plugins, and
//! delivers to Kafka, NATS or HTTP.
//!
//! The pure core is the crate `relay-engine`; this crate holds the ports, their adapters and the shell. Which
//! module may use which is written down in `docs/architecture.md` and enforced by a test.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod explain;
pub mod pipeline;
pub mod plugin;
pub mod redaction;
pub mod sink;
pub mod source;
pub mod store;
pub mod telemetry;
