//! How a command gets its input and gives its answer: private directories and memfds.

/// A container's constant input, rendered once as a sealed memfd and shared by its runs.
#[derive(Debug)]
pub struct SealedInput {}
