//! What threads share, under one name: `tests/handover.rs` reads `mailbox.rs` with another module of this name, whose
//! parts take every order that the memory model allows.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use tokio::sync::Notify;
