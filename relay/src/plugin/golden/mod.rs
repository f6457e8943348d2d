//! Golden cases against a real component, under the limits of production: an event, and what becomes of it.
//!
//! `relay plugin build` puts the cases of a plugin into its component, so that they go where it goes; [`gate`] runs them
//! before a swap. All of it blocks its thread: it compiles the component once per different configuration of the
//! suites (30 ms and more, unless it is cached) and runs each case on a fresh instance. It touches nothing else: no
//! lane, no store, no clock.

mod carried;
mod gate;
mod result;
mod run;
mod verdict;

pub use carried::{carried, with_cases};
pub use gate::gate;
pub use relay_plugin_cases::{
    Case, CaseError, Change, EventRow, Outcome, Suite, compared, recorded, updated,
};
pub use result::{CaseOutcome, CaseResult};
pub(in crate::plugin) use run::host;
pub use run::{push_row, run, run_loaded, run_with_defaults, standard_cache};
pub use verdict::outcome;
