//! The relay is killed and nothing is lost.
