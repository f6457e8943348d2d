//! `POST /tap`: events as they pass, one JSON object a line, until one side goes.
//!
//! What is filtered and hidden is filtered and hidden here, before it leaves the process.

mod client;
mod render;
mod request;
mod screen;
mod service;

pub use crate::pipeline::tap::{Filter, Kind};
pub use client::{Line, TapClient, TapError};
pub use request::TapRequest;
pub(super) use service::{TapState, tap};
