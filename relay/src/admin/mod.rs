//! Metrics and health over HTTP: `/metrics`, `/livez`, `/readyz` and `/lanes`; `/tap`, where an operator allows it, for
//! people who watch events pass; and `/plugins/NAME/…`, by which operators on the same machine speak to a running relay
//! about its plugins.

mod answer;
mod client;
mod local;
pub mod plugins;
mod server;
pub mod tap;

pub use metrics_exporter_prometheus::PrometheusHandle as Metrics;
pub use server::{AdminError, Server, install_recorder};
