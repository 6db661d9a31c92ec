//! The parameters as a manual page, `mesos-command-modules(7)`: roff, see groff_man(7).

use std::fmt::Write;

use mesos_command::config::{EVENT_PARAMETERS, PARAMETERS, Parameter, keys};
use mesos_command::event::Event;

use super::environment::VARIABLES;
use super::parameters::since;

const HEAD: &str = r#".\" Made from the rows in src/config/params.rs by `make pages`.
.TH MESOS-COMMAND-MODULES 7 "" "mesos-command-modules" "Miscellanea"
.SH NAME
mesos\-command\-modules \- parameters of the Mesos command modules
.SH DESCRIPTION
.B libmesos_command_modules.so
is loaded by an agent or a master of Mesos by its
.I modules file.
Each of its modules, a hook or an isolator, runs the commands that its parameters name for events of
Mesos. A parameter is an object
.B {\(dqkey\(dq: ..., \(dqvalue\(dq: ...}
in the list
.B parameters
of the module.
.PP
All are optional but
.BR module_name ;
an empty value is the same as none, and of a key that is given twice the last one counts. A value
that cannot be used keeps the agent from starting, with one line that names key, value and what is
accepted. An unknown key is a warning.
.B mesos\-command check
looks for both before.
"#;

const TAIL: &str = r#".SH SEE ALSO
.B mesos\-command explain
prints all of this;
.B mesos\-command explain isolator_usage
what an event passes to its command and reads from it,
.B mesos\-command explain kill_grace
one parameter.
"#;

/// The page.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    page +=
        ".SH PARAMETERS OF EACH EVENT\nFor each event, with its name in the place of <event>.\n";
    EVENT_PARAMETERS.iter().for_each(|row| parameter(&mut page, row));
    page += ".SH PARAMETERS\n";
    PARAMETERS.iter().for_each(|row| parameter(&mut page, row));
    page += ".SH EVENTS\nWith the timeout, what happens when a call fails, and who calls.\n";
    for event in Event::ALL {
        let timeout = keys::timeout_default(event).unwrap_or_else(|| "none".to_owned());
        let failure = keys::failure_default(event);
        let text = format!("{timeout}; {failure}; {}", event.row().called_by());
        entry(&mut page, event.label(), &[&text]);
    }
    page += ".SH ENVIRONMENT\nOf the agent or the master, read when the library is loaded.\n";
    for it in VARIABLES {
        let facts = format!("Default: {}. Accepted: {}.", it.default, it.accepted);
        entry(&mut page, it.name, &[&sentence(it.meaning), &facts]);
    }
    page + TAIL
}

fn parameter(page: &mut String, row: &Parameter) {
    let mut facts = format!("Modules: {}. Default: {}.", row.modules(), row.unset.label());
    // Writing to a String cannot fail.
    let _ = write!(facts, " Accepted: {}. Since: {}.", row.accepted(None), since(row));
    for alias in row.aliases {
        let _ = write!(facts, " Also: `{alias}`.");
    }
    entry(page, row.name, &[&sentence(row.meaning), &facts]);
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    format!("{}{}.", first.collect::<String>(), letters.as_str())
}

/// A term with paragraphs.
fn entry(page: &mut String, term: &str, paragraphs: &[&str]) {
    let _ = writeln!(page, ".TP\n.B {}", escaped(term));
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 {
            page.push_str(".br\n");
        }
        page.push_str(&escaped(paragraph));
        page.push('\n');
    }
}

/// Text that roff shows as it is; what stands between backticks is bold.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    // At the start of a line these would begin a request.
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    let mut is_bold = false;
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => {
                is_bold = !is_bold;
                out.push_str(if is_bold { "\\fB" } else { "\\fR" });
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_what_it_is() {
        assert_eq!(escaped("a `b-c` 'd' \\"), "a \\fBb\\-c\\fR \\(aqd\\(aq \\e");
        assert_eq!(escaped(".TH"), "\\&.TH");
        assert_eq!(sentence("a pause; 1 to 4"), "A pause; 1 to 4.");
    }

    #[test]
    fn each_parameter_event_and_variable_has_an_entry() {
        let page = page();
        let names = keys::parameters().map(|row| row.name).chain(Event::ALL.map(Event::label));
        let names = names.chain(VARIABLES.map(|it| it.name));
        for name in names {
            assert!(page.contains(&format!("\n.TP\n.B {name}\n")), "{name}");
        }
    }
}
