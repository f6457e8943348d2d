//! The Kafka sink against a real broker.
