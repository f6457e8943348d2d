//! From the file, or from flags, to validated settings.
//!
//! [`parse`] reads everything before it answers, so that one run of `relay check` shows every mistake. What it
//! returns needs no further checks: the adapters take their settings from it as they are.

mod admin;
mod codes;
mod diagnostic;
mod document;
mod flags;
mod interpolation;
mod load;
mod lookup;
mod model;
mod pipeline;
mod plugin;
mod references;
mod relay;
mod section;
mod sink;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod units;
mod values;

pub use diagnostic::{Diagnostic, Line, Place, Severity};
pub use flags::from_flags;
pub use load::{load, parse};
pub use model::{
    AdminConfig, Config, FirstStart, GrantedPlugin, HeldConfig, OnDead, PipelineConfig, RelayConfig,
    RetryConfig, SinkConfig, SourceAdapter, SourceConfig, StormConfig, WindowLimit,
};
pub(crate) use units::duration;

/// How settings see the environment: the value of a variable, if it is set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;
