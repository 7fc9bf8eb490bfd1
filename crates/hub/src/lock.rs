//! Locks that go on after a panic elsewhere.

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after another thread has panicked: every critical section here leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
