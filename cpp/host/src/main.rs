//! A host for a real libmesos.
fn main() {}
