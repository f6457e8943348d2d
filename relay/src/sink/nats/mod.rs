//! NATS JetStream.

mod config;

pub use config::NatsSinkConfig;
