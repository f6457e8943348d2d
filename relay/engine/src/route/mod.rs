//! Which messages an event makes for one sink: the addresses plugins chose, confined to their grants, or the
//! pipeline's own route in the manner of Debezium's outbox event router.

mod address;
mod grant;
mod resolve;
mod template;

pub use address::{InvalidAddress, SinkKind};
pub use grant::{Grant, Pattern};
pub use resolve::{Router, SinkRoute};
pub use template::{InvalidTemplate, Template, percent_encode};
