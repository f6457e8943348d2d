//! Committed rows reach each sink exactly once, in order.
