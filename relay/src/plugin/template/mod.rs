//! A plugin to begin with: compiles, passes its own tests untouched, and explains itself.
//!
//! It needs no network to be made, and no copy of the project: the SDK is in this program and is written beside the
//! plugin. Inside of a clone of the project the clone's SDK is used. Plugins in other languages begin as the project's
//! examples, whose tool the first build fetches.

mod create;
mod error;
mod file;
mod language;
mod lock;
mod manifest;
mod name;
mod sdk;

pub use create::{Created, Sdk, create};
pub use error::TemplateError;
