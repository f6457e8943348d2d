//! Every test that needs more than one crate or a real server, in one binary so that it links once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "functions that tests share fail as tests do")]

mod author;
mod author_dev;
mod author_docs;
mod author_pipeline;
mod author_record;
mod cli;
mod end_to_end;
mod failures;
mod guarantees;
mod hostile;
mod journal;
mod keyed_shop;
mod kill;
mod layering;
mod many_held;
mod pgbouncer;
mod plugin_host;
mod plugin_stand;
mod plugins;
mod reload;
mod reload_by_hand;
mod reload_campaign;
mod reload_gates;
mod reload_shadow;
mod shards;
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
mod tap;
mod tapped;
mod trace;
