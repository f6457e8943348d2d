//! Golden cases against a real component, under the limits of production: an event, and what becomes of it.
//!
//! `relay plugin build` puts the cases of a plugin into its component, so that they go where it goes. Before a swap:
//!
//! ```ignore
//! let suites = golden::carried(build.bytes())?;
//! let results = golden::run(&host, &config.name, build.bytes(), &config.limits, &suites)?;
//! if let Some(failed) = results.iter().find(|it| !it.outcome.is_pass()) { /* refuse the build */ }
//! ```
//!
//! [`run`] blocks its thread: it compiles the component once per different configuration of the suites (30 ms and
//! more) and runs each case on a fresh instance. It touches nothing else: no lane, no store, no clock.

mod carried;
mod result;
mod run;
mod verdict;

pub use carried::{carried, with_cases};
pub use relay_plugin_cases::{
    Case, CaseError, Change, EventRow, Outcome, Suite, compared, recorded, updated,
};
pub use result::{CaseOutcome, CaseResult};
pub(in crate::plugin) use run::host;
pub use run::{push_row, run, run_loaded, run_with_defaults};
pub use verdict::outcome;
