//! ELF files: whether this machine runs them.

use std::path::Path;

use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

use super::codes;
use super::finding::Finding;
use super::script::head;
use crate::machine;

/// What tells kinds of machines apart.
#[derive(PartialEq, Eq)]
struct Kind {
    bits: u8,
    order: u8,
    machine: elf::Machine,
    /// Program, library, core, …
    file: elf::FileType,
    entry: bool,
    /// The dynamic loader that it names.
    loader: Option<String>,
}

impl Kind {
    fn of(head: &[u8]) -> Option<Kind> {
        let class = *head.get(4)?;
        let order = *head.get(5)?;
        match class {
            1 => Kind::read::<elf::FileHeader32<object::Endianness>>(head, 32, order),
            2 => Kind::read::<elf::FileHeader64<object::Endianness>>(head, 64, order),
            _ => None,
        }
    }

    fn read<H: FileHeader>(data: &[u8], bits: u8, order: u8) -> Option<Kind> {
        let header = H::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let programs = header.program_headers(endian, data).unwrap_or_default();
        let loader = programs.iter().find_map(|it| it.interpreter(endian, data).ok().flatten());
        Some(Kind {
            bits,
            order,
            machine: header.e_machine(endian),
            file: header.e_type(endian),
            entry: header.e_entry(endian).into() != 0,
            loader: loader.map(|loader| String::from_utf8_lossy(loader).into_owned()),
        })
    }

    fn name(&self) -> String {
        machine::name(self.machine, self.bits, self.order == 2)
    }

    fn runs_where(&self, other: &Kind) -> bool {
        (self.bits, self.order, self.machine) == (other.bits, other.order, other.machine)
    }
}

/// This machine's kind, by the program that runs.
fn own() -> Option<Kind> {
    Kind::of(&head(Path::new("/proc/self/exe")).ok()?)
}

/// Why the ELF file at `path`, which begins with `head`, cannot be a command.
pub(super) fn command(path: &Path, head: &[u8]) -> Option<Finding> {
    let about = |finding: Finding| Some(finding.about(path, None));
    let Some(kind) = Kind::of(head) else {
        return about(
            Finding::error(codes::PROGRAM_BROKEN, "it is no complete ELF file")
                .advice("copy it again"),
        );
    };
    let loader_is_there = kind.loader.as_ref().is_some_and(|loader| Path::new(loader).exists());
    if let Some(own) = own().filter(|own| !kind.runs_where(own)) {
        let message =
            format!("it is a program for {}; this machine is {}", kind.name(), own.name());
        if loader_is_there {
            return about(Finding::info(
                codes::PROGRAM_OTHER_MACHINE,
                format!("{message}, which may run it"),
            ));
        }
        let advice = format!("build it for {}", own.name());
        return about(Finding::error(codes::PROGRAM_OTHER_MACHINE, message).advice(advice));
    }
    if !matches!(kind.file, elf::ET_EXEC | elf::ET_DYN) || (kind.loader.is_none() && !kind.entry) {
        let message = "it is an object file or a library and no program";
        return about(
            Finding::error(codes::PROGRAM_NO_PROGRAM, message).advice("name the program itself"),
        );
    }
    let loader = kind.loader.filter(|_| !loader_is_there)?;
    let message = format!(
        "its dynamic loader '{loader}' does not exist (another C library?), so it does not start"
    );
    about(
        Finding::error(codes::PROGRAM_LOADER_MISSING, message)
            .advice("build it for this system, or link it statically"),
    )
}

/// Why Mesos will not load the library at `path`.
pub(super) fn library(path: &Path) -> Option<Finding> {
    let about = |finding: Finding| Some(finding.about(path, None));
    let head = match std::fs::metadata(path) {
        Err(error) => Err(error.to_string()),
        Ok(metadata) if !metadata.is_file() => Err("it is no regular file".to_owned()),
        Ok(_) => head(path).map_err(|error| error.to_string()),
    };
    let head = match head {
        Ok(head) => head,
        Err(error) => {
            let message = format!("the library cannot be loaded: {error}");
            return about(
                Finding::error(codes::LIBRARY_MISSING, message)
                    .advice("install libmesos_command_modules.so there, or correct the path"),
            );
        }
    };
    let kind = Kind::of(&head).filter(|_| head.starts_with(b"\x7fELF"));
    let Some(kind) = kind.filter(|kind| kind.file == elf::ET_DYN) else {
        return about(
            Finding::error(codes::LIBRARY_NO_LIBRARY, "it is no shared library")
                .advice("name libmesos_command_modules.so"),
        );
    };
    let own = own().filter(|own| !kind.runs_where(own))?;
    let message = format!("the library is for {}; this machine is {}", kind.name(), own.name());
    about(
        Finding::error(codes::LIBRARY_OTHER_MACHINE, message)
            .advice(format!("build it for {}", own.name())),
    )
}
