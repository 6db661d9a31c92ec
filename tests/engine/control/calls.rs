//! What is in flight, and its end by an operator.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use test_support::{collect_log, logged, until, wait_for};

use super::{ask, calls, instance, kill, last_failure, prepare, socket};
use crate::support::{Instance, field, write_script};

/// Far more than the end of a killed command takes, far less than its timeout.
const SOON: Duration = Duration::from_secs(20);
const HANGS: &str = "exec sleep 600";

fn failure(answer: &Answer) -> &str {
    let Answer::Failure(text) = answer else { panic!("{answer:?} is no failure") };
    text
}

#[test]
fn a_hung_prepare_is_listed_and_its_launch_fails_when_an_operator_kills_it() {
    collect_log();
    let hung = instance("control-prepare", &[("isolator_prepare", HANGS)], &[("kill_grace", "0")]);
    let launch = prepare(&hung, "c1");
    let call = calls(&hung, 1, 0).remove(0);
    for (key, value) in [
        ("event", "isolator_prepare"),
        ("kind", "isolator"),
        ("module", "control-prepare"),
        ("state", "running"),
        ("lane", "launch"),
        ("container", "c1"),
        ("task", "t"),
        ("executor", "e"),
        ("framework", "f"),
    ] {
        assert_eq!(call[key], value, "{call}");
    }
    let script = hung.path("isolator_prepare").display().to_string();
    assert_eq!(call["command"], script);
    let pid = call["pid"].as_i64().unwrap();
    // Until it is the script it has the words of the process that starts it.
    until("the start of the script", || {
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        words.contains("sleep") || words.contains("isolator_prepare")
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let (since, deadline) = (call["since"].as_f64().unwrap(), call["deadline"].as_f64().unwrap());
    assert!((now - since - call["age_seconds"].as_f64().unwrap()).abs() < 5.0, "{call}");
    assert!((deadline - since - 30.0).abs() < 5.0, "the timeout of prepare: {call}");

    let killed = kill(&hung, &call);
    assert_eq!((&killed["id"], &killed["killed"]), (&call["id"], &true.into()));
    let answer = launch.recv_timeout(SOON).unwrap();
    let text = failure(&answer);
    assert!(text.starts_with(&format!("Command \"{script}\" was killed by an operator")), "{text}");
    assert!(text.contains(&format!("process {pid}")), "{text}");
    until("the end of the process", || !std::path::Path::new(&format!("/proc/{pid}")).exists());

    assert!(calls(&hung, 0, 0).is_empty());
    let failed = last_failure(&hung);
    assert_eq!((&failed["outcome"], &failed["reason"]), (&"cancelled".into(), &"killed".into()));
    assert_eq!((&failed["task"], &failed["id"]), (&"t".into(), &call["id"]));
    assert_eq!(hung.metric("mesos_command_failures_total", "reason=\"killed\""), 1);
    assert_eq!(hung.metric("mesos_command_calls_total", "outcome=\"cancelled\""), 1);
    assert!(logged(&script).iter().any(|line| line.contains("was killed by an operator")));
    // Once more: it has ended.
    let gone = ask(&socket(&hung), "POST", &format!("/v1/calls/{}/kill", call["id"]), 404);
    assert!(gone["error"].as_str().unwrap().contains("no call"), "{gone}");
}

#[test]
fn what_waits_for_its_turn_is_listed_and_can_be_killed_before_it_starts() {
    let busy = instance("control-queued", &[("isolator_prepare", HANGS)], &[("kill_grace", "0")]);
    let first = prepare(&busy, "c1");
    // Whose context is written first is not said.
    calls(&busy, 1, 0);
    let second = prepare(&busy, "c2");
    let both = calls(&busy, 1, 1);
    assert_eq!((&both[0]["container"], &both[1]["container"]), (&"c1".into(), &"c2".into()));
    assert!(both[1]["pid"].is_null() && both[1]["deadline"].is_null(), "{}", both[1]);
    kill(&busy, &both[1]);
    let answer = second.recv_timeout(SOON).unwrap();
    assert!(failure(&answer).contains("before it was started"), "{answer:?}");
    assert_eq!(busy.runs("isolator_prepare"), 1);
    kill(&busy, &both[0]);
    failure(&first.recv_timeout(SOON).unwrap());
}

#[test]
fn a_killed_usage_answers_and_a_killed_watch_goes_on() {
    let scripts = [("isolator_usage", HANGS), ("isolator_watch", HANGS)];
    let more = [("kill_grace", "0"), ("isolator_watch_interval", "10ms")];
    let hung = instance("control-sampling", &scripts, &more);
    hung.call(Event::Prepare, "c1");
    let usage = hung.start(Event::Usage, "c1");
    kill(&hung, &calls(&hung, 1, 0)[0]);
    assert_eq!(usage.recv_timeout(SOON).unwrap(), Answer::Nothing, "no value, and no failure");
    let watch = hung.start(Event::Watch, "c1");
    let first = calls(&hung, 1, 0).remove(0);
    kill(&hung, &first);
    let second = wait_for("the next run of watch", || {
        let call = calls(&hung, 1, 0).remove(0);
        (call["id"] != first["id"]).then_some(call)
    });
    assert_eq!(second["event"], "isolator_watch");
    assert!(watch.try_recv().is_err(), "nothing is told to Mesos");
    hung.call(Event::Cleanup, "c1");
}

/// A hook whose command hangs, with a control socket in a directory of its own.
fn hook(module: &str, script: &str, more: &[(&str, &str)]) -> (Hook, Instance) {
    // The isolator is there for its directory and socket: one process has one for all.
    let beside = instance(&format!("{module}-beside"), &[], &[]);
    let path = beside.path("hook");
    write_script(&path, script);
    let mut parameters = vec![
        ("module_name".to_owned(), module.to_owned()),
        ("kill_grace".to_owned(), "0".to_owned()),
        ("keep_failures".to_owned(), "0".to_owned()),
        ("hook_slave_remove_executor_hook_command".to_owned(), path.display().to_string()),
    ];
    parameters.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let hook = Hook::create(&parameters).unwrap();
    (hook, Instance { module: module.to_owned(), ..beside })
}

const EVENT: Event = Event::SlaveRemoveExecutorHook;

fn call_hook(hook: &Hook) -> Answer {
    let executor = [field(1, &field(1, b"e")), field(7, &[])].concat();
    let framework = [field(1, b"u"), field(2, b"n"), field(3, &field(1, b"f"))].concat();
    hook.call(EVENT, &[InputValue::Message(&executor), InputValue::Message(&framework)])
}

#[test]
fn a_hook_that_holds_the_agent_can_be_killed() {
    let (hook, beside) = hook("control-hook", HANGS, &[]);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| call_hook(&hook));
        let call = calls(&beside, 1, 0).remove(0);
        assert_eq!((&call["lane"], &call["framework"]), (&"hook".into(), &"f".into()));
        kill(&beside, &call);
        let answer = caller.join().unwrap();
        assert!(failure(&answer).contains("was killed by an operator"), "{answer:?}");
    });
}

#[test]
fn a_hook_that_waits_for_a_workers_answer_can_be_killed_and_the_worker_is_replaced() {
    let worker = "read greeting; echo '{\"ready\":1}'; while read request; do sleep 600; done";
    let mode = [("hook_slave_remove_executor_hook_mode", "worker")];
    let (hook, beside) = hook("control-worker", worker, &mode);
    let status = format!("/v1/status?module={}", beside.module);
    let first_worker = || {
        let status = ask(&socket(&beside), "GET", &status, 200);
        status["instances"][0]["workers"][0]["processes"][0].clone()
    };
    let pid = wait_for("a worker", || first_worker()["pid"].as_i64());
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| call_hook(&hook));
        let call = calls(&beside, 1, 0).remove(0);
        assert_eq!(call["pid"], pid, "the worker's");
        assert_eq!(first_worker()["busy"], true);
        kill(&beside, &call);
        let answer = caller.join().unwrap();
        assert!(failure(&answer).contains("was killed by an operator"), "{answer:?}");
    });
    until("another worker", || first_worker()["pid"].as_i64().is_some_and(|other| other != pid));
    assert_eq!(beside.metric("mesos_command_worker_restarts_total", "reason=\"killed\""), 1);
}

#[test]
fn a_suspended_hook_runs_again_when_an_operator_says_so() {
    let timeout = [("hook_slave_remove_executor_hook_timeout", "100ms")];
    let script = "[ -e \"$0.good\" ] || exec sleep 600";
    let (hook, beside) = hook("control-suspended", script, &timeout);
    let reset = format!("/v1/breakers/{}/reset?module={}", EVENT.label(), beside.module);
    let was_suspended =
        || ask(&socket(&beside), "POST", &reset, 200)["reset"][0]["was_suspended"].clone();
    assert_eq!(was_suspended(), false);
    for _ in 0..3 {
        failure(&call_hook(&hook));
    }
    assert!(failure(&call_hook(&hook)).contains("is suspended"));
    let status = ask(&socket(&beside), "GET", &format!("/v1/status?module={}", beside.module), 200);
    assert_eq!(status["instances"][0]["suspended"][0]["event"], EVENT.label(), "{status}");
    std::fs::write(beside.path("hook.good"), "").unwrap();
    assert_eq!(was_suspended(), true);
    assert_eq!(call_hook(&hook), Answer::Nothing, "it runs, and is well");
    let error = ask(&socket(&beside), "POST", "/v1/breakers/nonsense/reset", 404);
    assert!(error["error"].as_str().unwrap().contains("there are: hook_"), "{error}");
    let none = format!("/v1/breakers/isolator_usage/reset?module={}", beside.module);
    ask(&socket(&beside), "POST", &none, 404);
}
