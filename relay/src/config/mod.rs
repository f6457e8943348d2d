//! From the file to validated settings.
