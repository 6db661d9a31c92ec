//! Hooks: what a suspended one answers, and those that run behind.

use std::time::{Duration, Instant};

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use mesos_command::metrics;
use tempfile::TempDir;
use test_support::until;

use crate::support::{field, write_script};

/// Far more than an answer needs that waits for nothing, far less than a timeout of the commands.
const AT_ONCE: Duration = Duration::from_secs(10);

struct Rig {
    directory: TempDir,
    hook: Hook,
    module: String,
}

impl Rig {
    fn new(module: &str, event: Event, script: &str, more: &[(&str, &str)]) -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook");
        write_script(&path, &format!("echo run >>\"$0.runs\"\n{script}"));
        let mut parameters = vec![
            ("module_name".to_owned(), module.to_owned()),
            (format!("{}_command", event.label()), path.display().to_string()),
        ];
        for (key, value) in more {
            parameters.push((format!("{}{key}", event.label()), (*value).to_owned()));
        }
        parameters.push(("kill_grace".to_owned(), "0".to_owned()));
        parameters.push(("keep_failures".to_owned(), "0".to_owned()));
        Rig { directory, hook: Hook::create(&parameters).unwrap(), module: module.to_owned() }
    }

    fn runs(&self) -> usize {
        let path = self.directory.path().join("hook.runs");
        std::fs::read_to_string(path).unwrap_or_default().lines().count()
    }

    fn metric(&self, name: &str, part: &str) -> u64 {
        let module = format!("module=\"{}\"", self.module);
        let text = metrics::render();
        let of = |line: &&str| {
            line.starts_with(&format!("{name}{{")) && line.contains(&module) && line.contains(part)
        };
        let values = text.lines().filter(of).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<f64>().unwrap()).sum::<f64>() as u64
    }
}

fn slave_info() -> Vec<u8> {
    field(1, b"host")
}

/// Three timeouts, and what the fourth call is answered. Where a machine is so late that the fourth
/// comes after the suspension, it is tried again.
fn suspended(module: &str, event: Event, values: &[InputValue<'_>], failure: &str) -> Answer {
    let attempt = |number| attempt_suspended(&format!("{module}-{number}"), event, values, failure);
    (0..5).find_map(attempt).expect("a call during a suspension")
}

fn attempt_suspended(
    module: &str,
    event: Event,
    values: &[InputValue<'_>],
    failure: &str,
) -> Option<Answer> {
    let more = [("_timeout", "750ms"), ("_failure", failure)];
    // From the beginning of the third call: its timeout, and a pause four times as long.
    let over = Duration::from_millis(750) * 5;
    let rig = Rig::new(module, event, "exec sleep 60", &more);
    let call = || {
        let (sender, receiver) = std::sync::mpsc::channel();
        match event {
            Event::SlavePreLaunchDockerTaskExecutorDecorator => {
                let done = Box::new(move |answer| drop(sender.send(answer)));
                rig.hook.call_async(event, values, done);
            }
            _ => drop(sender.send(rig.hook.call(event, values))),
        }
        receiver.recv_timeout(AT_ONCE).unwrap()
    };
    call();
    call();
    let third = Instant::now();
    call();
    let answer = call();
    if third.elapsed() >= over {
        return None;
    }
    assert_eq!(rig.metric("mesos_command_timeouts_total", ""), 3);
    assert_eq!(rig.runs(), 3, "it was not started again");
    let counted = rig.metric("mesos_command_failures_total", "reason=\"suspended\"");
    assert_eq!(counted, 1);
    Some(answer)
}

#[test]
fn a_suspended_hook_answers_what_its_failure_says() {
    let executor = [field(1, &field(1, b"e")), field(7, &[])].concat();
    let docker = Event::SlavePreLaunchDockerTaskExecutorDecorator;
    let docker_values = [
        InputValue::Text(b"name"),
        InputValue::Text(b"/work"),
        InputValue::Absent,
        InputValue::Message(&executor),
        InputValue::Text(b"/sandbox"),
        InputValue::Absent,
    ];
    let info = slave_info();
    let resources = Event::SlaveResourcesDecorator;
    let resources_values = [InputValue::Message(&info)];
    for (name, event, values) in
        [("docker", docker, &docker_values[..]), ("resources", resources, &resources_values[..])]
    {
        match suspended(&format!("{name}-fail"), event, values, "fail") {
            Answer::Failure(text) => assert!(text.contains("suspended"), "{text}"),
            other => panic!("{name}: {other:?}"),
        }
        let answer = suspended(&format!("{name}-ignore"), event, values, "ignore");
        assert_eq!(answer, Answer::Nothing, "{name}");
    }
}

/// A partition of the network: a thousand agents are lost in one moment.
#[test]
fn a_thousand_lost_agents_are_a_few_processes_at_a_time_and_hold_nobody() {
    const AGENTS: usize = 1000;
    const AT_A_TIME: usize = 16;
    let event = Event::MasterSlaveLostHook;
    let script = "mkdir \"$0.now.$$\"; ls -d \"$0\".now.* | wc -l >>\"$0.at-a-time\"\n\
                  [ -e \"$0.go\" ] || while [ ! -e \"$0.go\" ]; do sleep 0.02; done\n\
                  rmdir \"$0.now.$$\"";
    // Much less than what the last of them waits for.
    let rig = Rig::new("lost-agents", event, script, &[("_timeout", "20")]);
    let info = slave_info();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let start = Instant::now();
    for _ in 0..AGENTS {
        assert_eq!(rig.hook.call(event, &[InputValue::Message(&info)]), Answer::Nothing);
    }
    let held = start.elapsed();
    until("the first commands", || rig.runs() == AT_A_TIME);
    let grown = descriptors().saturating_sub(before);
    println!("{AGENTS} lost agents: caller held for {held:.0?}, {grown} descriptors more");
    assert!(held < AT_ONCE, "the master was held for {held:?}");
    // The other tests of this program have descriptors too.
    assert!(grown < 200, "{grown} descriptors more");
    std::fs::write(rig.directory.path().join("hook.go"), "").unwrap();
    until("all of them", || rig.metric("mesos_command_calls_total", "") == AGENTS as u64);
    assert_eq!(rig.metric("mesos_command_calls_total", "outcome=\"ok\""), AGENTS as u64);
    let text = std::fs::read_to_string(rig.directory.path().join("hook.at-a-time")).unwrap();
    let most = text.lines().map(|line| line.trim().parse::<usize>().unwrap()).max().unwrap();
    println!("at most {most} at a time");
    assert!(most <= AT_A_TIME, "{most} at a time");
}
