//! The end of an instance, as when the agent exits with calls in flight.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use mesos_command::run;
use test_support::{own_process, wait_for};

use crate::support::{Instance, id, until, write_script};

/// Writes its number and ignores TERM, as do those who wait with it.
const STUBBORN: &str = "trap '' TERM\necho $$ >>\"$0.pids\"\nwhile :; do sleep 1; done";

/// The numbers that a script of this name wrote.
fn pids(directory: &Path, event: &str) -> Vec<i32> {
    let text = std::fs::read_to_string(directory.join(format!("{event}.pids")));
    text.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
}

fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}

/// Drops the instance, and demands that these processes have ended then. The end does not wait for
/// longer than 1.5 s beyond `kill_grace`, 200 ms in these tests: a machine that is too busy for
/// that may take its time.
fn drop_and_demand_ends<T>(instance: T, pids: impl Fn() -> Vec<i32>) {
    let began = Instant::now();
    drop(instance);
    let in_time = began.elapsed() < Duration::from_millis(1700);
    let none_is_alive = || !pids().iter().any(|pid| is_alive(*pid));
    assert!(!in_time || none_is_alive(), "{:?} outlived the instance", pids());
    until("the ends", none_is_alive);
}

#[test]
fn what_runs_is_ended_what_waits_never_starts_and_nobody_is_answered() {
    let events = ["isolator_prepare", "isolator_watch", "isolator_usage", "isolator_status"];
    let scripts = events.map(|event| (event, STUBBORN));
    let more = [("kill_grace", "200ms"), ("isolator_prepare_timeout", "600")];
    let bench = Instance::new("end", &scripts, &more);
    let first = bench.start(Event::Prepare, "first");
    until("the first prepare", || !pids(bench.directory.path(), "isolator_prepare").is_empty());
    let mut receivers = vec![first, bench.start(Event::Prepare, "second")];
    // A context is there as soon as prepare was called.
    for event in [Event::Watch, Event::Usage, Event::Status] {
        receivers.push(bench.start(event, "first"));
    }
    let started = || events.iter().all(|event| !pids(bench.directory.path(), event).is_empty());
    until("all commands", started);

    let Instance { directory, isolator, .. } = bench;
    let all = || events.iter().flat_map(|event| pids(directory.path(), event)).collect();
    drop_and_demand_ends(isolator, all);
    for event in events {
        assert_eq!(pids(directory.path(), event).len(), 1, "{event}: the second never started");
    }
    for receiver in receivers {
        assert_eq!(
            receiver.try_recv().unwrap_err(),
            TryRecvError::Empty,
            "neither told nor dropped"
        );
    }
}

#[test]
fn no_completion_is_called_after_the_end() {
    for round in 0..40u64 {
        let script = "sleep 0.0$(($$ % 4))\nprintf '{}' >\"$2\"";
        let bench = Instance::new(
            "late",
            &[("isolator_usage", script), ("isolator_isolate", script)],
            &[("isolator_usage_cache_ttl", "0"), ("lifecycle_parallel", "4")],
        );
        let (gone, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for number in 0..8 {
            let name = format!("c{number}");
            bench.call(Event::Prepare, &name);
            for event in [Event::Usage, Event::Isolate] {
                let wire = id(&name);
                let mut values = vec![InputValue::Absent, InputValue::Message(&wire)];
                if event == Event::Isolate {
                    values.push(InputValue::Integer(1));
                }
                let (gone, late) = (gone.clone(), late.clone());
                let done = move |_answer: Answer| {
                    // As a continuation of the host's that takes its time.
                    std::thread::sleep(Duration::from_millis(2));
                    late.fetch_add(usize::from(gone.load(Ordering::SeqCst)), Ordering::SeqCst);
                };
                bench.isolator.call(event, &values, Box::new(done));
            }
        }
        std::thread::sleep(Duration::from_millis(round));
        let Instance { isolator, directory: _directory, .. } = bench;
        drop(isolator);
        gone.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(late.load(Ordering::SeqCst), 0, "round {round}");
    }
}

#[test]
fn a_completion_may_end_the_instance_itself() {
    let bench = Instance::new("inside", &[("isolator_prepare", "printf '{}' >\"$2\"")], &[]);
    let Instance { isolator, directory: _directory, .. } = bench;
    let isolator = Arc::new(std::sync::Mutex::new(Some(isolator)));
    let (sender, receiver) = std::sync::mpsc::channel();
    let inside = isolator.clone();
    let done = move |_answer: Answer| {
        let taken = wait_for("the caller", || inside.try_lock().ok().and_then(|mut it| it.take()));
        let began = Instant::now();
        drop(taken);
        sender.send(began.elapsed()).unwrap();
    };
    let wire = id("c");
    let values = [InputValue::Message(crate::support::CONFIG), InputValue::Message(&wire)];
    isolator.lock().unwrap().as_ref().unwrap().call(Event::Prepare, &values, Box::new(done));
    let took = receiver.recv_timeout(crate::support::PATIENCE).unwrap();
    assert!(took < Duration::from_secs(2), "it waited for itself: {took:?}");
}

#[test]
fn the_watch_loop_ends_between_two_runs() {
    let bench = Instance::new("watched", &[("isolator_watch", "")], &[]);
    bench.call(Event::Prepare, "c");
    let _watching = bench.start(Event::Watch, "c");
    until("the first run", || bench.runs("isolator_watch") == 1);
    let Instance { directory: _directory, isolator, module } = bench;
    drop(isolator);
    let ended = format!(
        "mesos_command_calls_total{{module=\"{module}\",event=\"isolator_watch\",\
         outcome=\"cancelled\"}} 1"
    );
    until("the loop's end", || mesos_command::metrics::render().contains(&ended));
}

#[test]
fn workers_end_with_their_instance() {
    let worker = "echo $$ >>\"$0.pids\"\nread line\necho '{\"ready\":1}'\nread line\n\
                  : >\"$0.busy\"\ntrap '' TERM\nwhile :; do sleep 1; done";
    for busy in [false, true] {
        let more = [("isolator_usage_mode", "worker"), ("kill_grace", "200ms")];
        let bench = Instance::new("worker-end", &[("isolator_usage", worker)], &more);
        bench.call(Event::Prepare, "c");
        let up = "worker_up{module=\"worker-end\",event=\"isolator_usage\"} 1";
        until("the worker", || mesos_command::metrics::render().contains(up));
        let _waiting = busy.then(|| bench.start(Event::Usage, "c"));
        until("the request", || !busy || bench.path("isolator_usage.busy").exists());
        let Instance { directory, isolator, .. } = bench;
        let all = || pids(directory.path(), "isolator_usage");
        drop_and_demand_ends(isolator, all);
        assert!(!all().is_empty());
    }
}

#[test]
fn a_cleanup_that_is_ended_with_the_agent_is_made_up_for_by_the_next() {
    let bench = Instance::new("undone", &[("isolator_cleanup", STUBBORN)], &[("kill_grace", "0")]);
    bench.call(Event::Prepare, "c");
    let _waiting = bench.start(Event::Cleanup, "c");
    until("the command", || !pids(bench.directory.path(), "isolator_cleanup").is_empty());
    let file = bench.path("state/undone/c");
    let Instance { directory, isolator, .. } = bench;
    drop_and_demand_ends(isolator, || pids(directory.path(), "isolator_cleanup"));
    assert!(file.exists(), "the context is still there for the next agent");
}

const CHILD: &str = "ENGINE_TEST_END_ALL";

#[test]
fn all_instances_end_with_the_process() {
    let _ = own_process("end::all_in_a_process_of_their_own", CHILD);
}

#[test]
#[ignore = "started by the test above"]
fn all_in_a_process_of_their_own() {
    assert!(std::env::var_os(CHILD).is_some(), "started without its variable");
    let more = [("kill_grace", "200ms")];
    let bench = Instance::new("process-end", &[("isolator_prepare", STUBBORN)], &more);
    let preparing = bench.start(Event::Prepare, "c");
    let path = bench.path("hook");
    write_script(&path, STUBBORN);
    let event = "hook_slave_pre_launch_docker_task_executor_decorator";
    let parameters = [
        ("module_name".to_owned(), "process-end-hook".to_owned()),
        ("kill_grace".to_owned(), "200ms".to_owned()),
        (format!("{event}_command"), path.display().to_string()),
    ];
    let hook = Hook::create(&parameters).unwrap();
    let (sender, decorating) = std::sync::mpsc::channel();
    let event = Event::from_prefix(event).unwrap();
    let values: Vec<_> = event.row().inputs.iter().map(|_| InputValue::Absent).collect();
    hook.call_async(event, &values, Box::new(move |answer| drop(sender.send(answer))));
    let started = |name: &str| pids(bench.directory.path(), name);
    until("both", || !started("isolator_prepare").is_empty() && !started("hook").is_empty());

    assert!(run::end_all());
    for name in ["isolator_prepare", "hook"] {
        assert!(!is_alive(started(name)[0]), "{name}");
    }
    assert_eq!(preparing.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(decorating.try_recv().unwrap_err(), TryRecvError::Empty);
}
