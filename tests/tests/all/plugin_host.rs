//! Real components in the real host.
