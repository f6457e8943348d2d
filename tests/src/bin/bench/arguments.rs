//! What to measure.

use clap::{Parser, ValueEnum};

/// Measures the relay beside the bare clients that it is made of.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Arguments {
    /// How many events the backlog holds: 300 bytes of JSON, 10,000 keys, 3 headers.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: u64,
    /// Where they go.
    #[arg(long, value_enum, default_value = "kafka")]
    pub(crate) sink: Choice,
    /// How often each measurement is taken; they alternate.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: u32,
    /// Measure latency instead, into Kafka.
    #[arg(long)]
    pub(crate) latency: bool,
    /// Measure starts of the relay and swaps of its plugin instead, with SQLite and HTTP.
    #[arg(long, conflicts_with = "latency")]
    pub(crate) reload: bool,
    /// Commits a second, one event each, for --latency.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) rate: u64,
    /// For how long, for --latency.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The sinks to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    Kafka,
    Nats,
    Http,
    All,
}

/// One sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SinkKind {
    Kafka,
    Nats,
    Http,
}

impl SinkKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Nats => "nats",
            Self::Http => "http",
        }
    }
}

impl Arguments {
    /// The sinks that take part.
    pub(crate) fn sinks(&self) -> Vec<SinkKind> {
        match self.sink {
            _ if self.latency => vec![SinkKind::Kafka],
            Choice::Kafka => vec![SinkKind::Kafka],
            Choice::Nats => vec![SinkKind::Nats],
            Choice::Http => vec![SinkKind::Http],
            Choice::All => vec![SinkKind::Kafka, SinkKind::Nats, SinkKind::Http],
        }
    }
}
