//! Settings of a NATS JetStream sink.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of one NATS sink, already validated.
#[derive(Debug, Clone)]
pub struct NatsSinkConfig {
    /// The name in the configuration.
    pub name: String,
    /// Servers, `nats://host:port` or `tls://host:port`.
    pub servers: Vec<String>,
    /// User and password.
    pub login: Option<(String, String)>,
    /// Token.
    pub token: Option<String>,
    /// Credentials file (JWT and seed).
    pub credentials: Option<PathBuf>,
    /// Publishes that may wait for their acknowledgement.
    pub in_flight: usize,
    /// How long to wait for one acknowledgement.
    pub ack_timeout: Duration,
}
