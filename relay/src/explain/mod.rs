//! What each code means and what to do.
