//! The Rust client: one type, three transports, resume, fallback and backoff
