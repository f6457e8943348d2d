//! The NATS sink against a real server.
