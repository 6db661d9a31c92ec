//! Modules files that are looked at again and again.
//!
//! The file may be on a network file system, which tells nobody of changes and may not answer: a
//! child looks at it every two seconds, and times and sizes are compared.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::reactor::FsHelpers;
use crate::sys::FsHelper;

use super::Target;
use super::request::{Meant, begin as reload};
use super::source::Source;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a file must stay as it is before it is read: it may be being written.
const SETTLED: Duration = Duration::from_millis(500);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The files that are watched, each with those for whom.
static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

type Watched = (PathBuf, Vec<Weak<dyn Target>>);

/// What tells one content of a file from another without reading it.
type Fingerprint = (u64, u64, i64, i64, i64);

/// Watches the file of an instance, unless that is done for another one already.
pub(super) fn begin(target: &Arc<dyn Target>, source: &Result<Source, String>, handle: &Handle) {
    let refused = |why: &str| {
        tracing::warn!(
            "{} module '{}': reload=auto watches nothing: {why}",
            target.kind().word(),
            target.module()
        );
    };
    let path = match source {
        Ok(Source::File(path)) => path,
        Ok(Source::Directory(_)) => {
            return refused(
                "the parameters stand in --modules_dir, which `mesos-command reload` reads; name a \
                 file in reload_from",
            );
        }
        Err(why) => return refused(why),
    };
    let mut all = WATCHED.lock();
    let own = Arc::downgrade(target);
    match all.iter_mut().find(|(watched, _)| watched == path) {
        Some((_, targets)) => targets.push(own),
        None => {
            all.push((path.clone(), vec![own]));
            handle.spawn(watch(path.clone()));
        }
    }
}

/// Whether somebody still wants to know of a file; if not, it is no longer listed.
fn is_wanted(path: &Path) -> bool {
    let mut all = WATCHED.lock();
    for (_, targets) in all.iter_mut().filter(|(watched, _)| watched == path) {
        targets.retain(|target| target.strong_count() > 0);
    }
    all.retain(|(_, targets)| !targets.is_empty());
    all.iter().any(|(watched, _)| watched == path)
}

async fn watch(path: PathBuf) {
    let Ok(name) = CString::new(path.as_os_str().as_bytes()) else { return };
    // One that hangs is waited for: then nothing is known of the file.
    let helpers = FsHelpers::new(1);
    let mut known = look(&name, &helpers).await;
    while is_wanted(&path) {
        tokio::time::sleep(PAUSE).await;
        // A file that is missing for a moment is being replaced.
        let Some(mut found) = look(&name, &helpers).await else { continue };
        if known == Some(found) {
            continue;
        }
        loop {
            tokio::time::sleep(SETTLED).await;
            match look(&name, &helpers).await {
                Some(again) if again != found => found = again,
                _ => break,
            }
        }
        known = Some(found);
        let (sender, ended) = oneshot::channel();
        let answer = move |result| drop(sender.send(result));
        // What came of it stands in the log.
        reload(Meant::Watching(Source::File(path.clone())), Box::new(answer));
        let _ = ended.await;
    }
}

async fn look(name: &CString, helpers: &FsHelpers) -> Option<Fingerprint> {
    let mut helper = FsHelper::default();
    let look = helper.look(name, true);
    let stat = helpers.run(helper, PATIENCE).await.ok()?.stat(look).ok()?;
    Some((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec))
}
