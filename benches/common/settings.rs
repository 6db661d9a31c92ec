//! How criterion is set up.

use std::path::{Path, PathBuf};

use criterion::Criterion;

/// Criterion's own settings, with the place of its results spelt out.
pub(crate) fn criterion() -> Criterion {
    Criterion::default().output_directory(&results())
}

/// `target/criterion`, where criterion keeps what later runs compare with.
pub(crate) fn results() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let own = || target.expect("cargo's tmp is in its target").join("criterion");
    std::env::var_os("CRITERION_HOME").map_or_else(own, PathBuf::from)
}
