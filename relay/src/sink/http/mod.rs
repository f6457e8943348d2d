//! HTTP receivers, by the Standard Webhooks contract.

mod config;

pub use config::HttpSinkConfig;
