//! Kinds of machines, as the headers of ELF files tell them (elf(5), `e_machine`).

use object::elf::{self, Machine};

const NAMES: [(Machine, &str); 9] = [
    (elf::EM_386, "32-bit x86"),
    (elf::EM_X86_64, "x86-64"),
    (elf::EM_ARM, "32-bit ARM"),
    (elf::EM_AARCH64, "64-bit ARM"),
    (elf::EM_PPC64, "64-bit PowerPC"),
    (elf::EM_S390, "S/390"),
    (elf::EM_RISCV, "RISC-V"),
    (elf::EM_MIPS, "MIPS"),
    (elf::EM_LOONGARCH, "LoongArch"),
];

/// What a machine is called; its number where that has no name here.
pub(crate) fn name(machine: Machine, bits: u8, is_big_endian: bool) -> String {
    match NAMES.iter().find(|(known, _)| *known == machine) {
        Some((_, name)) if is_big_endian => format!("{name}, big endian"),
        Some((_, name)) => (*name).to_owned(),
        None => format!("machine {} with {bits} bits", machine.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_name_or_a_number() {
        assert_eq!(name(elf::EM_AARCH64, 64, false), "64-bit ARM");
        assert_eq!(name(elf::EM_MIPS, 32, true), "MIPS, big endian");
        assert_eq!(name(Machine(40_000), 32, true), "machine 40000 with 32 bits");
    }
}
