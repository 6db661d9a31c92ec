//! The releases and sizes that the module library knows, read from the very file that it is
//! compiled from.

/// That file: one entry per line.
const TABLE: &str = include_str!("../../../cpp/abi/known.def");

/// What the module library takes for usable.
#[derive(Debug)]
pub(super) struct Known {
    /// Releases of Mesos on which it has been tested.
    pub(super) releases: Vec<&'static str>,
    /// Full names of messages with the sizes that a library may report for them.
    pub(super) sizes: Vec<(&'static str, Vec<u64>)>,
}

impl Known {
    /// Reads the table, which is part of this program.
    pub(super) fn read() -> Known {
        let mut known = Known { releases: Vec::new(), sizes: Vec::new() };
        for line in TABLE.lines() {
            match entry(line) {
                Some(Entry::Release(version)) => known.releases.push(version),
                Some(Entry::Sizes(name, sizes)) => known.sizes.push((name, sizes)),
                None => {}
            }
        }
        known
    }
}

enum Entry<'a> {
    Release(&'a str),
    Sizes(&'a str, Vec<u64>),
}

fn entry(line: &str) -> Option<Entry<'_>> {
    let (kind, rest) = line.trim().strip_suffix(')')?.split_once('(')?;
    let mut parts = rest.split(',').map(|part| part.trim().trim_matches('"'));
    match kind {
        "MESOS_COMMAND_RELEASE" => parts.next().map(Entry::Release),
        "MESOS_COMMAND_SIZES" => {
            let name = parts.nth(1)?;
            Some(Entry::Sizes(name, parts.map(str::parse).collect::<Result<_, _>>().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let known = Known::read();
        let entries = TABLE.lines().filter(|line| !line.starts_with("//")).count();
        assert_eq!(known.releases.len() + known.sizes.len(), entries);
        assert!(known.releases.contains(&"1.11.0"));
        assert!(known.sizes.contains(&("mesos.ResourceStatistics", vec![400, 408, 488])));
        assert!(known.sizes.iter().all(|(_, sizes)| !sizes.is_empty()));
    }
}
