//! The lock of the slots. `tests/slot_model.rs` compiles them with another one, which tries many
//! interleavings.

pub(super) use parking_lot::Mutex;
