//! Settings of an HTTP sink.

use std::fmt;
use std::time::Duration;

/// What the contract (the last three) and the connection own; a message may not bring them.
pub const RESERVED: [&str; 16] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

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
    /// Headers that hold secrets, by the name under which a plugin asks for one.
    pub credentials: Vec<CredentialConfig>,
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

impl HttpSinkConfig {
    /// What plugins call the credentials by.
    #[must_use]
    pub fn credential_names(&self) -> Vec<&str> {
        self.credentials.iter().map(|it| it.name.as_str()).collect()
    }
}

/// A secret that goes into a header of the messages that name it.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialConfig {
    /// What plugins call it by.
    pub name: String,
    /// The header's name.
    pub header: String,
    /// The header's whole value.
    pub value: String,
}

impl fmt::Debug for CredentialConfig {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("name", &self.name)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
