//! JSON payloads: typed, or looked at in place.
//!
//! [`Event::json`](crate::Event::json) reads a payload into a type. A [`Document`] is for plugins that need a
//! few places of it, or that change it: nothing is built, and what is not touched keeps every byte, with the
//! order of its keys, its white space and its numbers as they were written.

mod document;
mod fault;
mod node;
mod pointer;

pub use document::Document;
pub use node::{Elements, Kind, Member, Members, Node};
pub use pointer::{InvalidPointer, Pointer};

pub(crate) use fault::{end_of_error, read, words};
pub(crate) use pointer::escape;
