//! What the environment of an agent or a master says to the module.

use std::fmt::Write;

use mesos_command::run::{START_METHOD_VARIABLE, StartMethod};
use serde_json::{Value, json};

/// A variable that the module reads when it is loaded.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) accepted: &'static str,
    pub(super) meaning: &'static str,
}

/// All variables.
pub(super) const VARIABLES: [Variable; 2] = [
    Variable {
        name: START_METHOD_VARIABLE,
        default: StartMethod::Clone.label(),
        accepted: "`clone`, `posix_spawn`",
        meaning: "how commands are started: by a clone that shares the memory of the agent until it \
                  executes the command, or by `posix_spawn` of the C library (glibc 2.24 or newer), \
                  slower and with the restrictions that docs/operating.md lists",
    },
    Variable {
        name: "MESOS_COMMAND_MODULES_ACCEPT",
        default: "none",
        accepted: "a release of Mesos",
        meaning: "a release that was not tested is accepted, provided that the layouts of all its \
                  types are known",
    },
];

/// The table of the documentation.
pub(super) fn markdown() -> String {
    let mut table =
        String::from("| variable | default | accepted | meaning |\n|---|---|---|---|\n");
    for Variable { name, default, accepted, meaning } in VARIABLES {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{name}` | {default} | {accepted} | {meaning} |");
    }
    table
}

/// Prints the variables, for people.
pub(super) fn all() {
    let rows = VARIABLES.map(|it| {
        [it.name, it.default, it.accepted, it.meaning].map(|cell| cell.replace('`', "")).to_vec()
    });
    crate::table::print(&["variable", "default", "accepted", "meaning"], &rows);
}

/// The same for programs.
pub(super) fn data() -> Value {
    let one = |it: Variable| json!({"variable": it.name, "default": it.default, "accepted": it.accepted, "meaning": it.meaning});
    VARIABLES.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_method_is_accepted_in_writing() {
        let row = VARIABLES.iter().find(|it| it.name == START_METHOD_VARIABLE).expect("a row");
        let all = StartMethod::ALL.map(|method| format!("`{method}`")).join(", ");
        assert_eq!((row.accepted, row.default), (&*all, StartMethod::default().label()));
    }
}
