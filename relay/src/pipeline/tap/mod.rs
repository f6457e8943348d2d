//! Events of running lanes, for people who watch: what is read, what each plugin makes of it, what is handed to the
//! sink and how that ends.
//!
//! With nobody attached a lane pays one relaxed load per batch, per command that sends and per wake-up for reports.
//! With somebody attached it copies what passes their filter into a bounded queue and goes on: what does not fit is
//! counted, never waited for.

mod filter;
mod hub;
mod lane;
mod seen;

pub use filter::{Filter, Kind};
pub use hub::{Attached, Shown, Tap, TooMany};
pub(super) use lane::{LaneTap, Watch};
pub use seen::{Seen, What, Why};
