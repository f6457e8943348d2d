//! Plugins are swapped while events flow.
