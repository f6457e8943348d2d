//! Wires the parts, owns all tasks, drains.
