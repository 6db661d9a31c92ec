//! Whether another user can get to a directory.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::sys::User;

/// The first directory from `/` to `path` that `user` may not enter, in words; `None` when it may
/// enter all of them. At load only.
///
/// # Errors
/// When one cannot be looked at.
pub(super) fn closed_to(path: &Path, user: &User) -> io::Result<Option<String>> {
    let path = path.canonicalize()?;
    let mut steps: Vec<&Path> = path.ancestors().collect();
    steps.reverse();
    for step in steps {
        let found = fs::metadata(step)?;
        if !may_enter(user, found.uid(), found.gid(), found.mode()) {
            let (step, mode) = (step.display(), found.mode() & 0o7777);
            return Ok(Some(format!(
                "{user} may not enter '{step}' (mode {mode:04o}); set temp_dir to a directory that \
                 it can get to"
            )));
        }
    }
    Ok(None)
}

/// By owner, group and the others' bits, of which the kernel takes the first that fits.
fn may_enter(user: &User, owner: u32, group: u32, mode: u32) -> bool {
    let bit = if user.uid == owner {
        0o100
    } else if user.groups.contains(&group) {
        0o010
    } else {
        0o001
    };
    user.uid == 0 || mode & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn user(uid: u32, groups: &[u32]) -> User {
        User { name: "someone".into(), uid, gid: groups[0], groups: groups.into() }
    }

    #[test]
    fn the_first_bits_that_fit_count() {
        let someone = user(7, &[8, 9]);
        for (owner, group, mode, may) in [
            (7, 0, 0o100, true),
            (7, 8, 0o011, false),
            (0, 9, 0o710, true),
            (0, 9, 0o701, false),
            (0, 0, 0o711, true),
            (0, 0, 0o770, false),
        ] {
            assert_eq!(may_enter(&someone, owner, group, mode), may, "{owner} {group} {mode:o}");
        }
        assert!(may_enter(&user(0, &[0]), 7, 7, 0o000), "root");
    }

    #[test]
    fn the_directory_that_is_closed_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (closed, below) = (directory.path().join("closed"), directory.path().join("closed/b"));
        fs::create_dir_all(&below).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
        set(directory.path(), 0o755).unwrap();
        set(&closed, 0o755).unwrap();
        let someone = user(u32::MAX - 1, &[u32::MAX - 1]);
        assert_eq!(closed_to(&below, &someone).unwrap(), None);
        set(&closed, 0o700).unwrap();
        let text = closed_to(&below, &someone).unwrap().unwrap();
        assert!(text.starts_with("user 'someone' (uid "), "{text}");
        assert!(text.contains("/closed' (mode 0700)"), "{text}");
    }
}
