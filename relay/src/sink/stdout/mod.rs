//! One JSON line per message on standard output, for trying things and for pipes.

mod line;
mod sink;

pub use sink::StdoutSink;
