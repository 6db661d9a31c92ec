//! What the file of a shared library says about itself, read without loading it.
//!
//! Only the dynamic symbol table and what belongs to it is read, so that a libmesos of hundreds of
//! megabytes costs little.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, Sym as _};
use object::{Endianness, ReadCache, SymbolIndex};

use crate::machine;

type Header = FileHeader64<Endianness>;

/// Symbols and needs of a shared library of this machine's kind.
#[derive(Debug, Default)]
pub(super) struct Image {
    /// Exported and global: nothing that a compiler may have left out.
    pub(super) strong: BTreeSet<String>,
    /// Exported, but weak.
    pub(super) weak: BTreeSet<String>,
    /// Undefined without a symbol version: left to whoever loads the library. Versioned ones
    /// belong to libc and the like, and the dynamic linker sees to them.
    pub(super) required: BTreeSet<String>,
    /// The same, but weak: it can be loaded without them.
    pub(super) optional: BTreeSet<String>,
    /// Directories in which the libraries that it needs are looked for first, `$ORIGIN` filled in.
    pub(super) search: Vec<String>,
}

impl Image {
    /// Reads a library. The error is one clause, of which the file is the subject.
    pub(super) fn read(path: &Path) -> Result<Image, String> {
        let file = open(path)?;
        let cache = ReadCache::new(file.0);
        let header = Header::parse(&cache).map_err(|_| not_elf(&cache))?;
        usable_here(header)?;
        whole(header, &cache, file.1)?;
        Image::parse(header, &cache, path)
            .map_err(|error| format!("cannot be read as a shared library: {error}"))
    }

    fn parse(header: &Header, data: &ReadCache<File>, path: &Path) -> object::read::Result<Image> {
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
        let versions = sections.versions(endian, data)?.unwrap_or_default();
        let mut image = Image::default();
        for (index, symbol) in symbols.enumerate() {
            let name = String::from_utf8_lossy(symbol.name(endian, symbols.strings())?);
            if name.is_empty() || symbol.is_local() {
                continue;
            }
            let names = match (symbol.is_undefined(endian), symbol.is_weak()) {
                (true, _) if versioned(&versions, endian, index) => continue,
                (true, false) => &mut image.required,
                (true, true) => &mut image.optional,
                (false, true) => &mut image.weak,
                (false, false) => &mut image.strong,
            };
            names.insert(name.into_owned());
        }
        let origin = path.parent().unwrap_or(Path::new("/")).display().to_string();
        let table = sections.dynamic_table(endian, data)?;
        for entry in &table {
            if matches!(entry.tag, elf::DT_RPATH | elf::DT_RUNPATH) {
                let text = String::from_utf8_lossy(table.string(entry)?);
                let filled = text.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
                image.search.extend(filled.split(':').map(str::to_owned));
            }
        }
        Ok(image)
    }
}

fn versioned(
    versions: &object::read::elf::VersionTable<'_, Header>,
    endian: Endianness,
    index: SymbolIndex,
) -> bool {
    let version = versions.version_index(endian, index).index();
    matches!(versions.version(version), Ok(Some(_)))
}

/// The file and its length. A device or a pipe is refused, and not waited for.
fn open(path: &Path) -> Result<(File, u64), String> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| format!("cannot be opened: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("cannot be examined: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    Ok((file, metadata.len()))
}

fn not_elf(data: &ReadCache<File>) -> String {
    use object::ReadRef as _;
    match data.read_bytes_at(0, 5) {
        Ok([0x7f, b'E', b'L', b'F', 1]) => "is a library for 32 bits".to_owned(),
        Ok([0x7f, b'E', b'L', b'F', _]) => "is not a complete ELF file".to_owned(),
        _ => "is not an ELF file".to_owned(),
    }
}

/// Whether it is a shared library for the kind of machine that this very program runs on.
fn usable_here(header: &Header) -> Result<(), String> {
    let facts = |header: &Header| {
        let endian = header.endian().unwrap_or_default();
        (endian, header.e_machine(endian))
    };
    let own = open(Path::new("/proc/self/exe"))?;
    let cache = ReadCache::new(own.0);
    let own = Header::parse(&cache).map_err(|error| format!("cannot be compared: {error}"))?;
    let (theirs, ours) = (facts(header), facts(own));
    if theirs != ours {
        let [theirs, ours] =
            [theirs, ours].map(|(endian, kind)| machine::name(kind, 64, endian == Endianness::Big));
        return Err(format!("is for another kind of machine: {theirs}; this one is {ours}"));
    }
    let (endian, _) = theirs;
    if header.e_type(endian) != elf::ET_DYN {
        return Err("is an ELF file, but no shared library".to_owned());
    }
    Ok(())
}

/// The dynamic linker of this very program.
pub(super) fn own_linker() -> Option<PathBuf> {
    let own = open(Path::new("/proc/self/exe")).ok()?;
    let cache = ReadCache::new(own.0);
    let header = Header::parse(&cache).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, &cache).ok()?;
    let named = |it: &elf::ProgramHeader64<Endianness>| it.interpreter(endian, &cache).ok()?;
    let name = segments.iter().find_map(named)?;
    Some(OsStr::from_bytes(name).into())
}

/// Whether everything that the headers speak of is in the file.
fn whole(header: &Header, data: &ReadCache<File>, length: u64) -> Result<(), String> {
    let endian = header.endian().unwrap_or_default();
    let sections = u64::from(header.e_shnum(endian)) * u64::from(header.e_shentsize(endian));
    let mut end = header.e_shoff(endian).saturating_add(sections);
    for segment in header.program_headers(endian, data).unwrap_or_default() {
        if segment.p_type(endian) == elf::PT_LOAD {
            end = end.max(segment.p_offset(endian).saturating_add(segment.p_filesz(endian)));
        }
    }
    if length < end {
        return Err(format!("is truncated: it has {length} bytes of at least {end}"));
    }
    if sections == 0 {
        return Err("has no section headers, so that its symbols cannot be read".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(bytes).expect("written");
        file
    }

    fn refusal(bytes: &[u8]) -> String {
        Image::read(written(bytes).path()).expect_err("no library")
    }

    /// The first bytes of this very test program.
    fn own(length: usize) -> Vec<u8> {
        let mut bytes = std::fs::read("/proc/self/exe").expect("readable");
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn this_program_has_imports_with_versions_only() {
        let image = Image::read(Path::new("/proc/self/exe")).expect("a position-independent ELF");
        assert!(image.optional.contains("__gmon_start__"), "{image:?}");
        assert!(image.required.is_empty(), "{:?}", image.required);
    }

    #[test]
    fn what_is_no_library_is_named() {
        assert_eq!(refusal(b""), "is not an ELF file");
        assert_eq!(refusal(b"#!/bin/sh\n"), "is not an ELF file");
        assert_eq!(refusal(b"\x7fELF\x02\x01\x01"), "is not a complete ELF file");
        assert_eq!(refusal(b"\x7fELF\x01\x01\x01"), "is a library for 32 bits");
        assert!(refusal(&own(64)).starts_with("is truncated: it has 64 bytes of at least"));
        assert!(refusal(&own(4096)).starts_with("is truncated"));
        let directory = Image::read(Path::new("/")).expect_err("a directory");
        assert_eq!(directory, "is not a regular file");
        assert!(Image::read(Path::new("/nix")).expect_err("nothing").contains("cannot be opened"));
    }

    #[test]
    fn another_machine_is_another_machine() {
        // Of the header, at 18: e_machine.
        let other = if cfg!(target_arch = "x86_64") { elf::EM_AARCH64 } else { elf::EM_X86_64 };
        for (kind, name) in
            [(other, machine::name(other, 64, false)), (elf::EM_S390, "S/390".into())]
        {
            let mut bytes = own(usize::MAX);
            bytes[18..20].copy_from_slice(&kind.0.to_le_bytes());
            let text = refusal(&bytes);
            let begin = format!("is for another kind of machine: {name}; this one is ");
            assert!(text.starts_with(&begin), "{text}");
        }
        let mut bytes = own(usize::MAX);
        bytes[16] = 2;
        assert_eq!(refusal(&bytes), "is an ELF file, but no shared library");
    }

    #[test]
    fn no_damage_to_the_headers_makes_it_panic() {
        let sound = own(8192);
        for at in 0..sound.len().min(1024) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = sound.clone();
                bytes[at] = value;
                let _ = Image::read(written(&bytes).path());
            }
        }
    }
}
