//! Which places each origin has, and what a command line changes of them.

use super::*;

/// A host of lines as `probe` prints them.
fn host(lines: &[(&str, &str)]) -> Host {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Host::new(&lines.iter().map(own).collect::<Vec<_>>())
}

fn plan(lines: &[(&str, &str)], given: &Places) -> Result<Plan, Failure> {
    Plan::new(&host(&[&[("libmesos", "/usr/lib/libmesos.so")], lines].concat()), given)
}

/// What a host has; its origin, directory, configuration and unit.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
    Configuration,
    &'static str,
);

#[test]
fn each_origin_has_its_places() {
    let cases: &[Case] = &[
        (
            &[("debian", "yes"), ("unit", "mesos-slave"), ("flags", "/etc/mesos-slave")],
            "Debian packages",
            "/usr/lib/mesos/modules",
            Configuration::From("/etc/mesos-slave".to_owned()),
            "mesos-slave",
        ),
        (
            &[("unit", "mesos-slave"), ("flags", "/etc/mesos-slave")],
            "RPM",
            "/usr/lib64/mesos/modules",
            Configuration::From("/etc/mesos-slave".to_owned()),
            "mesos-slave",
        ),
        (
            &[("debian", "yes"), ("unit", "mesos-agent"), ("flags", "/etc/mesos-agent")],
            "clusterd",
            "/usr/lib/mesos/modules",
            Configuration::From("/etc/mesos-agent".to_owned()),
            "mesos-agent",
        ),
        (
            &[
                ("unit", "dcos-mesos-slave-public"),
                ("flags", "/opt/mesosphere/etc/mesos-slave-modules"),
                ("modules", "/opt/mesosphere/lib"),
            ],
            "DC/OS",
            "/opt/mesosphere/lib",
            Configuration::Modules("/opt/mesosphere/etc/mesos-slave-modules".to_owned()),
            "dcos-mesos-slave-public",
        ),
    ];
    for (lines, origin, directory, configuration, unit) in cases {
        let plan = plan(lines, &Places::default()).expect("all of it is there");
        assert_eq!(plan.origin, Some(*origin));
        assert_eq!((plan.directory.as_str(), &plan.configuration), (*directory, configuration));
        assert_eq!(plan.unit.as_deref(), Some(*unit));
        assert_eq!(plan.library_path.is_empty(), *origin != "DC/OS");
    }
}

#[test]
fn what_is_given_counts_and_what_is_missing_is_said() {
    let none = Places::default();
    let kind = |it: Result<Plan, Failure>| it.map_err(|failure| failure.kind);
    assert_eq!(kind(plan(&[], &none)), Err(Kind::NoConfiguration));
    assert_eq!(kind(Plan::new(&host(&[]), &none)), Err(Kind::NoLibmesos));
    let given = Places {
        modules_dir: Some("/opt/m/".to_owned()),
        libmesos: Some("/opt/libmesos.so".to_owned()),
        library_path: Some("/opt/lib".to_owned()),
        modules: Some("/opt/modules.json".to_owned()),
        service: Some("agent".to_owned()),
        ..Places::default()
    };
    let plan = plan(&[("unit", "mesos-agent"), ("flags", "/etc/mesos-agent")], &given);
    let wanted = Plan {
        origin: Some("clusterd"),
        directory: "/opt/m".to_owned(),
        libmesos: "/opt/libmesos.so".to_owned(),
        library_path: "/opt/lib".to_owned(),
        configuration: Configuration::Modules("/opt/modules.json".to_owned()),
        unit: Some("agent".to_owned()),
    };
    assert_eq!(plan.expect("given"), wanted);
    let given = Places { no_check: true, ..none };
    assert_eq!(
        super::Plan::new(&host(&[("libmesos", "/x")]), &given)
            .expect("none is asked")
            .configuration,
        Configuration::None
    );
}

#[test]
fn candidates_are_named_once() {
    let [units, flags, directories, _] = candidates();
    assert_eq!(units, "dcos-mesos-slave dcos-mesos-slave-public mesos-agent mesos-slave");
    assert_eq!(flags, "/opt/mesosphere/etc/mesos-slave-modules /etc/mesos-agent /etc/mesos-slave");
    assert_eq!(directories, "/opt/mesosphere/lib /usr/lib/mesos/modules /usr/lib64/mesos/modules");
}

#[test]
fn paths_that_login_shells_differ_over_are_refused() {
    assert_eq!(path("/a b/$c"), Ok("/a b/$c".to_owned()));
    for bad in ["", "/it's", "/a\\b", "/a!", "/a\nb"] {
        assert!(path(bad).is_err(), "{bad:?}");
    }
}
