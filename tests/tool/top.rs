//! `mesos-command top` before a real agent, and in a real terminal: one of tmux.

use std::process::Command;

use serde_json::Value;
use test_support::{skip_offline, until, wait_for};

use crate::live::{Agent, SOON, agent, agent_with, tool};
use crate::schema::conforms;
use crate::support::stderr;

/// A prepare that hangs for containers called so, and fails for others.
const PREPARE: &str = "case $MESOS_CONTAINER_ID in hang*) exec sleep 600;; esac
    echo 'no \u{1b}[31mluck' >\"$3\"; exit 3";

/// An agent with a call that hangs, one that waits, and a failure.
fn busy(module: &str) -> (Agent, Vec<std::sync::mpsc::Receiver<mesos_command::call::Answer>>) {
    let agent = agent(module, PREPARE);
    agent.prepare("failed").recv_timeout(SOON).expect("an answer");
    let launches = ["hang-one", "hang-two"].map(|container| agent.prepare(container)).into();
    wait_for("the call that runs", || {
        let answer = agent.json(&["calls", "--module", module]);
        answer["calls"].as_array()?.iter().any(|call| call["pid"].is_i64()).then_some(())
    });
    (agent, launches)
}

/// A terminal of tmux, with a server of its own.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs a line of shell in a terminal of this size; `None` where there is no tmux.
    fn open(
        agent: &Agent,
        name: &str,
        (columns, lines): (usize, usize),
        shell: &str,
    ) -> Option<Terminal> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skip_offline("a terminal of tmux", "tmux cannot be executed");
            return None;
        }
        let terminal = Terminal { socket: agent.place.text(name) };
        let size = [columns, lines].map(|it| it.to_string());
        let [columns, lines] = &size;
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", lines, shell]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-S", &self.socket]).args(arguments);
        tmux.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        let done = tmux.output().expect("it runs");
        assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
        String::from_utf8(done.stdout).expect("UTF-8")
    }

    /// What it shows; with colours and the like as the sequences that make them.
    fn shown(&self, with_colours: bool) -> String {
        let more: &[&str] = if with_colours { &["-e"] } else { &[] };
        self.tmux(&[&["capture-pane", "-p"], more].concat())
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits until all of these texts are in view, and what else is.
    fn wait(&self, parts: &[&str]) -> String {
        wait_for(&format!("{parts:?} on the screen"), || {
            let shown = self.shown(false);
            parts.iter().all(|part| shown.contains(part)).then_some(shown)
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended with its only program.
        let _ = Command::new("tmux").args(["-S", &self.socket, "kill-server"]).output();
    }
}

/// The command line that watches an agent, every 200 ms.
fn command(agent: &Agent, module: &str) -> String {
    let (tool, socket) = (env!("CARGO_BIN_EXE_mesos-command"), agent.place.text("c.sock"));
    format!("'{tool}' top --socket '{socket}' --module {module} --interval 200ms")
}

#[test]
fn a_terminal_of_80_and_one_of_200_columns_show_what_hangs() {
    let (agent, _launches) = busy("top-size");
    for (columns, lines) in [(80, 24), (200, 40)] {
        let shell = format!("exec {}", command(&agent, "top-size"));
        let name = format!("tmux{columns}");
        let Some(terminal) = Terminal::open(&agent, &name, (columns, lines), &shell) else {
            return;
        };
        let parts = [
            "EVENT",
            "CALLS/S",
            "P99",
            "1 running, 1 queued",
            "hang-one",
            "queued",
            "exit",
            "q quit",
        ];
        let shown = terminal.wait(&parts);
        for line in shown.lines() {
            assert!(line.chars().count() <= columns, "{line}");
        }
        let script = agent.place.text("prepare");
        assert_eq!(
            shown.contains(&script),
            columns == 200,
            "the command, where there is room: {shown}"
        );
        assert!(shown.lines().count() <= lines, "{shown}");
        terminal.press(&["2"]);
        let calls = terminal.wait(&["top: in flight", "hang-one", "hang-two"]);
        assert!(!calls.contains("CALLS/S"), "{calls}");
        terminal.press(&["3"]);
        let failures = terminal.wait(&["top: failures", "FAILURES", "return code 3"]);
        let is_whole = failures.contains("Cause: no \\x1b[31mluck");
        assert_eq!(is_whole, columns == 200, "{failures}");
    }
}

#[test]
fn keys_filter_sort_pause_help_and_end() {
    let (agent, _launches) = busy("top-keys");
    let shell = format!(
        "{}; echo ended=$?; stty -a | tr ';' ' '; exec sleep 600",
        command(&agent, "top-keys")
    );
    let Some(terminal) = Terminal::open(&agent, "tmux", (120, 30), &shell) else { return };
    terminal.wait(&["hang-one", "hang-two", "CALLS/S*", "AGE*"]);
    terminal.press(&["?"]);
    terminal.wait(&["any key ends it", "scroll by a line"]);
    terminal.press(&["x"]);
    terminal.press(&["F4"]);
    terminal.wait(&["filter: _"]);
    terminal.press(&["h", "a", "n", "g", "-", "t", "w", "o", "Enter"]);
    let filtered = terminal.wait(&["filter: hang-two", "hang-two"]);
    assert!(!filtered.contains("hang-one"), "{filtered}");
    terminal.press(&["Escape"]);
    terminal.wait(&["hang-one"]);
    terminal.press(&[">"]);
    terminal.wait(&["FAILED/S*"]);
    terminal.press(&["Space"]);
    let paused = terminal.wait(&[", paused"]);
    terminal.press(&["+"]);
    terminal.wait(&["every 0.40s"]);
    let age = |shown: &str| {
        let line = shown.lines().find(|line| line.contains("in flight")).map(str::to_owned);
        line.expect("the line of what is in flight")
    };
    assert_eq!(age(&terminal.shown(false)), age(&paused), "nothing is asked while it is paused");
    terminal.tmux(&["resize-window", "-x", "150", "-y", "20"]);
    until("another size", || terminal.shown(false).lines().any(|line| line.chars().count() > 120));
    terminal.press(&["q"]);
    // The terminal is as it was: what was there, its echo, its lines.
    let after = terminal.wait(&["ended=0", " echo ", " icanon "]);
    assert!(!after.contains("q quit"), "{after}");
}

#[test]
fn no_color_means_none() {
    let (agent, _launches) = busy("top-colours");
    for (prefix, is_plain) in [("NO_COLOR=1", true), ("NO_COLOR=", false)] {
        let shell = format!("{prefix} exec {}", command(&agent, "top-colours"));
        let name = format!("tmux{is_plain}");
        let Some(terminal) = Terminal::open(&agent, &name, (100, 30), &shell) else { return };
        terminal.wait(&["hang-one", "q quit"]);
        let shown = terminal.shown(true);
        assert_eq!(!shown.contains('\u{1b}'), is_plain, "{shown:?}");
    }
}

#[test]
fn an_agent_that_goes_away_is_told_and_a_signal_ends_it() {
    let agent = agent("top-gone", "true");
    // A way to the socket that can be closed without the agent's noticing.
    let way = agent.place.path("way.sock");
    let open = || std::os::unix::fs::symlink(agent.place.path("c.sock"), &way).expect("a link");
    open();
    let watch = command(&agent, "top-gone").replace("/c.sock", "/way.sock");
    let shell = format!("{watch}; echo ended=$?; exec sleep 600");
    let Some(terminal) = Terminal::open(&agent, "tmux", (120, 20), &shell) else { return };
    terminal.wait(&["instances 1", "q quit"]);
    std::fs::remove_file(&way).expect("removed");
    terminal.wait(&["cannot be asked: there is no such socket", "instances 1"]);
    open();
    until("an agent again", || !terminal.shown(false).contains("cannot be asked"));
    let pid = terminal.tmux(&["list-panes", "-F", "#{pane_pid}"]);
    let children = wait_for("its process", || {
        let path = format!("/proc/{0}/task/{0}/children", pid.trim());
        std::fs::read_to_string(path).ok().filter(|text| !text.is_empty())
    });
    let child = children.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a number");
    let child = nix::unistd::Pid::from_raw(child);
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGTERM).expect("sent");
    terminal.wait(&["ended=143"]);
}

#[test]
fn once_is_for_people_and_json_for_programs() {
    let (agent, _launches) = busy("top-once");
    let arguments = ["top", "--once", "--interval", "200ms", "--module", "top-once"];
    let shown = agent.shown(&arguments);
    for part in ["1 running, 1 queued", "isolator_prepare", "hang-one", "hang-two", "return code 3"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{1b}') && !shown.contains("q quit"), "{shown}");
    let one = agent.json(&arguments);
    let printed = tool(&["top", "--json-schema"]);
    let schema: Value = serde_json::from_slice(&printed.stdout).expect("a schema");
    conforms(&schema, &schema, &one, "top");
    assert_eq!((&one["in_flight"]["running"], &one["in_flight"]["queued"]), (&1.into(), &1.into()));
    let event = &one["events"][0];
    assert_eq!((&event["event"], &event["failed"]), (&"isolator_prepare".into(), &1.into()));
    assert_eq!(one["failures"]["last"][0]["container"], "failed");
    assert_eq!(one["instances"][0]["module"], "top-once");
    // It says so where a filter leaves nothing.
    let none = agent.json(&[&arguments[..], &["--filter", "nothing-has-this"]].concat());
    conforms(&schema, &schema, &none, "top");
    assert_eq!(none["in_flight"]["calls"], serde_json::json!([]));
}

#[test]
fn skipped_calls_and_shadows_are_in_view() {
    let agent = agent_with("top-skipped", "true", |place| {
        let shadow = place.script("shadow", "exit 3");
        vec![
            ("isolator_prepare_shadow_command", shadow),
            ("isolator_isolate_command", "/bin/true".to_owned()),
            ("isolator_isolate_when", "nested".to_owned()),
        ]
    });
    agent.prepare("c1").recv_timeout(SOON).expect("an answer");
    agent.isolate("c1").recv_timeout(SOON).expect("an answer");
    let arguments = ["top", "--once", "--interval", "200ms", "--module", "top-skipped"];
    let one = wait_for("the comparison", || {
        Some(agent.json(&arguments)).filter(|one| one["shadows"][0]["failed"] == 1)
    });
    let printed = tool(&["top", "--json-schema"]);
    let schema: Value = serde_json::from_slice(&printed.stdout).expect("a schema");
    conforms(&schema, &schema, &one, "top");
    assert_eq!(one["shadows"][0]["differences"][0]["subject"], "c1");
    let events = one["events"].as_array().expect("events").iter();
    let skipped: Vec<_> = events.map(|it| (it["event"].as_str(), it["skipped"].as_u64())).collect();
    let expected = [(Some("isolator_isolate"), Some(1)), (Some("isolator_prepare"), Some(0))];
    assert_eq!(skipped, expected);
    let shown = agent.shown(&arguments);
    assert!(shown.contains("shadows 1   0 same, 0 different, 1 failed, 0 dropped"), "{shown}");
    assert!(shown.contains("SKIPPED/S"), "{shown}");
    // What was left out on purpose is no failure.
    assert!(shown.contains("none is kept"), "{shown}");
}

#[test]
fn what_cannot_be_watched_has_a_status() {
    let agent = agent("top-status", "true");
    for (arguments, status, words) in [
        (&["top", "--once", "--module", "nobody"][..], 1, "no instance is called 'nobody'"),
        (&["top"], 2, "needs a terminal"),
        (&["top", "--once", "--interval", "1ms"], 2, "200ms"),
    ] {
        let done = agent.ask(arguments);
        assert_eq!(done.status.code(), Some(status), "{arguments:?}: {}", stderr(&done));
        assert!(stderr(&done).contains(words), "{}", stderr(&done));
    }
    let none = tool(&["top", "--once", "--socket", &agent.place.text("none.sock")]);
    assert_eq!(none.status.code(), Some(3), "{}", stderr(&none));
}
