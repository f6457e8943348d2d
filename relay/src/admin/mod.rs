//! Metrics and health over HTTP: `/metrics`, `/livez`, `/readyz` and `/lanes`; and `/plugins/NAME/…`, by which operators
//! on the same machine speak to a running relay about its plugins.

pub mod plugins;
mod server;

pub use metrics_exporter_prometheus::PrometheusHandle as Metrics;
pub use server::{AdminError, Server, install_recorder};
