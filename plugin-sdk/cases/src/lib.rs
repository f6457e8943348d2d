//! Golden cases of a plugin: an event, and what becomes of it.
//!
//! One file holds a configuration and any number of cases:
//!
//! ```
//! let text = r#"
//! config = { topic = "orders" }
//!
//! [[case]]
//! name = "an order goes to the topic"
//! event = { aggregate_type = "order", aggregate_id = "order-1", type = "OrderPlaced", payload = '{"total":12}' }
//! message = [{ kafka = "orders" }]
//!
//! [[case]]
//! name = "what is no order is dropped"
//! event = { aggregate_type = "user", aggregate_id = "user-1", type = "UserCreated", payload = "{}" }
//! discard = "no order"
//! "#;
//! let suite = relay_plugin_cases::Suite::parse("orders.toml", text)?;
//! assert_eq!(suite.cases.len(), 2);
//! # Ok::<(), relay_plugin_cases::CaseError>(())
//! ```
//!
//! The same files are run natively by the tests of a plugin and against its component by `relay plugin test`.

mod bytes;
mod error;
mod event;
mod outcome;
mod read;
mod record;
mod screen;
mod suite;
mod update;

pub use error::CaseError;
pub use event::EventRow;
pub use outcome::{Content, ExpectedMessage, Outcome, Place};
pub use record::recorded;
pub use screen::{Change, compared};
pub use suite::{Case, Suite};
pub use update::updated;

#[cfg(test)]
mod tests;
