//! Metrics and health over HTTP: `/metrics`, `/livez`, `/readyz` and `/lanes`.

mod server;

pub use metrics_exporter_prometheus::PrometheusHandle as Metrics;
pub use server::{AdminError, Server, install_recorder};
