//! What the relay is tested with: real servers as child processes, a journal of what writers committed, and the
//! checker that compares it with what arrived.

pub mod hostile;
pub mod journal;
pub mod layering;
pub mod program;
pub mod stack;
