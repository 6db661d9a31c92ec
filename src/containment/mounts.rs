//! Where the cgroup hierarchies are mounted.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The cgroup file systems of this process's mount namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    /// Version 2.
    pub(super) unified: Option<PathBuf>,
    /// Hierarchies of version 1, each with its controllers.
    hierarchies: Vec<(Vec<String>, PathBuf)>,
}

impl Mounts {
    /// Reads `/proc/self/mountinfo`.
    pub(super) fn read() -> std::io::Result<Mounts> {
        Ok(Mounts::parse(&std::fs::read("/proc/self/mountinfo")?))
    }

    /// Reads the text of a mountinfo file (proc_pid_mountinfo(5)). Of several mounts of one
    /// hierarchy the last one hides the others.
    pub(super) fn parse(text: &[u8]) -> Mounts {
        let mut mounts = Mounts::default();
        for line in text.split(|byte| *byte == b'\n') {
            let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let Some(end) = words.iter().position(|word| *word == b"-") else { continue };
            let (Some(point), [kind, _source, options]) = (words.get(4), &words[end + 1..]) else {
                continue;
            };
            let point = PathBuf::from(OsString::from_vec(unescape(point)));
            match *kind {
                b"cgroup2" => mounts.unified = Some(point),
                b"cgroup" => {
                    let options = String::from_utf8_lossy(options);
                    let controllers = options.split(',').map(str::to_owned).collect();
                    mounts.hierarchies.push((controllers, point));
                }
                _ => {}
            }
        }
        mounts
    }

    /// Where the hierarchy of version 1 with `controller` is mounted.
    pub(super) fn hierarchy(&self, controller: &str) -> Option<&Path> {
        let has = |(controllers, _): &&(Vec<String>, PathBuf)| {
            controllers.iter().any(|one| one == controller)
        };
        self.hierarchies.iter().rev().find(has).map(|(_, point)| point.as_path())
    }
}

/// Space, tab, newline and backslash are written as octal numbers.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => plain.push(*byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_wherever_they_are_mounted() {
        let text = b"22 1 0:21 / /proc rw shared:5 - proc proc rw\n\
            30 23 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
            31 30 0:27 / /sys/fs/cgroup/unified rw shared:9 master:2 - cgroup2 cgroup2 rw\n\
            32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            33 30 0:29 /docker/1 /odd\\040place\\134 rw - cgroup cgroup rw,freezer\n\
            broken line - \n";
        let mounts = Mounts::parse(text);
        assert_eq!(mounts.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(mounts.hierarchy("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct")));
        assert_eq!(mounts.hierarchy("freezer"), Some(Path::new("/odd place\\")));
        assert_eq!(mounts.hierarchy("memory"), None);
        assert_eq!(Mounts::parse(b""), Mounts::default());
    }
}
