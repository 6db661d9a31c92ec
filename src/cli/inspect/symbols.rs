//! What the module needs of a library, by the symbols in the files.

use std::collections::BTreeSet;

use super::elf::Image;
use super::neighbours::Neighbours;
use super::report::{StringAbi, Symbols};

/// The table of versions, under either string ABI.
const TABLE_CXX11: &str = "_ZN5mesos7modules13ModuleManager13kindToVersionB5cxx11E";
const TABLE_OLD: &str = "_ZN5mesos7modules13ModuleManager13kindToVersionE";
/// What else has a `std::string` in its name and is needed, under either string ABI.
const OF_STRINGS_CXX11: [&str; 2] = [
    "_ZNK6google8protobuf11MessageLite21AppendPartialToStringEPNSt7__cxx1112basic_stringIcSt11\
     char_traitsIcESaIcEEE",
    "_ZNK6google8protobuf14DescriptorPool14FindFileByNameERKNSt7__cxx1112basic_stringIcSt11\
     char_traitsIcESaIcEEE",
];
const OF_STRINGS_OLD: [&str; 2] = [
    "_ZNK6google8protobuf11MessageLite21AppendPartialToStringEPSs",
    "_ZNK6google8protobuf14DescriptorPool14FindFileByNameERKSs",
];
/// By the table of versions.
pub(super) fn string_abi(host: &Image) -> Option<StringAbi> {
    if host.strong.contains(TABLE_CXX11) {
        Some(StringAbi::Cxx11)
    } else if host.strong.contains(TABLE_OLD) {
        Some(StringAbi::Old)
    } else {
        None
    }
}

/// What the module needs, and whether the library and its neighbours have it. While a neighbour is
/// not found, or the neighbours are not known, nobody can say that a symbol is missing; once the
/// module could be loaded, none is.
pub(super) fn compare(
    host: &Image,
    own: &Image,
    abi: Option<StringAbi>,
    neighbours: Option<&Neighbours>,
    loadable: bool,
) -> Symbols {
    // The module refers weakly to the names of both string ABIs, and needs those of one.
    let of_strings: &[&str] = match abi {
        Some(StringAbi::Cxx11) => &OF_STRINGS_CXX11,
        Some(StringAbi::Old) => &OF_STRINGS_OLD,
        None => &[],
    };
    let chosen = of_strings.iter().copied().filter(|name| own.optional.contains(*name));
    let mut required = own.required.clone();
    required.extend(chosen.map(str::to_owned));
    let mut open: BTreeSet<_> = required.difference(&host.strong).cloned().collect();
    let (strong, mut weak) = neighbours.map(|it| it.exports(&open)).unwrap_or_default();
    open.retain(|name| !strong.contains(name));
    weak.extend(open.intersection(&host.weak).cloned());
    let mut symbols = Symbols { required: required.len(), ..Symbols::default() };
    match neighbours {
        Some(neighbours) if neighbours.missing.is_empty() || loadable => {
            let (weak, missing) = open.into_iter().partition(|name| weak.contains(name));
            symbols.weak = weak;
            symbols.missing = if loadable { Vec::new() } else { missing };
        }
        None if loadable => {
            symbols.weak = open.into_iter().filter(|name| weak.contains(name)).collect();
        }
        _ => symbols.unknown = open.into_iter().collect(),
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_hosts_own_strings_are_needed() {
        let image = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let own = Image {
            required: image(&["f"]),
            optional: image(&[OF_STRINGS_CXX11, OF_STRINGS_OLD].concat()),
            ..Image::default()
        };
        let host = Image {
            strong: image(&["f", OF_STRINGS_OLD[0], OF_STRINGS_CXX11[0], OF_STRINGS_CXX11[1]]),
            ..Image::default()
        };
        let alone = Neighbours::default();
        let found = |abi| compare(&host, &own, Some(abi), Some(&alone), false);
        assert_eq!(found(StringAbi::Old).required, 3);
        assert_eq!(found(StringAbi::Old).missing, OF_STRINGS_OLD[1..]);
        assert!(found(StringAbi::Cxx11).missing.is_empty());
    }

    #[test]
    fn what_a_neighbour_may_have_is_not_missing() {
        let image = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let own = Image { required: image(&["here", "there"]), ..Image::default() };
        let host = Image { strong: image(&["here"]), ..Image::default() };
        let found = |missing: &[&str], loadable| {
            let missing = missing.iter().map(|&name| name.to_owned()).collect();
            let neighbours = Neighbours { missing, ..Neighbours::default() };
            compare(&host, &own, None, Some(&neighbours), loadable)
        };
        let open = found(&["libthere.so"], false);
        assert_eq!((open.missing.len(), open.unknown), (0, vec!["there".to_owned()]));
        assert_eq!(found(&[], false).missing, ["there"]);
        assert_eq!(found(&[], true), Symbols { required: 2, ..Symbols::default() });
        // Nobody knows its neighbours.
        assert_eq!(compare(&host, &own, None, None, false).unknown, ["there"]);
    }
}
