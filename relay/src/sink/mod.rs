//! Sinks: where messages go.

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "nats")]
pub mod nats;
mod port;
pub mod stdout;

pub use port::{Report, Reports, SentHeader, Sink, SinkTraits};
