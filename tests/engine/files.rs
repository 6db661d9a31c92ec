//! What a command of the original may do with its files.

use mesos_command::call::Answer;
use mesos_command::event::Event;

use crate::support::{Instance, until};

/// Treats INPUT as its own, as a command of the original could, and says how far it got.
const OWNER: &str = r#"
said=${0%/*}/said
step() { echo "$*" >>"$said"; "$@" || { echo "failed: $*" >>"$said"; exit 1; }; }
own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
step cmp "$(realpath -e "$1")" "$1"
step cp -a "$1" "$own/copy"
[ "$(cat)" = "$(cat "$own/copy")" ] || echo "failed: stdin is not the same" >>"$said"
sed s/container_id/renamed/ "$1" >"$1.tmp"
step mv "$1.tmp" "$1"
step grep -q renamed "$1"
step sed -i s/renamed/edited/ "$1"
printf '!' >>"$1"
step grep -q 'edited.*!' "$1"
[ "$(stat -c %a "${1%/*}")" = 700 ] || echo "failed: not private" >>"$said"
[ "${1%/*}" = "${2%/*}" ] && [ "${1%/*}" = "${3%/*}" ] || echo "failed: apart" >>"$said"
step cp "$1" "${2%/*}/beside"
step mkdir -p "${2%/*}/left/over"
printf '%s' "${2%/*}" >"${0%/*}/place"
echo done >>"$said"
"#;

fn may_treat_its_files_as_its_own(event: Event, script: &str) {
    let bench = Instance::new(script, &[(script, OWNER)], &[("isolator_usage_cache_ttl", "0")]);
    bench.call(Event::Prepare, "c");
    let waiting = bench.start(event, "c");
    let said = || std::fs::read_to_string(bench.path("said")).unwrap_or_default();
    until("the command's end", || said().contains("done") || said().contains("failed"));
    assert!(!said().contains("failed"), "{event:?}: {}", said());
    let place = std::fs::read_to_string(bench.path("place")).unwrap();
    until("its directory is gone", || !std::path::Path::new(&place).exists());
    if event != Event::Watch {
        let answer = waiting.recv_timeout(crate::support::PATIENCE).unwrap();
        assert_eq!(answer, Answer::Nothing);
    }
}

#[test]
fn a_usage_command_may_treat_its_files_as_its_own() {
    may_treat_its_files_as_its_own(Event::Usage, "isolator_usage");
}

#[test]
fn a_watch_command_may_treat_its_files_as_its_own() {
    may_treat_its_files_as_its_own(Event::Watch, "isolator_watch");
}

#[test]
fn io_says_what_input_is() {
    let script = "readlink \"$1\" >\"$0.link\"; readlink /proc/self/fd/0 >\"$0.stdin\"\n\
                  case $1 in /proc/*) echo memfd;; *) echo file;; esac >\"$0.kind\"\n";
    // What INPUT is and what stdin is, by mode: for an event of the original and for a new one.
    for (mode, usage, status) in [
        ("auto", ("file", "memfd"), ("memfd", "memfd")),
        ("file", ("file", "/input"), ("file", "/input")),
        ("memfd", ("memfd", "memfd"), ("memfd", "memfd")),
    ] {
        let scripts = [("isolator_usage", script), ("isolator_status", script)];
        let bench = Instance::new(&format!("io-{mode}"), &scripts, &[("io", mode)]);
        bench.call(Event::Prepare, "c");
        for (event, name, (input, stdin)) in
            [(Event::Usage, "isolator_usage", usage), (Event::Status, "isolator_status", status)]
        {
            bench.call(event, "c");
            let read = |what: &str| {
                std::fs::read_to_string(bench.path(&format!("{name}.{what}"))).unwrap()
            };
            assert_eq!(read("kind").trim(), input, "{mode} {name}");
            assert!(read("stdin").contains(stdin), "{mode} {name}: {}", read("stdin"));
        }
    }
}

#[test]
fn the_deadline_is_something_that_a_shell_can_calculate_with() {
    let script = "echo $((MESOS_COMMAND_DEADLINE - $(date +%s))) >\"$0.left\"";
    let more = [("isolator_cleanup_timeout", "30")];
    let bench = Instance::new("seconds", &[("isolator_cleanup", script)], &more);
    bench.call(Event::Prepare, "c");
    bench.call(Event::Cleanup, "c");
    let left = std::fs::read_to_string(bench.path("isolator_cleanup.left")).unwrap();
    let left: i64 = left.trim().parse().unwrap();
    assert!((1..=30).contains(&left), "{left} s: rounded down, never beyond the deadline");
}
