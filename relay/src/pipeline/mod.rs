//! The async shell: runs the engine of each lane against its source, plugins, sink and store.
//!
//! A lane has an operating-system thread of its own with a current-thread runtime: plugins may take that thread
//! for as long as their limits allow, and hold up no other lane. Its source reads ahead on the shared runtime.

mod chain;
mod lane;
mod lease;
mod live;
mod reader;
mod sent;
mod session;
mod settle;
mod share;
pub mod tap;
mod view;

pub use chain::{Chain, Rendered, Stage};
pub use lane::{LaneEnd, LaneParts, LaneSettings, OwnerSettings, run};
pub use share::Share;
pub use view::{LaneState, LaneView, Views};
