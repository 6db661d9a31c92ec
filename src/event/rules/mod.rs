//! Answers that must not reach Mesos as they are, as data: one row per field and condition.
//!
//! Mesos trusts what a module answers. A well-formed answer with an unlucky field can abort the
//! agent or the master (a `CHECK` far from the module), keep the agent from coming back, or fail
//! launches without a word of why. A row of [`all`] names such a field, when it does harm, what
//! is done about it, and where in Mesos the harm is. `call::rules` applies the rows to every
//! answer; the command line tool, DIFFERENCES.md and the tests inside real Mesos libraries read
//! them too. To add a rule, add a row with an example.
//!
//! The sources of Mesos 1.7.3, 1.8.0, 1.8.1, 1.9.0, 1.10.0 and 1.11.0 were read for every answer.
//! Files and functions are those of 1.11.0, or of the last release that has the harm; where an
//! older one differs, the row says so. Agents and masters of all six were seen to end over answers
//! like the rows' examples; what is said of `clone_namespaces`, of lengths and depths, and of a
//! master of 1.8.0 that an agent leaves, or of any to which one comes back, was read.
//!
//! A rule is applied in all releases, also in those that do not have the harm: one modules file
//! serves them all, and what an agent says reaches masters of other releases. These answers need
//! no row:
//!
//! * `mesos.Labels`: copied and compared, never checked.
//! * `mesos.ResourceStatistics`: merged and rendered. A double may be infinite (it is rendered as
//!   a string) and is never NaN, which JSON cannot say; `GET_CONTAINERS` reads its own rendering
//!   back under a `CHECK`, which holds for every message whose required fields are set.
//! * Strings that are no UTF-8: protobuf logs them and passes them on, rendering copies them.
//! * Unknown names of enums: they are left out of an answer when it is read.
//! * The rest of `mesos.slave.ContainerLaunchInfo`: it is for the container's own first process,
//!   which explains on its stderr what it cannot do; two isolators that set the same singular
//!   field are distinguished by name.
//! * An answer nested deeper than protobuf reads: refused when it is read.

mod notes;
mod resources;
mod rows;

use super::Event;

pub use notes::NOTES;

/// A number with its name in Mesos or in a system header.
pub type Named = (&'static str, u64);

/// One field that can do harm.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Whose answer.
    pub event: Event,
    /// Path of the list whose elements the rule looks at one by one; empty for the whole answer.
    pub within: &'static str,
    /// Path of the field, from there. Empty for the whole answer.
    pub field: &'static str,
    /// When the field does harm.
    pub when: Condition,
    /// For which containers.
    pub scope: Scope,
    /// What is done about it.
    pub action: Action,
    /// What Mesos would do, for people: the end of a sentence about the field.
    pub harm: &'static str,
    /// File and function of Mesos.
    pub source: &'static str,
    /// The first release that has it, of those that the library loads into.
    pub since: &'static str,
    /// The last one.
    pub until: &'static str,
    /// A short answer that does the harm; see [`Rule::example`].
    pub example: &'static str,
    /// What is made of the example; empty for a refusal.
    pub mended: &'static str,
}

/// When a field does harm.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// When it is set (a list: not empty).
    Set,
    /// When it is set while another field is absent or holds none of these values.
    SetUnless(&'static str, &'static [Named]),
    /// When it is absent while another field holds this value.
    AbsentWhere(&'static str, Named),
    /// When it holds one of these values.
    Is(&'static [Named]),
    /// When it holds one of these values while another field holds one of these texts.
    IsFor(&'static [Named], &'static str, &'static [&'static str]),
    /// When two of its elements differ in the first field while they agree in the second.
    DiffersFor(&'static str, &'static str),
    /// When it has one of these bits.
    Bits(&'static [Named]),
    /// When it has a bit that is none of these.
    OtherBits(&'static [Named]),
    /// When it is a double above this.
    Above(f64),
    /// When it is a whole number above this.
    AboveWhole(u64),
    /// When it is a text of more bytes than this.
    LongerThan(usize),
    /// When Mesos's JSON of it (the whole answer) has more bytes than this.
    JsonLongerThan(usize),
    /// When a JSON object with these two texts of its elements, as keys and as values, has more
    /// bytes than this.
    MapLongerThan(&'static str, &'static str, usize),
    /// When it is nested in itself through the field of this name, more than so many levels.
    DeeperThan(&'static str, usize),
    /// When this host's own `Resources::validate` refuses it. Only the host knows that, so the
    /// adapter to Mesos applies this one.
    HostRefuses,
}

/// For which containers a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those that run a command task (their config has a `task_info`).
    CommandTask,
    /// Those without a parent.
    TopLevel,
}

/// What is done about a field that does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The answer is refused, by the field's name; the call fails.
    Refuse,
    /// The field is left out, which is logged and counted.
    Drop,
    /// This top-level field of the answer gets this value, which is logged and counted.
    Set(&'static str, Named),
}

impl Rule {
    /// The path of the field in the answer; empty for the whole answer.
    pub fn path(&self) -> String {
        match (self.within, self.field) {
            ("", path) | (path, "") => path.to_owned(),
            (within, field) => format!("{within}.{field}"),
        }
    }

    /// What the rule is about, for people: `'reason' is …`, `an answer whose JSON …`.
    pub fn condition(&self) -> String {
        let path = match self.path() {
            path if path.is_empty() => "the answer".to_owned(),
            path => format!("'{path}'"),
        };
        let path = path.as_str();
        // Another field that a condition names is beside the rule's own.
        let other = |name: &str| match self.within {
            "" => format!("'{name}'"),
            within => format!("'{within}.{name}'"),
        };
        let when = match self.when {
            Condition::Set => format!("{path} is set"),
            Condition::SetUnless(field, values) => {
                format!("{path} is set and {} is none of {}", other(field), names(values))
            }
            Condition::AbsentWhere(field, value) => {
                format!("{path} is absent while {} is {}", other(field), value.0)
            }
            Condition::Is(values) => format!("{path} is {}", names(values)),
            Condition::IsFor(values, field, texts) => {
                let (values, texts) = (names(values), list(texts));
                format!("{path} is {values} while {} is {texts}", other(field))
            }
            Condition::DiffersFor(field, same) => {
                format!("{path} has elements with the same '{same}' and different '{field}'")
            }
            Condition::Bits(bits) => format!("{path} has {}", names(bits)),
            Condition::OtherBits(bits) => format!("{path} has a bit other than {}", names(bits)),
            Condition::Above(limit) => format!("{path} is above {limit}"),
            Condition::AboveWhole(limit) => format!("{path} is above {limit}"),
            Condition::LongerThan(limit) => format!("{path} has more than {limit} bytes"),
            Condition::JsonLongerThan(limit) => {
                format!("{path}, as the JSON that Mesos makes of it, has more than {limit} bytes")
            }
            Condition::MapLongerThan(key, value, limit) => format!(
                "{path}, as a JSON object of '{key}' and '{value}', has more than {limit} bytes"
            ),
            Condition::DeeperThan(_, levels) => format!("{path} has more than {levels} parents"),
            Condition::HostRefuses => {
                format!("{path} has an element that Resources::validate of this Mesos refuses")
            }
        };
        match self.scope {
            Scope::All => when,
            Scope::CommandTask => format!("{when}, of a command task"),
            Scope::TopLevel => format!("{when}, of a container without a parent"),
        }
    }

    /// What is done, for people.
    pub fn remedy(&self) -> String {
        match self.action {
            Action::Refuse => "refused".to_owned(),
            Action::Drop => "the field is left out".to_owned(),
            Action::Set(field, value) => format!("'{field}' is set to {}", value.0),
        }
    }

    /// The example as JSON: `@TEXT@` stands for a text that is too long for the kernel, `@HALF@`
    /// for half of it, `@ID@` for a container ID that is too deep.
    pub fn example(&self) -> String {
        let text = "x".repeat(rows::LONGEST_VARIABLE + 1);
        let depth = rows::DEEPEST_CONTAINER + 1;
        let id = format!(
            "{}{{\"value\":\"c\"}}{}",
            "{\"value\":\"c\",\"parent\":".repeat(depth),
            "}".repeat(depth)
        );
        let half = &text[..text.len() / 2];
        self.example.replace("@TEXT@", &text).replace("@HALF@", half).replace("@ID@", &id)
    }

    /// Releases of Mesos that have it, for people.
    pub fn releases(&self) -> String {
        format!("{} to {}", self.since, self.until)
    }
}

fn names(values: &[Named]) -> String {
    let names: Vec<&str> = values.iter().map(|value| value.0).collect();
    list(&names)
}

fn list(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// All rules; those of one event in the order in which they are applied.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    rows::RULES.iter().chain(resources::RULES)
}

/// The rules for the answers of `event`.
pub fn of(event: Event) -> impl Iterator<Item = &'static Rule> {
    all().filter(move |rule| rule.event == event)
}

/// What surprises people about the answers of `event` although it is what Mesos, and the original,
/// make of them.
pub fn notes(event: Event) -> impl Iterator<Item = &'static str> {
    NOTES.iter().filter(move |note| note.0 == event).map(|note| note.1)
}

/// The rules as a Markdown table, which stands in DIFFERENCES.md.
pub fn markdown() -> String {
    let mut text = String::from(
        "| answer of | when | then | because otherwise | Mesos |\n|---|---|---|---|---|\n",
    );
    for rule in all() {
        text += &format!(
            "| `{}` | {} | {} | {} | {}; {} |\n",
            rule.event.label(),
            rule.condition().replace('\'', "`"),
            rule.remedy().replace('\'', "`"),
            rule.harm,
            rule.source,
            rule.releases(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mending_rule_says_what_it_makes_of_its_example_and_a_refusal_does_not() {
        for rule in all() {
            let mends = rule.action != Action::Refuse;
            assert_eq!(mends, !rule.mended.is_empty(), "{}: {}", rule.event.label(), rule.path());
            assert!(rule.example.starts_with('{'), "{}: {}", rule.event.label(), rule.path());
        }
    }

    #[test]
    fn a_rule_names_releases_that_the_library_loads_into_and_that_call_the_event() {
        let known = include_str!("../../../cpp/abi/known.def");
        let releases: Vec<&str> = known
            .lines()
            .filter_map(|line| line.strip_prefix("MESOS_COMMAND_RELEASE(\"")?.strip_suffix("\")"))
            .collect();
        let place = |release: &str| releases.iter().position(|it| *it == release);
        for rule in all() {
            let (label, path) = (rule.event.label(), rule.path());
            let (since, until) = (place(rule.since), place(rule.until));
            assert!(since.is_some() && since <= until, "{label}: {path}: {}", rule.releases());
            let called = place(rule.event.row().since.unwrap_or(releases[0]));
            assert!(since >= called, "{label} is not called in {}", rule.since);
        }
    }

    #[test]
    fn texts_are_whole_sentences_about_the_field() {
        let watch = of(Event::Watch).next().expect("a rule");
        assert_eq!(
            watch.condition(),
            "'resources' is set and 'reason' is none of REASON_CONTAINER_LIMITATION, \
             REASON_CONTAINER_LIMITATION_DISK or REASON_CONTAINER_LIMITATION_MEMORY"
        );
        assert_eq!(watch.remedy(), "'reason' is set to REASON_CONTAINER_LIMITATION");
        assert_eq!(notes(Event::Watch).count(), 1);
    }
}
