//! Values of a thread, where threads are tasks of shuttle.

use std::cell::Cell;

/// As std's `LocalKey`.
pub(crate) struct OfTask<T: 'static>(pub(crate) &'static shuttle::thread::LocalKey<T>);

impl<T: Copy> OfTask<Cell<T>> {
    pub(crate) fn get(&'static self) -> T {
        self.0.with(Cell::get)
    }

    pub(crate) fn set(&'static self, value: T) {
        self.0.with(|cell| cell.set(value));
    }

    pub(crate) fn replace(&'static self, value: T) -> T {
        self.0.with(|cell| cell.replace(value))
    }
}
