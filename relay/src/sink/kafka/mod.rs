//! Kafka, through an idempotent producer.

mod config;

pub use config::KafkaSinkConfig;
