//! Where the files of the repository are, whichever package a test belongs to.

use std::path::{Path, PathBuf};

/// A file or directory by its path inside the repository; `""` is the repository itself.
pub fn repository(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("tests/support is two directories below it").join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_files_are_found() {
        assert!(repository("tests/support/src/repository.rs").is_file());
    }
}
