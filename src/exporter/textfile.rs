//! The text file for the textfile collector of node_exporter.
//!
//! For hosts where no further port is wanted. The file is replaced by a rename, so the collector
//! never reads half of it. It stays when the agent ends; its age is what
//! `node_textfile_mtime_seconds` of node_exporter is for.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::address::TextfilePath;
use super::guarded;
use super::trouble::Trouble;
use crate::metrics::Registry;

/// Pause between two writes: the usual scrape interval of node_exporter.
const INTERVAL: Duration = Duration::from_secs(15);
/// The collector usually runs as another user.
const MODE: u32 = 0o644;

/// Keeps the file up to date for ever.
pub(super) async fn run(path: TextfilePath, registry: &'static Registry) {
    let mut trouble = Trouble::default();
    let swept = path.clone();
    let _ = tokio::task::spawn_blocking(move || sweep(swept.as_path())).await;
    loop {
        let target = path.clone();
        // Rendered there too: the blocking thread, not the runtime's, pays for it.
        let written = tokio::task::spawn_blocking(move || {
            let text = guarded(registry, || registry.render())
                .ok_or_else(|| io::Error::other("rendering the metrics failed"))?;
            replace(target.as_path(), text.as_bytes())
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
        let path = path.as_path().display();
        match written {
            Ok(()) if trouble.is_over() => {
                tracing::info!(%path, "the metrics file is written again")
            }
            Ok(()) => {}
            Err(error) if trouble.is_news(&error) => {
                tracing::warn!(%path, %error, "cannot write the metrics file: trying again");
            }
            Err(_) => {}
        }
        sleep(INTERVAL).await;
    }
}

/// Puts `text` at `path` in one step.
pub(super) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = temporary(path, std::process::id());
    let result = write_new(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    if result.is_err() {
        // What is left of it, if anything, must not fill the disk. The first error is the news.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

fn write_new(temporary: &Path, text: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // create_new neither follows a symbolic link nor opens another process's file.
    let mut file: File =
        OpenOptions::new().write(true).create_new(true).mode(MODE).open(temporary)?;
    // The host's umask may have taken bits away.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text)
}

/// `.NAME.PID.tmp` beside the file: hidden, and not `*.prom`, so that no collector reads it.
fn temporary(path: &Path, pid: u32) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{pid}.tmp"));
    path.with_file_name(name)
}

/// Removes temporary files that processes of the past left when they were killed while writing.
fn sweep(path: &Path) {
    let Some(directory) = path.parent() else { return };
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(pid_of) else { continue };
        let candidate = directory.join(&name);
        let ours = candidate == temporary(path, pid);
        if ours && !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = std::fs::remove_file(candidate);
        }
    }
}

/// The process of `.NAME.PID.tmp`.
fn pid_of(name: &str) -> Option<u32> {
    name.strip_suffix(".tmp")?.rsplit_once('.')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_whole_and_readable_by_all() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.prom");
        replace(&path, b"first, longer\n").expect("written");
        replace(&path, b"second\n").expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), b"second\n");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(std::fs::read_dir(&directory).expect("listed").count(), 1);
    }

    #[test]
    fn a_failed_replacement_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.prom");
        std::fs::create_dir(&path).expect("made");
        std::fs::write(path.join("x"), "x").expect("written");
        assert!(replace(&path, b"text").is_err());
        assert_eq!(std::fs::read_dir(&directory).expect("listed").count(), 1);
        assert!(replace(&directory.path().join("none/m.prom"), b"text").is_err());
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.prom");
        let victim = directory.path().join("victim");
        std::fs::write(&victim, "precious").expect("written");
        std::os::unix::fs::symlink(&victim, temporary(&path, std::process::id())).expect("linked");
        std::os::unix::fs::symlink(&victim, &path).expect("linked");
        replace(&path, b"text").expect("written");
        assert_eq!(std::fs::read(&victim).expect("read"), b"precious");
        assert_eq!(std::fs::read(&path).expect("read"), b"text");
    }

    #[test]
    fn only_temporary_files_of_dead_processes_are_swept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.prom");
        // Above the largest pid that Linux gives out (4,194,304, proc(5)).
        let dead = temporary(&path, 4_194_305);
        let alive = temporary(&path, std::process::id());
        let others = directory.path().join(".n.prom.4194305.tmp");
        for file in [&dead, &alive, &others] {
            std::fs::write(file, "").expect("written");
        }
        sweep(&path);
        assert_eq!((dead.exists(), alive.exists(), others.exists()), (false, true, true));
    }
}
