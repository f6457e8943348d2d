//! Metrics of plugins: checked, bounded, and shown once the call that counted them is over.

mod call;
mod registry;

pub(super) use call::{CallMetrics, Update, may_have};
pub(super) use registry::{GuestMetrics, MetricsRegistry};
