//! What scripts, containers and tasks say, in log lines and in what Mesos is told.

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;

use test_support::{collect_log, logged};

use crate::support::{Instance, field, id, until};

/// As an argument of printf(1): clears the screen, sets the window's title, rings, goes back to
/// the beginning of the line and down, NEL, turns the direction of writing, a byte that is no
/// UTF-8, and a line that could be glog's.
const HOSTILE: &str = r"\033[2J\033]0;owned\007\015\013\302\205\342\200\256\377\nE1126 forged";
/// What is to be seen of it.
const SHOWN: &str = r"\x1b[2J\x1b]0;owned\x07\r\x0b\u{85}\u{202e}\xff\nE1126 forged";
/// The same in a JSON string, and how it is shown.
const HOSTILE_JSON: &str = r"\u001b[2J\u001b]0;owned\u0007\r\u000b\u0085\u202e\nE1126 forged";
const SHOWN_JSON: &str = r"\x1b[2J\x1b]0;owned\x07\r\x0b\u{85}\u{202e}\nE1126 forged";

fn is_harmless(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c))
}

/// The lines about the commands of a bench, whose directory no other test has.
fn lines_of(bench: &Instance) -> Vec<String> {
    logged(&bench.directory.path().display().to_string())
}

/// The text of a failure, which has to be one line of visible characters.
fn failure(answer: Answer) -> String {
    let Answer::Failure(text) = answer else { panic!("{answer:?} is no failure") };
    assert!(is_harmless(&text), "{text:?}");
    text
}

/// No line of this process's log has anything in it that a terminal would obey.
fn assert_log_is_harmless() {
    for line in logged("") {
        assert!(is_harmless(&line), "{line:?}");
    }
}

#[test]
fn stdout_stderr_and_the_error_file_stay_on_one_visible_line() {
    collect_log();
    let script = format!("printf '{HOSTILE}' >\"$3\"; printf '{HOSTILE}' >&2; exit 3");
    let noisy = format!("printf '{HOSTILE}'");
    let scripts = [("isolator_isolate", script.as_str()), ("isolator_update", &noisy)];
    let bench = Instance::new("foreign-files", &scripts, &[]);
    bench.call(Event::Prepare, "c1");
    let text = failure(bench.call(Event::Isolate, "c1"));
    assert!(text.contains(&format!("Cause: {SHOWN}")), "{text}");
    bench.call(Event::Update, "c1");
    let found = lines_of(&bench);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].matches(SHOWN).count(), 2, "{}", found[0]);
    assert!(found[1].ends_with(&format!("printed: {SHOWN}")), "{}", found[1]);
    assert_log_is_harmless();
}

#[test]
fn outputs_that_cannot_be_used_are_quoted_visibly() {
    collect_log();
    let key = format!("{{\"{HOSTILE_JSON}\":1}}");
    let scripts = [
        ("isolator_prepare", "cat \"$0.$MESOS_CONTAINER_ID\" >\"$2\""),
        ("isolator_usage_batch", "cat \"$0.out\" >\"$2\""),
    ];
    let more = [("isolator_prepare_failure", "fail"), ("debug", "true"), ("redact", "none")];
    let bench = Instance::new("foreign-outputs", &scripts, &more);
    let names = "isolator_prepare";
    std::fs::write(bench.path(&format!("{names}.lossy")), &key).unwrap();
    let wrong = format!("{{\"environment\":{{\"variables\":\"{HOSTILE_JSON}\"}}}}");
    std::fs::write(bench.path(&format!("{names}.wrong")), wrong).unwrap();
    std::fs::write(bench.path(&format!("{names}.raw")), "{\"a\":\x1b[2J\n\r\u{85}}").unwrap();
    std::fs::write(bench.path("isolator_usage_batch.out"), key.replace(":1", ":{}")).unwrap();
    bench.call(Event::Prepare, "lossy");
    failure(bench.call(Event::Prepare, "wrong"));
    failure(bench.call(Event::Prepare, "raw"));
    bench.call(Event::Usage, "lossy");
    // Other tests of this program have batches with strangers, too.
    let is_shown = |line: &String| line.contains(SHOWN_JSON);
    until("the note about the batch", || logged("unknown containers").iter().any(is_shown));
    let lossy: Vec<String> =
        lines_of(&bench).into_iter().filter(|line| line.contains("[TASK=lossy")).collect();
    assert!(lossy.iter().any(|line| line.contains(SHOWN_JSON)), "{lossy:?}");
    assert_log_is_harmless();
}

#[test]
fn names_of_containers_and_tasks_are_quoted_visibly() {
    collect_log();
    let bench = Instance::new("foreign-names", &[("isolator_isolate", "exit 1")], &[]);
    let name = "c\x1b[2J\n\u{202e}E1126 forged/no-file";
    let container = id(name);
    let config = [field(3, b"/x"), field(11, b"")].concat();
    let call = |event, values: &[InputValue<'_>]| {
        let (sender, receiver) = std::sync::mpsc::channel();
        bench.isolator.call(event, values, Box::new(move |answer| drop(sender.send(answer))));
        receiver.recv_timeout(crate::support::PATIENCE).unwrap()
    };
    // It cannot be kept on disk, which is told; and its command fails.
    call(Event::Prepare, &[InputValue::Message(&config), InputValue::Message(&container)]);
    failure(call(Event::Isolate, &[InputValue::Absent, InputValue::Message(&container)]));
    call(Event::Cleanup, &[InputValue::Absent, InputValue::Message(&container)]);
    let shown = r"c\x1b[2J\n\u{202e}E1126 forged/no-file";
    let found = lines_of(&bench);
    assert!(found.len() >= 2, "{found:?}");
    assert!(found.iter().all(|line| line.contains(shown)), "{found:?}");
    assert_log_is_harmless();
}

#[test]
fn workers_are_quoted_visibly() {
    collect_log();
    let worker = format!(
        r#"read -r greeting; echo '{{"ready":1}}'
while read -r line; do
  id=${{line#*\"id\":}}; id=${{id%%,*}}
  printf '{HOSTILE}\n' >&2
  case $line in
    *\"junk\"*) printf '\033[2J\302\205\n' ;;
    *) printf '%s\n' '{{"id":'$id',"error":"{HOSTILE_JSON}"}}' ;;
  esac
done"#
    );
    let more = [("isolator_isolate_mode", "worker")];
    let bench = Instance::new("foreign-workers", &[("isolator_isolate", &worker)], &more);
    bench.call(Event::Prepare, "error");
    bench.call(Event::Prepare, "junk");
    // Until a worker is up, calls run as plain commands, which here end at once.
    until("an answer of the worker", || {
        let Answer::Failure(text) = bench.call(Event::Isolate, "error") else { return false };
        assert!(is_harmless(&text), "{text:?}");
        text.contains(SHOWN_JSON)
    });
    let text = failure(bench.call(Event::Isolate, "junk"));
    assert!(text.contains(r"\u{1b}[2J") || text.contains(r"\x1b[2J"), "{text}");
    until("what the worker wrote to stderr", || {
        lines_of(&bench).iter().any(|line| line.contains(SHOWN))
    });
    assert_log_is_harmless();
}

#[test]
fn debug_shows_inputs_and_outputs_without_their_secrets() {
    collect_log();
    let secret = "s3cr3t-of-the-container";
    // command_info (11) with an environment (2) of variables (1): name (1), value (2), type (3)
    // SECRET (2), secret (4) of type VALUE (2) with value (3) data (1).
    let data = field(4, &[vec![0x08, 2], field(3, &field(1, secret.as_bytes()))].concat());
    let typed = [field(1, b"TYPED"), vec![0x18, 2], data].concat();
    let named = [field(1, b"DB_PASSWORD"), field(2, secret.as_bytes())].concat();
    let plain = [field(1, b"PLAIN"), field(2, b"to-be-seen")].concat();
    let script = format!(
        "printf '%s' '{{\"environment\":{{\"variables\":[{{\"name\":\"API_TOKEN\",\"value\":\
         \"{secret}\"}},{{\"name\":\"N\",\"value\":\"also-seen\"}}]}}}}' >\"$2\""
    );
    let usage = format!("printf '%s' 'no JSON: {secret}' >\"$2\"");
    let scripts = [("isolator_prepare", script.as_str()), ("isolator_usage", &usage)];
    let base64 = "czNjcjN0LW9mLXRoZS1jb250YWluZXI=";
    let log_of = |module: &str, more: &[(&str, &str)]| {
        let more = [&[("debug", "true")], more].concat();
        let bench = Instance::new(module, &scripts, &more);
        // In three parts, because the helper's fields are short.
        for (name, variable) in [("c1", &typed), ("c2", &named), ("c3", &plain)] {
            let environment = field(2, &field(1, variable));
            let config = [field(3, b"/x"), field(11, &environment)].concat();
            let container = id(name);
            let values = [InputValue::Message(&config), InputValue::Message(&container)];
            let (sender, receiver) = std::sync::mpsc::channel();
            let done = Box::new(move |answer| drop(sender.send(answer)));
            bench.isolator.call(Event::Prepare, &values, done);
            let answer = receiver.recv_timeout(crate::support::PATIENCE).unwrap();
            assert!(matches!(answer, Answer::Message(_)), "{answer:?}");
            bench.usage(name);
        }
        lines_of(&bench).join("\n")
    };
    let log = log_of("redacted", &[]);
    assert!(!log.contains(secret) && !log.contains(base64), "{log}");
    for seen in ["to-be-seen", "also-seen", "TYPED", "DB_PASSWORD", "API_TOKEN", "[redacted]"] {
        assert!(log.contains(seen), "no {seen} in {log}");
    }
    let log = log_of("named", &[("redact", "PLAIN")]);
    assert!(!log.contains("to-be-seen") && log.contains(secret) && !log.contains(base64), "{log}");
    let log = log_of("shown", &[("redact", "none")]);
    for seen in [secret, base64, "to-be-seen", "no JSON: "] {
        assert!(log.contains(seen), "no {seen} in {log}");
    }
}
