//! The libraries that a library is loaded with: clusterd, for one, is a libmesos that leaves its
//! messages, protobuf and glog to others.
//!
//! The dynamic linker itself is asked, as `ldd` does: it lists all of them, with what it finds and
//! where, in this process's environment, and runs no code of theirs.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::child;
use super::elf::{self, Image};

/// With it the dynamic linker lists what it would load, and starts nothing (ld.so(8)).
const LIST: (&str, &str) = ("LD_TRACE_LOADED_OBJECTS", "1");
/// Longer than any file system that answers.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a library is loaded with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Neighbours {
    /// Files, in the order in which their symbols are looked up.
    pub(super) found: Vec<PathBuf>,
    /// Sonames that were not found, also of those that neighbours need.
    pub(super) missing: Vec<String>,
}

/// Lists them; `None` where the dynamic linker does not tell.
pub(super) fn list(library: &Path) -> Option<Neighbours> {
    let linker = elf::own_linker()?;
    let text = child::output(&linker, library, LIST, TIMEOUT).ok()?;
    Some(read(&text)).filter(|neighbours| *neighbours != Neighbours::default())
}

/// Reads the list: `libz.so.1 => /lib/libz.so.1 (0x7f…)`, `libx.so => not found`.
fn read(text: &str) -> Neighbours {
    let mut neighbours = Neighbours::default();
    for line in text.lines() {
        let Some((name, place)) = line.trim().split_once(" => ") else { continue };
        match place.rsplit_once(" (0x") {
            Some((path, _)) => neighbours.found.push(path.into()),
            None if place == "not found" => neighbours.missing.push(name.to_owned()),
            None => {}
        }
    }
    neighbours
}

impl Neighbours {
    /// What of `names` they export: as strong symbols, and otherwise. Reads them until all are
    /// found.
    pub(super) fn exports(&self, names: &BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut strong, mut weak) = (BTreeSet::new(), BTreeSet::new());
        for path in &self.found {
            if strong.len() == names.len() {
                break;
            }
            let Ok(image) = Image::read(path) else { continue };
            strong.extend(names.intersection(&image.strong).cloned());
            weak.extend(names.intersection(&image.weak).cloned());
        }
        (strong, weak)
    }

    /// Where those that are missing were looked for, for people.
    pub(super) fn searched(&self, host: &Image) -> String {
        let mut places = Vec::new();
        let mut of_files = BTreeSet::new();
        let images = self.found.iter().filter_map(|path| Image::read(path).ok());
        for directory in images.flat_map(|image| image.search).chain(host.search.iter().cloned()) {
            of_files.insert(directory);
        }
        places.extend(of_files.into_iter().map(|it| format!("{it} (RUNPATH)")));
        if let Some(paths) = std::env::var_os("LD_LIBRARY_PATH") {
            let paths = std::env::split_paths(&paths);
            let named = paths.filter(|path| !path.as_os_str().as_bytes().is_empty());
            places.extend(named.map(|path| format!("{} (LD_LIBRARY_PATH)", path.display())));
        }
        places.push("the directories of /etc/ld.so.conf and the system's own".to_owned());
        places.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dynamic_linker_lists_is_read() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibz.so.1 => /lib/a b/libz.so.1 (0x00007f)\n\
                    \tlibmesos-protobufs.so => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n\
                    x: /lib/libcurl.so.4: version `CURL_3' not found (required by x)\n";
        let read = read(text);
        assert_eq!(read.found, [Path::new("/lib/a b/libz.so.1")]);
        assert_eq!(read.missing, ["libmesos-protobufs.so"]);
    }

    #[test]
    fn the_libraries_of_this_program_are_found() {
        let program = std::env::current_exe().expect("its path");
        let own = list(&program).expect("it is linked dynamically");
        let is_libc = |path: &PathBuf| path.to_string_lossy().contains("libc.so");
        assert!(own.found.iter().any(is_libc) && own.missing.is_empty(), "{own:?}");
    }
}
