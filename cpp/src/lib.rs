//! The module library.
