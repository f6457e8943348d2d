//! The plugins of this repository, as components.
