//! What people see: screens, errors and exit codes of the real binary.
