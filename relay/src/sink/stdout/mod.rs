//! One JSON line per message on standard output.
