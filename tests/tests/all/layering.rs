//! Modules use only what the architecture allows.
