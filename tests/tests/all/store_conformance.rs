//! One contract, every store.
