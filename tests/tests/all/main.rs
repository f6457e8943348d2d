//! Every test that needs more than one crate or a real server, in one binary so that it links once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "functions that tests share fail as tests do")]

mod author;
mod author_dev;
mod author_docs;
mod author_pipeline;
mod cli;
mod end_to_end;
mod failover;
mod failures;
mod guarantees;
mod hostile;
mod http_shop;
mod journal;
mod keyed_shop;
mod kill;
mod kill_points;
mod kill_stage;
mod layering;
mod metrics;
mod outages;
mod pgbouncer;
mod plugin_host;
mod plugins;
mod poison;
mod relay_tables;
mod reload;
mod shop;
mod sink_driver;
mod sink_http;
mod sink_kafka;
mod sink_nats;
mod source_postgres;
mod source_sqlite;
mod stack;
mod store_conformance;
mod storms;
mod takeover;
