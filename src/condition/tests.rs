//! The grammar, its mistakes, and what conditions make of messages.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::expression::Span;
use super::fields::FIELDS;
use super::*;
use crate::event::{InputKind, SkippedAnswer};
use crate::schema::{MessageType, Schema};

/// A message of an input: its key, type and bytes.
type Message = (&'static str, MessageType, Vec<u8>);

/// The messages of an input object of `event`.
fn messages(event: Event, input: &Value) -> Vec<Message> {
    let schema = Schema::built_in();
    let keys = event.row().inputs.iter().filter_map(|key| {
        let InputKind::Message(name) = key.kind else { return None };
        let text = input.get(key.name)?.to_string();
        let kind = schema.message(name).expect("it is built in");
        let bytes = kind.read_json_partial(text.as_bytes()).expect("it is well-formed").bytes;
        Some((key.name, kind, bytes))
    });
    keys.collect()
}

fn given(messages: &[Message]) -> Vec<Given<'_>> {
    messages.iter().map(|(key, kind, bytes)| Given { key, kind, bytes }).collect()
}

fn holds(event: Event, text: &str, input: &Value) -> bool {
    let condition = Condition::parse(event, text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    condition.holds(&given(&messages(event, input)))
}

fn fault(event: Event, text: &str) -> Fault {
    Condition::parse(event, text).map(|it| it.expression.to_string()).expect_err(text)
}

fn command_task() -> Value {
    json!({
        "container_id": {"value": "c"},
        "container_config": {
            "directory": "/x",
            "user": "www",
            "command_info": {"value": "x"},
            "container_info": {"type": "MESOS", "mesos": {"image": {
                "type": "DOCKER", "docker": {"name": "registry/web:1.2"}}}},
            "resources": [{"name": "cpus", "type": "SCALAR", "allocation_info": {"role": "web"}},
                          {"name": "mem", "type": "SCALAR", "allocation_info": {"role": "web"}}],
            "executor_info": {
                "executor_id": {"value": "t"}, "framework_id": {"value": "f-1"},
                "labels": {"labels": [{"key": "team", "value": "of the executor"},
                                      {"key": "tier", "value": "1"}]}},
            "task_info": {
                "name": "n", "task_id": {"value": "t"}, "slave_id": {"value": "s"},
                "labels": {"labels": [{"key": "team", "value": "infra"}, {"key": "bare"},
                                      {"key": "a name", "value": "it's"}]}},
        },
    })
}

#[test]
fn fields_of_a_container_are_found_where_mesos_puts_them() {
    for (text, expected) in [
        ("label.team == infra", true),
        ("label.team == 'of the executor'", false),
        ("label.tier == 1", true),
        ("label.tier", true),
        ("label.bare", true),
        ("label.bare == ''", true),
        ("label.bare == x", false),
        ("label.'a name' == \"it's\"", true),
        ("label.'a name' == 'it\\'s'", true),
        ("label.other", false),
        ("label.team ^= inf", true),
        ("label.team ^= ''", true),
        ("label.other ^= ''", false),
        ("framework.id == f-1", true),
        ("role == web", true),
        ("role == '*'", false),
        ("user == www", true),
        ("image ^= registry/", true),
        ("image == registry/web", false),
        ("executor == command", true),
        ("executor == custom", false),
        ("nested", false),
        ("!nested && label.team == infra", true),
        ("nested || label.team == infra && !(role == web)", false),
        ("(nested || label.team == infra) && role == web", true),
    ] {
        assert_eq!(holds(Event::Usage, text, &command_task()), expected, "{text}");
    }
}

#[test]
fn what_a_nested_container_lacks_is_equal_to_nothing() {
    let nested = json!({
        "container_id": {"value": "b", "parent": {"value": "a"}},
        "container_config": {"directory": "/x", "command_info": {"value": "x"}},
    });
    for term in [
        "label.team",
        "label.team == infra",
        "user == www",
        "role == web",
        "image",
        "executor == custom",
        "executor == command",
        "framework.id ^= ''",
    ] {
        assert!(!holds(Event::Watch, term, &nested), "{term}");
        assert!(holds(Event::Watch, &format!("!({term})"), &nested), "{term}");
    }
    assert!(holds(Event::Watch, "nested", &nested));
    assert!(holds(Event::Isolate, "!nested && !label.team", &json!({})), "nothing is known of it");
}

#[test]
fn hooks_know_the_framework() {
    let event = Event::SlaveRunTaskLabelDecorator;
    let input = |executor: Value, task: Value| {
        json!({
            "framework_info": {"name": "marathon", "user": "root", "principal": "p",
                               "id": {"value": "f"}, "roles": ["a", "b"]},
            "executor_info": executor,
            "task_info": task,
        })
    };
    let made = json!({"executor_id": {"value": "t"}});
    let command = json!({"name": "n", "task_id": {"value": "t"}, "command": {"value": "x"}});
    let one = input(made.clone(), command.clone());
    for text in [
        "framework.name == marathon",
        "principal == p",
        "user == root",
        "role == a",
        "role == b",
        "executor == command",
        "framework.id",
    ] {
        assert!(holds(event, text, &one), "{text}");
    }
    assert!(!holds(event, "role == c", &one));
    let group = input(json!({"executor_id": {"value": "d"}, "type": "DEFAULT"}), command);
    assert!(holds(event, "executor == default", &group));
    let own = json!({"name": "n", "task_id": {"value": "t"}, "executor": made});
    assert!(holds(event, "executor == custom", &input(made, own)));
    assert!(holds(
        event,
        "user == www",
        &input(
            json!({"executor_id": {"value": "t"}}),
            json!({"name": "n", "task_id": {"value": "t"}, "command": {"user": "www"}})
        )
    ));
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_would_be_right() {
    use FaultKind::{Field, Syntax, Value};
    for (text, kind, marked, says) in [
        ("label.team = infra", Syntax, "=", "write '=='"),
        ("label.team != infra", Syntax, "!=", "!(FIELD == TEXT)"),
        ("image == nginx*", Syntax, "nginx*", "no wildcard"),
        ("label.team == infra and nested", Syntax, "and", "&& or ||"),
        ("nested & label.x", Syntax, "&", "'&&'"),
        ("nested | label.x", Syntax, "|", "'||'"),
        ("nested &&", Syntax, "", "too early"),
        ("", Syntax, "", "too early"),
        ("(nested", Syntax, "(", "not closed"),
        ("(nested label.x)", Syntax, "label.x", "cannot stand here"),
        ("nested)", Syntax, ")", "not opened"),
        ("()", Syntax, ")", "cannot stand here"),
        ("&& nested", Syntax, "&", "cannot stand here"),
        ("label.x == 'open", Syntax, "'", "not closed"),
        ("label.x == 'a\\n'", Syntax, "\\", "backslash"),
        ("label == x", Syntax, "label", "label.NAME"),
        ("label. == x", Syntax, "label.", "label.NAME"),
        ("label.x ==", Syntax, "", "a text is missing"),
        ("label.x > 3", Syntax, ">", "no '>'"),
        ("== x", Syntax, "==", "needs a field"),
        ("framework.name == x", Field, "framework.name", "framework.id"),
        ("principal", Field, "principal", "it has label.NAME"),
        ("nestd", Field, "nestd", "no field 'nestd'"),
        ("nested == true", Value, "nested == true", "accepted are nested"),
        ("executor", Value, "executor", "executor == command"),
        ("executor ^= com", Value, "executor ^= com", "executor == default"),
        ("executor == docker", Value, "docker", "command, custom, default"),
    ] {
        let fault = fault(Event::Prepare, text);
        assert_eq!(fault.kind, kind, "{text}: {fault}");
        assert_eq!(&text[fault.span.start..fault.span.end], marked, "{text}: {fault}");
        assert!(fault.to_string().contains(says), "{text}: {fault}");
    }
    assert_eq!(fault(Event::Prepare, "label.'ü' = x").character, 11);
}

#[test]
fn an_event_without_a_field_is_told_what_it_has() {
    let nothing = fault(Event::Recover, "nested");
    assert!(nothing.to_string().contains("about no container and no task"), "{nothing}");
    let fetched = fault(Event::SlavePostFetchHook, "label.x");
    assert!(fetched.accepted == "it has nested", "{fetched}");
    let made = fault(Event::SlaveExecutorEnvironmentDecorator, "executor == command");
    assert!(made.accepted == "accepted are custom, default", "{made}");
    assert!(Condition::parse(Event::UsageBatch, "nested || label.x").is_ok());
}

#[test]
fn events_with_fields_say_what_mesos_gets_without_a_run() {
    for event in Event::ALL {
        let has_none = event.row().skipped == SkippedAnswer::NoCondition;
        assert_eq!(fields_of(event).count() == 0, has_none, "{}", event.label());
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |depth: usize| format!("{}nested{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Condition::parse(Event::Usage, &deep(MOST_DEPTH)).is_ok());
    assert!(fault(Event::Usage, &deep(MOST_DEPTH + 1)).what.contains("deep"));
    assert!(fault(Event::Usage, &"!".repeat(MOST_BYTES)).what.contains("deep"));
    assert!(fault(Event::Usage, &" ".repeat(MOST_BYTES + 1)).what.contains("bytes"));
    let wide = vec!["nested"; 400].join("||");
    assert!(Condition::parse(Event::Usage, &wide).is_ok(), "width is bounded by the length alone");
}

#[test]
fn every_source_is_a_field_of_its_message() {
    let schema = Schema::built_in();
    for event in Event::ALL {
        for field in fields_of(event) {
            for source in field.sources_of(event) {
                let inputs = looked_at(event).row().inputs;
                let key = inputs.iter().find(|key| key.name == source.key);
                let Some(InputKind::Message(name)) = key.map(|key| key.kind) else {
                    panic!("{}: {source:?}", event.label());
                };
                let message = schema.message(name).expect("it is built in");
                let (parent, last) = source.path.rsplit_once('.').unwrap_or(("", source.path));
                let kind = match parent {
                    "" => Some(message),
                    _ => message.message_at(parent),
                };
                let fields = kind.unwrap_or_else(|| panic!("{source:?}")).fields();
                assert!(fields.iter().any(|field| field.name == last), "{source:?}");
            }
        }
    }
    assert!(FIELDS.iter().all(|field| !field.meaning.ends_with('.')));
}

/// Labels of a task and whether the container is nested, and what they make of terms: evaluated
/// without any of the code above.
#[derive(Clone, Debug)]
struct World {
    labels: Vec<(String, String)>,
    nested: bool,
}

impl World {
    fn input(&self) -> Value {
        let labels: Vec<Value> =
            self.labels.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let id = match self.nested {
            true => json!({"value": "c", "parent": {"value": "p"}}),
            false => json!({"value": "c"}),
        };
        json!({
            "container_id": id,
            "container_config": {"directory": "/x", "command_info": {"value": "x"}, "task_info": {
                "name": "n", "task_id": {"value": "t"}, "slave_id": {"value": "s"},
                "labels": {"labels": labels}}},
        })
    }

    fn says(&self, expression: &Expression) -> bool {
        match expression {
            Expression::Not(inner) => !self.says(inner),
            Expression::All(parts) => !parts.iter().any(|part| !self.says(part)),
            Expression::Any(parts) => parts.iter().filter(|part| self.says(part)).count() > 0,
            Expression::Term(term) if term.field.name == "nested" => self.nested,
            Expression::Term(term) => self.labels.iter().any(|(key, value)| {
                *key == term.label
                    && match &term.test {
                        Test::Present => true,
                        Test::Equal(text) => value == text,
                        Test::Prefix(text) => value.find(text.as_str()) == Some(0),
                    }
            }),
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,2}", "[a-z0-9_./:@+-]{1,6}", "[ '\"\\\\üa*=&|!()\\n]{0,5}",]
}

fn labels() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]", "[a-z0-9_./:@+-]{1,6}", "[ '\"\\\\üa.]{1,5}"]
}

fn term(field: &str, label: String, test: Test) -> Expression {
    let field = fields_of(Event::Usage).find(|it| it.name == field).expect("usage has it");
    Expression::Term(Term { field, label, test, span: Span::default() })
}

fn expressions() -> impl Strategy<Value = Expression> {
    let test = prop_oneof![
        Just(Test::Present),
        texts().prop_map(Test::Equal),
        texts().prop_map(Test::Prefix),
    ];
    let leaf = prop_oneof![
        Just(term("nested", String::new(), Test::Present)),
        (labels(), test).prop_map(|(label, test)| term("label", label, test)),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| Expression::Not(Box::new(it))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            prop::collection::vec(inner, 2..4).prop_map(Expression::Any),
        ]
    })
}

fn without_places(expression: Expression) -> Expression {
    match expression {
        Expression::Term(term) => Expression::Term(Term { span: Span::default(), ..term }),
        Expression::Not(inner) => Expression::Not(Box::new(without_places(*inner))),
        Expression::All(parts) => Expression::All(parts.into_iter().map(without_places).collect()),
        Expression::Any(parts) => Expression::Any(parts.into_iter().map(without_places).collect()),
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same(expression in expressions()) {
        let text = expression.to_string();
        prop_assume!(text.len() <= MOST_BYTES);
        let read = Condition::parse(Event::Usage, &text);
        let read = read.unwrap_or_else(|fault| panic!("{text}: {fault}"));
        for term in read.expression().terms() {
            let own = &text[term.span.start..term.span.end];
            prop_assert_eq!(own, term.to_string());
        }
        prop_assert_eq!(without_places(read.expression), expression);
    }

    #[test]
    fn a_condition_holds_where_a_plain_evaluation_says_so(
        expression in expressions(),
        labels in prop::collection::vec((labels(), texts()), 0..4),
        nested: bool,
    ) {
        let world = World { labels, nested };
        let text = expression.to_string();
        prop_assume!(text.len() <= MOST_BYTES);
        prop_assert_eq!(holds(Event::Usage, &text, &world.input()), world.says(&expression));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-c. '\"\\\\=^!&|()*,ü<>]{0,40}|(nested|label.x|==|\\^=|&&|\\|\\||!|\\(|\\)| |'a'){0,14}") {
        for event in [Event::Usage, Event::SlavePostFetchHook] {
            match Condition::parse(event, &text) {
                Ok(read) => {
                    let again = Condition::parse(event, &read.expression().to_string());
                    let again = again.expect("what was read is printed so that it reads again");
                    prop_assert_eq!(without_places(again.expression), without_places(read.expression));
                }
                Err(fault) => {
                    prop_assert!(fault.span.start <= fault.span.end && fault.span.end <= text.len());
                    prop_assert!(text.is_char_boundary(fault.span.start));
                    prop_assert!(text.is_char_boundary(fault.span.end));
                }
            }
        }
    }
}
