//! Applies the rules of `event::rules` to a well-formed answer: refuses it by the field's
//! name, or mends it and says how.

use std::collections::BTreeMap;

use crate::event::rules::{self, Action, Condition, Rule, Scope};
use crate::event::{Event, Output};
use crate::schema::{DecodeError, FieldValue, MessageType, write_json_string};

use super::CallFailure;

/// What the rules ask about the container whose answer it is. The default is for answers that are
/// about no container, or about any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Container {
    /// Whether its config has a `task_info`: it runs a command task.
    pub(crate) command_task: bool,
    /// Whether it has no parent.
    pub(crate) top_level: bool,
}

impl Scope {
    const fn holds(self, container: Container) -> bool {
        match self {
            Scope::All => true,
            Scope::CommandTask => container.command_task,
            Scope::TopLevel => container.top_level,
        }
    }
}

/// Applies the rules of `event` to its serialised answer of type `kind`, in their order. Returns
/// what was changed, one text per rule.
///
/// # Errors
/// When a rule refuses the answer, naming the field.
pub(crate) fn apply(
    event: Event,
    kind: &MessageType,
    answer: &mut Vec<u8>,
    container: Container,
) -> Result<Vec<String>, CallFailure> {
    let mut changes = Vec::new();
    for rule in rules::of(event).filter(|rule| rule.scope.holds(container)) {
        let applied = apply_one(rule, kind, answer);
        // The bytes were encoded by us, so they are well formed; if ever not, they go nowhere.
        let harms = applied.map_err(|error| CallFailure::invalid_output(error.to_string()))?;
        match rule.action {
            _ if !harms => {}
            Action::Refuse => return Err(refused(rule, kind)),
            Action::Drop | Action::Set(..) => {
                changes.push(format!("{}: {} ({})", rule.condition(), rule.remedy(), rule.harm));
            }
        }
    }
    Ok(changes)
}

fn refused(rule: &Rule, kind: &MessageType) -> CallFailure {
    let what = match rule.event.row().output {
        Output::List { field, .. } => field,
        _ => kind.full_name().rsplit('.').next().unwrap_or_default(),
    };
    CallFailure::refused_output(format!("{what} refused: {}; {}", rule.condition(), rule.harm))
}

/// Whether the rule's field does harm; if the rule mends, it does not any more.
fn apply_one(rule: &Rule, kind: &MessageType, answer: &mut Vec<u8>) -> Result<bool, DecodeError> {
    if !harms(rule, kind, answer)? {
        return Ok(false);
    }
    match rule.action {
        Action::Refuse => {}
        Action::Drop => drop(kind.clear_at(answer, &rule.path())?),
        Action::Set(field, value) => drop(kind.set_number(answer, field, value.1)?),
    }
    Ok(true)
}

fn harms(rule: &Rule, kind: &MessageType, answer: &[u8]) -> Result<bool, DecodeError> {
    if rule.within.is_empty() {
        return holds(rule, kind, answer);
    }
    // A host of another release may lack the field: then nobody can set it.
    let Some(element) = kind.message_at(rule.within) else { return Ok(false) };
    for value in kind.find_field(answer, rule.within)? {
        if let FieldValue::Bytes(bytes) = value
            && holds(rule, &element, bytes)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the condition holds in one message.
fn holds(rule: &Rule, kind: &MessageType, message: &[u8]) -> Result<bool, DecodeError> {
    let find = |field: &str| kind.find_field(message, field);
    let any = |harms: &dyn Fn(&FieldValue<'_>) -> bool| Ok(find(rule.field)?.iter().any(harms));
    let is = |value: &FieldValue<'_>, numbers: &[rules::Named]| {
        numbers.iter().any(|number| value.bits() == Some(number.1))
    };
    let mask = |bits: &[rules::Named]| bits.iter().fold(0, |mask, bit| mask | bit.1);
    match rule.when {
        Condition::Set => any(&|_| true),
        Condition::SetUnless(other, values) => {
            let excused = find(other)?.last().is_some_and(|value| is(value, values));
            Ok(!excused && kind.has_field(message, rule.field)?)
        }
        Condition::AbsentWhere(other, value) => {
            let asked = find(other)?.iter().any(|found| is(found, &[value]));
            Ok(asked && !kind.has_field(message, rule.field)?)
        }
        Condition::Is(values) => any(&|value| is(value, values)),
        Condition::IsFor(values, other, texts) => {
            let text = |value: &FieldValue<'_>| {
                texts.iter().any(|text| *value == FieldValue::Bytes(text.as_bytes()))
            };
            Ok(find(other)?.last().is_some_and(text) && any(&|value| is(value, values))?)
        }
        Condition::DiffersFor(field, same) => {
            Ok(differ(&pairs(rule, kind, message, [same, field])?))
        }
        Condition::Bits(bits) => any(&|value| value.bits().is_some_and(|it| it & mask(bits) != 0)),
        Condition::OtherBits(bits) => {
            any(&|value| value.bits().is_some_and(|it| it & !mask(bits) != 0))
        }
        Condition::Above(limit) => {
            any(&|value| value.bits().is_some_and(|bits| f64::from_bits(bits) > limit))
        }
        Condition::AboveWhole(limit) => any(&|value| value.bits().is_some_and(|it| it > limit)),
        Condition::LongerThan(limit) => {
            any(&|value| matches!(value, FieldValue::Bytes(text) if text.len() > limit))
        }
        Condition::JsonLongerThan(limit) => {
            // No byte on the wire becomes more than sixteen of text.
            if message.len() <= limit / 16 {
                return Ok(false);
            }
            let mut json = Vec::with_capacity(2 * message.len());
            kind.write_json(message, &mut json)?;
            Ok(json.len() > limit)
        }
        Condition::MapLongerThan(key, value, limit) => {
            // Neither does a byte become more than six here.
            let is_long = message.len() > limit / 16;
            Ok(is_long && map_length(&pairs(rule, kind, message, [key, value])?) > limit)
        }
        Condition::DeeperThan(parent, levels) => {
            let path = format!("{}{}", rule.field, format!(".{parent}").repeat(levels + 1));
            kind.has_field(message, &path)
        }
        Condition::HostRefuses => Ok(false),
    }
}

/// Two fields of each element of the rule's list.
fn pairs<'a>(
    rule: &Rule,
    kind: &MessageType,
    message: &'a [u8],
    fields: [&str; 2],
) -> Result<Vec<[Option<FieldValue<'a>>; 2]>, DecodeError> {
    let Some(element) = kind.message_at(rule.field) else { return Ok(Vec::new()) };
    let mut pairs = Vec::new();
    for value in kind.find_field(message, rule.field)? {
        if let FieldValue::Bytes(bytes) = value {
            let [first, second] = fields.map(|field| element.find_field(bytes, field));
            pairs.push([first?.pop(), second?.pop()]);
        }
    }
    Ok(pairs)
}

/// Whether one key has several values.
fn differ(pairs: &[[Option<FieldValue<'_>>; 2]]) -> bool {
    let mut first = BTreeMap::new();
    pairs.iter().any(|[key, value]| *first.entry(key).or_insert(value) != value)
}

/// The length of the JSON object that Mesos makes of keys and values, of which the last one counts.
fn map_length(pairs: &[[Option<FieldValue<'_>>; 2]]) -> usize {
    let map: BTreeMap<_, _> = pairs.iter().map(|[key, value]| (key, value)).collect();
    let mut strings = Vec::new();
    for text in map.iter().flat_map(|(key, value)| [key, value]) {
        if let Some(FieldValue::Bytes(text)) = text {
            write_json_string(text, &mut strings);
        }
    }
    // A colon and a comma or brace for each, and the brace before them.
    strings.len() + 2 * map.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    const ANY: Container = Container { command_task: true, top_level: true };

    fn output(event: Event) -> MessageType {
        let (Output::Message(name) | Output::List { carrier: name, .. }) = event.row().output
        else {
            panic!("no rule can be about an output that is not read");
        };
        Schema::built_in().message(name).unwrap()
    }

    fn read(event: Event, json: &str) -> Vec<u8> {
        let kind = output(event);
        let parsed = match event.row().output {
            Output::List { field, .. } => kind.read_json_list(field, json.as_bytes()),
            _ => kind.read_json(json.as_bytes()),
        };
        parsed.unwrap_or_else(|error| panic!("{json}: {error}")).bytes
    }

    fn written(kind: &MessageType, bytes: &[u8]) -> serde_json::Value {
        let mut json = Vec::new();
        kind.write_json(bytes, &mut json).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn every_example_is_refused_by_its_fields_name_or_mended() {
        for rule in rules::all() {
            let kind = output(rule.event);
            let mut answer = read(rule.event, &rule.example());
            let applied = apply(rule.event, &kind, &mut answer, ANY);
            if matches!(rule.when, Condition::HostRefuses) {
                assert_eq!(applied, Ok(vec![]), "only a host can tell");
                continue;
            }
            match rule.action {
                Action::Refuse => {
                    let failure = applied.expect_err(rule.example);
                    assert!(failure.message.contains(&rule.condition()), "{failure}");
                    assert!(failure.message.contains(&rule.path()), "{failure}");
                }
                Action::Drop | Action::Set(..) => {
                    let changes = applied.expect(rule.example);
                    let told = |change: &String| change.contains(&rule.condition());
                    assert!(changes.iter().any(told), "{changes:?}");
                    let mended: serde_json::Value = serde_json::from_str(rule.mended).unwrap();
                    assert_eq!(written(&kind, &answer), mended);
                    // What is mended does no harm any more.
                    assert_eq!(apply(rule.event, &kind, &mut answer, ANY), Ok(vec![]));
                }
            }
        }
    }

    /// What looks alike and is welcome.
    #[test]
    fn harmless_answers_pass_unchanged() {
        let nobody = Container::default();
        for (event, container, json) in [
            (Event::Prepare, ANY, r#"{"command":{"arguments":["a"]},"working_directory":"/x"}"#),
            (Event::Prepare, nobody, r#"{"command":{"value":"id","shell":true,"user":"x"}}"#),
            (Event::Prepare, nobody, r#"{"enter_namespaces":[131072]}"#),
            (Event::Prepare, ANY, r#"{"enter_namespaces":[1073741824,536870912]}"#),
            (Event::Prepare, ANY, r#"{"clone_namespaces":[2113929216,131072]}"#),
            (Event::Watch, ANY, r#"{"message":"x"}"#),
            (Event::Watch, ANY, r#"{"message":"x","reason":"REASON_EXECUTOR_TERMINATED"}"#),
            (
                Event::Watch,
                ANY,
                r#"{"reason":"REASON_CONTAINER_LIMITATION_MEMORY","resources":[{"name":"mem",
                    "type":"SCALAR","scalar":{"value":1},
                    "reservations":[{"type":"STATIC","role":"a"}]}]}"#,
            ),
            (Event::Status, ANY, r#"{"executor_pid":7,"network_infos":[{}]}"#),
            (
                Event::SlaveTaskStatusDecorator,
                ANY,
                r#"{"task_id":{"value":"t"},"state":"TASK_RUNNING","container_status":{
                    "container_id":{"value":"a","parent":{"value":"b"}}}}"#,
            ),
            (
                Event::SlaveResourcesDecorator,
                ANY,
                r#"{"resources":[{"name":"disk","type":"SCALAR","scalar":{"value":1e12},
                    "reservations":[{"type":"STATIC","role":"a"}],
                    "disk":{"source":{"type":"PATH","path":{"root":"/x"}}}},
                    {"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":65535}]}}]}"#,
            ),
            (
                Event::SlaveResourcesDecorator,
                ANY,
                r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}},
                    {"name":"cpus","type":"SCALAR","scalar":{"value":1},
                    "reservations":[{"type":"STATIC","role":"a"}]},
                    {"name":"x","type":"SET","set":{"item":["cpus"]}}]}"#,
            ),
            (
                Event::MasterLaunchTaskResourceDecorator,
                ANY,
                r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},
                    "allocation_info":{"role":"a"}}]}"#,
            ),
            (
                Event::SlaveAttributesDecorator,
                ANY,
                r#"{"attributes":[{"name":"rack","type":"TEXT","text":{"value":"r"}}]}"#,
            ),
        ] {
            let kind = output(event);
            let before = read(event, json);
            let mut answer = before.clone();
            assert_eq!(apply(event, &kind, &mut answer, container), Ok(vec![]), "{json}");
            assert_eq!(answer, before, "{json}");
        }
    }

    /// The longest that Mesos can pass on, of keys that occur once.
    #[test]
    fn an_environment_of_a_docker_task_may_fill_one_argument() {
        let event = Event::SlavePreLaunchDockerTaskExecutorDecorator;
        let apply_to = |container, length| {
            let long = "x".repeat(length);
            let json = format!(
                r#"{{"taskEnvironment":{{"variables":[{{"name":"A","value":"lost"}},
                    {{"name":"B\"","value":"{long}"}},{{"name":"A","value":"{long}"}}]}}}}"#
            );
            apply(event, &output(event), &mut read(event, &json), container)
        };
        // {"A":"","B\"":""}
        let longest = (131_072 - "--task_environment=\0".len() - 17) / 2;
        assert_eq!(apply_to(ANY, longest), Ok(vec![]));
        assert!(apply_to(ANY, longest + 1).is_err());
        assert_eq!(apply_to(Container::default(), longest + 1), Ok(vec![]));
    }

    #[test]
    fn an_infinite_resource_and_any_other_reason_do_harm() {
        let refused = |event, json| {
            let mut answer = read(event, json);
            apply(event, &output(event), &mut answer, Container::default())
        };
        let infinite = r#"{"resources":[{"name":"cpus","type":"SCALAR",
            "scalar":{"value":"Infinity"}}]}"#;
        assert!(refused(Event::SlaveResourcesDecorator, infinite).is_err());
        let reason = r#"{"reason":"REASON_EXECUTOR_TERMINATED","resources":[{"name":"mem",
            "type":"SCALAR","scalar":{"value":1}}]}"#;
        assert_eq!(refused(Event::Watch, reason).unwrap().len(), 1);
        // All bits of a negative number are set.
        assert!(refused(Event::Prepare, r#"{"clone_namespaces":[-1]}"#).is_err());
    }
}
