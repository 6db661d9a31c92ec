//! How a command gets its input and gives its answer: private directories and memfds.
//!
//! Owns the per-process directory with one private directory per call in it, the sealed memfds of
//! inputs, the files that capture stdout and stderr, and the descriptor numbers that must not be
//! used again while a process may still write to them. Nothing that a command leaves
//! behind is trusted: links are not followed, only regular files are read, and only up to
//! a limit.

mod capture;
mod directory;
mod files;
mod input;
mod measure;
mod on_disk;
mod output;
mod place;
mod reach;
mod reserved;
mod root;
mod running;
mod sealed;

pub(crate) use capture::Capture;
pub(crate) use directory::Leftover;
pub(crate) use files::RunFiles;
pub use input::{Input, IoMode};
pub(crate) use measure::Measured;
pub(crate) use on_disk::MakeError;
pub(crate) use output::{OutputProblem, kind_name};
pub use place::automatic_parents;
pub(crate) use place::{Staging, is_memory};
pub(crate) use reserved::{ReservedFds, RunMark};
pub(crate) use running::Noted;
pub use sealed::SealedInput;
