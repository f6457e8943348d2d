//! Metrics and health over HTTP: `/metrics`, `/livez`, `/readyz` and `/lanes`; and `/tap`, where an operator allows
//! it, for people who watch events pass.

mod server;
pub mod tap;

pub use metrics_exporter_prometheus::PrometheusHandle as Metrics;
pub use server::{AdminError, Server, install_recorder};
