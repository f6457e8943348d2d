//! Kafka, through an idempotent producer.
//!
//! **The pipe breaks at the first failure.** librdkafka's idempotence keeps a partition's stored messages a prefix
//! of what was sent, but only while nothing fails for good: by default it steps over a message that the broker
//! refused, and what stood behind it is stored. Then a later event of a key would overtake an earlier one. So the
//! producer runs gapless, and the sink itself takes nothing more once anything failed, until the lane has seen
//! the failure and opens the sink again. A producer is replaced only when nothing of the old one is on the wire.

mod classify;
mod config;
mod ledger;
mod producer;
mod properties;
mod sink;

pub use config::KafkaSinkConfig;
pub use sink::KafkaSink;
