//! Settings of an HTTP sink.

use std::time::Duration;

/// Settings of one HTTP sink, already validated.
#[derive(Debug, Clone)]
pub struct HttpSinkConfig {
    /// The name in the configuration.
    pub name: String,
    /// Scheme, authority and base path; the address of a message is appended to it.
    pub url: String,
    /// The method, unless a plugin names another.
    pub method: String,
    /// Headers on every request; values may be secrets, so they are never logged.
    pub headers: Vec<(String, String)>,
    /// Signing secrets of Standard Webhooks, newest first, decoded from their `whsec_` form or raw.
    pub secrets: Vec<Vec<u8>>,
    /// Requests at the same time.
    pub concurrency: usize,
    /// Bound on one request from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Whether private and loopback addresses may be dialled. Link-local and metadata addresses never are.
    pub allow_private: bool,
    /// Whether 409 means that the receiver has the message already.
    pub conflict_is_success: bool,
}
