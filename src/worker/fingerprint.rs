//! Noticing that the command's file was replaced.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use crate::command::CommandLine;
use crate::reactor::FsHelpers;
use crate::run::CommandSpec;
use crate::sys::FsHelper;

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
}

/// The fingerprint of the file that the command would execute now; `None` for shell text, while
/// there is no such file, and when its file system does not answer. A child looks: the file may be
/// on a network file system, where a thread of ours could hang for ever.
pub(super) async fn fingerprint(spec: &CommandSpec, helpers: &FsHelpers) -> Option<Fingerprint> {
    let CommandLine::Path(_) = &spec.command else { return None };
    let mut helper = FsHelper::default();
    let looks: Vec<_> = spec
        .candidates()
        .into_iter()
        .filter_map(|candidate| CString::new(candidate.into_vec()).ok())
        .map(|candidate| helper.look(&candidate, true))
        .collect();
    let helper = helpers.run(helper, PATIENCE).await.ok()?;
    looks
        .into_iter()
        .filter_map(|look| helper.stat(look).ok())
        .find(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG)
        .map(|stat| Fingerprint {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
        })
}
