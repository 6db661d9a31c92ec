//! Where agents of each origin have their things, and what that makes of a host.
//!
//! `docs/packages.md` has the same table for people; the origins are the packaging files of Mesos,
//! Mesosphere, clusterd and DC/OS.

use super::failure::{Failure, Kind};

/// What the packages of one origin have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) name: &'static str,
    /// Units of systemd.
    units: &'static [&'static str],
    /// What `check` takes: a directory of flags (`--from`).
    from: &'static str,
    /// What it takes where modules are not among such flags.
    modules: &'static str,
    /// Directories of modules; the first is made where none is there.
    directories: &'static [&'static str],
    /// A directory of libraries that the libmesos needs.
    libraries: &'static str,
}

/// All origins; the first that fits counts.
const ORIGINS: [Origin; 4] = [
    Origin {
        name: "DC/OS",
        units: &["dcos-mesos-slave", "dcos-mesos-slave-public"],
        from: "",
        modules: "/opt/mesosphere/etc/mesos-slave-modules",
        directories: &["/opt/mesosphere/lib"],
        libraries: "/opt/mesosphere/lib",
    },
    Origin {
        name: "clusterd",
        units: &["mesos-agent"],
        from: "/etc/mesos-agent",
        modules: "",
        directories: &["/usr/lib/mesos/modules"],
        libraries: "",
    },
    Origin {
        name: "Debian packages",
        units: &["mesos-slave"],
        from: "/etc/mesos-slave",
        modules: "",
        directories: &["/usr/lib/mesos/modules"],
        libraries: "",
    },
    Origin {
        name: "RPM",
        units: &["mesos-slave"],
        from: "/etc/mesos-slave",
        modules: "",
        directories: &["/usr/lib64/mesos/modules"],
        libraries: "",
    },
];

/// Where a libmesos may be, after that of a running agent.
const LIBRARIES: [&str; 5] = [
    "/opt/mesosphere/lib/libmesos.so",
    "/usr/lib64/libmesos.so",
    "/usr/lib/libmesos.so",
    "/usr/local/lib/libmesos.so",
    "/usr/lib/x86_64-linux-gnu/libmesos.so",
];

/// What the step `probe` looks for: units, flags, directories of modules, libraries.
pub(super) fn candidates() -> [String; 4] {
    let all = |of: fn(&Origin) -> Vec<&'static str>| {
        let mut names: Vec<&str> =
            ORIGINS.iter().flat_map(of).filter(|it| !it.is_empty()).collect();
        names.dedup();
        names.join(" ")
    };
    [
        all(|it| it.units.to_vec()),
        all(|it| vec![it.from, it.modules]),
        all(|it| it.directories.to_vec()),
        LIBRARIES.join(" "),
    ]
}

/// What a host has of the candidates.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// `uname -m`.
    pub(super) machine: String,
    pub(super) user: String,
    pub(super) is_debian: bool,
    pub(super) units: Vec<String>,
    pub(super) flags: Vec<String>,
    pub(super) directories: Vec<String>,
    /// That of a running agent first.
    pub(super) libraries: Vec<String>,
    /// Processes of running agents.
    pub(super) agents: Vec<String>,
}

impl Host {
    /// Of the lines that `probe` prints.
    pub(super) fn new(said: &[(String, String)]) -> Host {
        let mut host = Host::default();
        for (key, value) in said {
            match key.as_str() {
                "machine" => host.machine.clone_from(value),
                "user" => host.user.clone_from(value),
                "debian" => host.is_debian = true,
                "unit" => host.units.push(value.clone()),
                "flags" => host.flags.push(value.clone()),
                "modules" => host.directories.push(value.clone()),
                "libmesos" => host.libraries.push(value.clone()),
                "agent" => host.agents.push(value.clone()),
                _ => {}
            }
        }
        host
    }

    /// By its unit, else by its flags, else by its directories.
    fn origin(&self) -> Option<&'static Origin> {
        let has = |all: &[String], name: &str| all.iter().any(|it| it == name);
        let score = |origin: &Origin| {
            let unit = origin.units.iter().any(|unit| has(&self.units, unit));
            let flags = has(&self.flags, origin.from) || has(&self.flags, origin.modules);
            let directory = origin.directories.iter().any(|it| has(&self.directories, it));
            // Debian and RPM differ in where libraries are, and in nothing else.
            let kin = match origin.name {
                "RPM" => !self.is_debian,
                "Debian packages" => self.is_debian,
                _ => true,
            };
            let known = unit || flags || directory;
            known.then_some((unit, flags, directory, kin))
        };
        let mut best = None;
        for origin in &ORIGINS {
            let found = score(origin);
            if found > best.and_then(|(_, score)| score) {
                best = Some((origin, found));
            }
        }
        best.map(|(origin, _)| origin)
    }
}

/// What the command line says of a host; what it leaves open is found.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Places {
    /// The directory of the library there [default: that of the host's Mesos packages]
    #[arg(long, value_name = "DIRECTORY", value_parser = path)]
    pub(super) modules_dir: Option<String>,
    /// The libmesos there [default: that of the running agent, or where packages have it]
    #[arg(long, value_name = "FILE", value_parser = path)]
    pub(super) libmesos: Option<String>,
    /// A directory of libraries there that libmesos needs, as LD_LIBRARY_PATH
    #[arg(long, value_name = "DIRECTORY", value_parser = path)]
    pub(super) library_path: Option<String>,
    /// The directory of flags there that `check --from` takes [default: /etc/mesos-agent or
    /// /etc/mesos-slave]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "modules", value_parser = path)]
    pub(super) from: Option<String>,
    /// What the agent's flag --modules or --modules_dir names there, in place of --from
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(super) modules: Option<String>,
    /// Do not look at the configuration: for a host that has none yet
    #[arg(long, conflicts_with_all = ["from", "modules"])]
    pub(super) no_check: bool,
    /// The agent's unit of systemd there [default: the one that is found]
    #[arg(long, value_name = "UNIT", value_parser = path)]
    pub(super) service: Option<String>,
}

/// A path or a name that every login shell takes as it is, once it stands in quotes.
pub(super) fn path(text: &str) -> Result<String, String> {
    let bad = |c: char| c.is_control() || "'\\!".contains(c);
    match text.chars().find(|c| bad(*c)) {
        None if !text.is_empty() => Ok(text.to_owned()),
        None => Err("it is empty".to_owned()),
        Some(c) => {
            Err(format!("{c:?} is not taken, because login shells differ in what they make of it"))
        }
    }
}

/// What `check` looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Configuration {
    From(String),
    Modules(String),
    /// `--no-check`.
    None,
}

/// What is done on a host, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// For people.
    pub(super) origin: Option<&'static str>,
    pub(super) directory: String,
    pub(super) libmesos: String,
    pub(super) library_path: String,
    pub(super) configuration: Configuration,
    pub(super) unit: Option<String>,
}

impl Plan {
    /// Decides.
    ///
    /// # Errors
    /// What is neither given nor found.
    pub(super) fn new(host: &Host, given: &Places) -> Result<Plan, Failure> {
        let origin = host.origin();
        let libmesos = given.libmesos.clone().or_else(|| host.libraries.first().cloned());
        let libmesos = libmesos.ok_or_else(|| {
            let looked = LIBRARIES.join(", ");
            Failure::new(Kind::NoLibmesos, format!("no running agent, and none of {looked}"))
        })?;
        let configuration = configuration(host, given, origin)?;
        let library_path = origin.map_or("", |it| it.libraries).to_owned();
        Ok(Plan {
            directory: directory(host, given, origin),
            libmesos,
            library_path: given.library_path.clone().unwrap_or(library_path),
            configuration,
            ..Plan::back(host, given)
        })
    }

    /// What a way back needs: where the library is, and the unit.
    pub(super) fn back(host: &Host, given: &Places) -> Plan {
        let origin = host.origin();
        let units = origin.map_or(&[][..], |it| it.units);
        let found = units.iter().find(|unit| host.units.iter().any(|it| it == *unit));
        Plan {
            origin: origin.map(|it| it.name),
            directory: directory(host, given, origin),
            libmesos: String::new(),
            library_path: String::new(),
            configuration: Configuration::None,
            unit: given.service.clone().or_else(|| found.map(|unit| (*unit).to_owned())),
        }
    }
}

fn configuration(
    host: &Host,
    given: &Places,
    origin: Option<&Origin>,
) -> Result<Configuration, Failure> {
    if given.no_check {
        return Ok(Configuration::None);
    }
    if let Some(from) = &given.from {
        return Ok(Configuration::From(from.clone()));
    }
    if let Some(modules) = &given.modules {
        return Ok(Configuration::Modules(modules.clone()));
    }
    let is_there = |path: &str| host.flags.iter().any(|it| it == path);
    match origin {
        Some(origin) if is_there(origin.from) => Ok(Configuration::From(origin.from.to_owned())),
        Some(origin) if is_there(origin.modules) => {
            Ok(Configuration::Modules(origin.modules.to_owned()))
        }
        _ => {
            let [_, looked, ..] = candidates();
            let text = format!("there is none of {}", looked.replace(' ', ", "));
            Err(Failure::new(Kind::NoConfiguration, text))
        }
    }
}

fn directory(host: &Host, given: &Places, origin: Option<&Origin>) -> String {
    if let Some(directory) = &given.modules_dir {
        return directory.trim_end_matches('/').to_owned();
    }
    let usual = origin.map_or(&["/usr/lib/mesos/modules"][..], |it| it.directories);
    let there = usual.iter().find(|name| host.directories.iter().any(|it| it == *name));
    (*there.unwrap_or(&usual[0])).to_owned()
}

#[cfg(test)]
#[path = "origins_tests.rs"]
mod tests;
