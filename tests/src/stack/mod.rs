//! Real servers for tests, each a child process on a free port with temporary data.
//!
//! A server that a test starts belongs to that test, which may kill, pause, stop and restart it; the shared ones
//! ([`shared_postgres`], [`shared_kafka`], [`shared_nats`]) are started once per test process and cannot be
//! hurt, because they are handed out as `&'static`. Nothing is left behind: servers die with the test process
//! even when that is killed, and a janitor process removes the data afterwards.
//!
//! The programs are installed by `tests/run --setup`; see [`tools`] for where they are looked for.

mod error;
mod folder;
mod http_receiver;
mod http_wire;
mod kafka;
mod nats;
mod pgbouncer;
mod ports;
mod postgres;
mod process;
mod proxy;
mod runtime;
pub mod tools;

/// What the rest of this crate starts processes with.
pub(crate) mod processes {
    pub(crate) use super::folder::create as temporary_folder;
    pub(crate) use super::process::{blocking, launch, launcher, output, run, signal};
}

pub use error::StackError;
pub use http_receiver::{Answer, HttpReceiver, ReceivedRequest};
pub use kafka::{Kafka, Record, TopicCounter, shared_kafka};
pub use nats::{Nats, StoredMessage, shared_nats};
pub use pgbouncer::PgBouncer;
pub use ports::free_port;
pub use postgres::{Postgres, shared_postgres};
pub use proxy::TcpProxy;
