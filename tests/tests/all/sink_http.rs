//! The HTTP sink against real receivers.
