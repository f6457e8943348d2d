//! The async shell: runs engines against ports.
