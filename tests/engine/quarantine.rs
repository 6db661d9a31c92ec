//! Commands that hang in the kernel: what they hold up, and what not.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;
use test_support::{DeadDisk, skip, until};

use crate::support::{Instance, PATIENCE};

/// Far more than an answer needs that waits for nothing, far less than what it could wait for.
const AT_ONCE: Duration = Duration::from_secs(10);
/// Unkillable commands with which an instance starts no more; what samples stops at the second.
const FULL: usize = 64;
const FULL_OF_SAMPLES: usize = 48;

/// A mounted disk, or the reason why `test` cannot run.
fn dead_disk(test: &str) -> Option<DeadDisk> {
    DeadDisk::mount().inspect_err(|reason| skip(test, reason)).ok()
}

/// A script that hangs on the disk while the file `hang` is beside it, else goes on with `rest`.
fn script(disk: &DeadDisk, rest: &str) -> String {
    let file = disk.file();
    format!("[ ! -e \"$0.hang\" ] || exec cat '{}'\n{rest}", file.display())
}

fn hang(bench: &Instance, event: &str) -> PathBuf {
    let path = bench.path(&format!("{event}.hang"));
    std::fs::write(&path, "").unwrap();
    path
}

fn quarantined(bench: &Instance) -> u64 {
    bench.metric("mesos_command_quarantined", "")
}

fn failure(answer: &Answer) -> &str {
    match answer {
        Answer::Failure(text) => text,
        other => panic!("no failure: {other:?}"),
    }
}

fn in_time(receiver: &mpsc::Receiver<Answer>) -> Answer {
    receiver.recv_timeout(AT_ONCE).expect("an answer at once")
}

#[test]
fn one_that_hangs_in_the_kernel_holds_up_no_launch_and_no_cleanup() {
    let test = "one_that_hangs_in_the_kernel_holds_up_no_launch_and_no_cleanup";
    let Some(disk) = dead_disk(test) else { return };
    let bench = Instance::new(
        "hangs",
        &[("isolator_prepare", &script(&disk, "")), ("isolator_cleanup", "")],
        &[("isolator_prepare_timeout", "500ms"), ("kill_grace", "100ms")],
    );
    let hang = hang(&bench, "isolator_prepare");
    let stuck = bench.start(Event::Prepare, "stuck");
    until("the command on the disk", || disk.touched() == 1);
    // They wait behind it.
    let next = bench.start(Event::Prepare, "next");
    std::fs::remove_file(hang).unwrap();
    let text = in_time(&stuck);
    assert!(failure(&text).contains("hangs in the kernel"), "{text:?}");
    assert_eq!(in_time(&next), Answer::Nothing);
    for container in ["next", "stuck"] {
        assert_eq!(in_time(&bench.start(Event::Cleanup, container)), Answer::Nothing);
    }
    assert_eq!(bench.runs("isolator_cleanup"), 2);
    let running = || bench.metric("mesos_command_running", "event=\"isolator_prepare\"");
    assert_eq!((quarantined(&bench), running()), (1, 1), "it is there, and is shown");
    disk.release();
    until("its end", || (quarantined(&bench), running()) == (0, 0));
}

/// An instance whose prepare hangs on the disk, and writes more than its limit meanwhile.
fn writer_of_too_much(name: &str, disk: &DeadDisk) -> Instance {
    let file = disk.file();
    let large = format!(
        "echo $$ >\"$0.pid\"\n(sleep 0.3; head -c 2097152 /dev/zero >\"$2\") &\nexec cat '{}'",
        file.display()
    );
    Instance::new(
        name,
        &[("isolator_prepare", &large)],
        &[("isolator_prepare_timeout", "20"), ("max_output_bytes", "1048576")],
    )
}

/// Whether the process whose number is in a file was sent KILL and has not ended.
fn is_killed(pid: &Path) -> bool {
    let pid = std::fs::read_to_string(pid).unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim()));
    let status = status.unwrap_or_default();
    let pending = status.lines().filter_map(|line| {
        let mask = line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    pending.fold(0, |all, mask| all | mask) >> (libc::SIGKILL - 1) & 1 == 1
}

#[test]
fn one_that_is_killed_for_its_output_has_until_its_deadline_to_end() {
    let test = "one_that_is_killed_for_its_output_has_until_its_deadline_to_end";
    let Some(disk) = dead_disk(test) else { return };
    let bench = writer_of_too_much("large", &disk);
    let answer = bench.start(Event::Prepare, "slow");
    until("the kill", || is_killed(&bench.path("isolator_prepare.pid")));
    // As long as a kernel lets a writer wait that filled its memory, and longer than one that hangs
    // is waited for after its deadline.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(answer.try_recv(), Err(mpsc::TryRecvError::Empty));
    disk.release();
    let answer = in_time(&answer);
    let text = failure(&answer);
    assert!(text.contains("max_output_bytes accepts 1048576"), "{text}");
    assert!(!text.contains("hangs in the kernel"), "{text}");

    let Some(disk) = dead_disk(test) else { return };
    let bench = writer_of_too_much("large-for-ever", &disk);
    let answer = in_time(&bench.start(Event::Prepare, "stuck"));
    let text = failure(&answer);
    assert!(text.contains("max_output_bytes accepts 1048576"), "{text}");
    assert!(text.contains("hangs in the kernel"), "{text}");
    disk.release();
    until("its end", || quarantined(&bench) == 0);
}

#[test]
fn a_full_quarantine_answers_at_once_and_recovers() {
    let test = "a_full_quarantine_answers_at_once_and_recovers";
    let Some(disk) = dead_disk(test) else { return };
    let bench = Instance::new(
        "full",
        &[
            ("isolator_prepare", &script(&disk, "")),
            ("isolator_cleanup", ""),
            ("isolator_usage", "printf '{\"mem_rss_bytes\":5}' >\"$2\""),
        ],
        &[("lifecycle_parallel", "64"), ("isolator_prepare_timeout", "3"), ("kill_grace", "0")],
    );
    bench.call(Event::Prepare, "before");
    let hang = hang(&bench, "isolator_prepare");
    let stuck: Vec<_> =
        (0..FULL).map(|c| bench.start(Event::Prepare, &format!("stuck{c}"))).collect();
    for answer in &stuck {
        let answer = answer.recv_timeout(PATIENCE).unwrap();
        assert!(failure(&answer).contains("hangs in the kernel"), "{answer:?}");
    }
    assert_eq!(quarantined(&bench), FULL as u64);
    let runs = bench.runs("isolator_prepare");
    std::fs::remove_file(hang).unwrap();

    let refused = in_time(&bench.start(Event::Prepare, "refused"));
    let text = failure(&refused);
    assert!(text.contains("64 commands") && text.contains("the longest for"), "{text}");
    assert_eq!(bench.runs("isolator_prepare"), runs, "no process was started");
    assert_eq!(in_time(&bench.start(Event::Usage, "before")), Answer::Nothing);
    assert_eq!(in_time(&bench.start(Event::Cleanup, "before")), Answer::Nothing);
    assert_eq!((bench.runs("isolator_usage"), bench.runs("isolator_cleanup")), (0, 0));
    assert!(bench.path("state/full/before").exists(), "for the recover command of the next start");
    for event in ["isolator_prepare", "isolator_usage", "isolator_cleanup"] {
        let part = format!("event=\"{event}\",reason=\"quarantine_full\"");
        assert_eq!(bench.metric("mesos_command_failures_total", &part), 1, "{event}");
    }

    disk.release();
    until("their end", || quarantined(&bench) == 0);
    assert_eq!(bench.call(Event::Prepare, "after"), Answer::Nothing);
    assert_eq!(bench.usage("after"), r#"{"mem_rss_bytes":5}"#);
    assert_eq!(bench.call(Event::Cleanup, "after"), Answer::Nothing);
    assert!(!bench.path("state/full/after").exists());
    until("nothing that runs", || bench.metric("mesos_command_running", "") == 0);
}

#[test]
fn what_samples_hangs_once_per_container_and_stops_no_launch() {
    let test = "what_samples_hangs_once_per_container_and_stops_no_launch";
    let Some(disk) = dead_disk(test) else { return };
    let bench = Instance::new(
        "samples",
        &[
            ("isolator_usage", &script(&disk, "printf '{\"mem_rss_bytes\":5}' >\"$2\"")),
            ("isolator_prepare", ""),
        ],
        &[
            ("isolator_usage_timeout", "1"),
            ("kill_grace", "0"),
            ("isolator_usage_cache_ttl", "10ms"),
            ("isolator_usage_stale_ttl", "600"),
            ("max_parallel", "16"),
        ],
    );
    let name = |c: usize| format!("c{c}");
    for c in 0..FULL + 10 {
        bench.call(Event::Prepare, &name(c));
    }
    until("a value", || bench.usage("c0") == r#"{"mem_rss_bytes":5}"#);
    let hang = hang(&bench, "isolator_usage");
    until("the first one that hangs", || {
        assert_eq!(bench.usage("c0"), r#"{"mem_rss_bytes":5}"#, "the last good value");
        quarantined(&bench) == 1
    });
    let runs = bench.runs("isolator_usage");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        assert_eq!(bench.usage("c0"), r#"{"mem_rss_bytes":5}"#);
    }
    assert_eq!(bench.runs("isolator_usage"), runs, "it is not started over and over again");

    // Sixteen at a time hang; those that wait meanwhile time out and are asked for again.
    until("its share of the quarantine to be full", || {
        let all: Vec<_> = (0..FULL + 10).map(|c| bench.start(Event::Usage, &name(c))).collect();
        all.iter().for_each(|answer| drop(answer.recv_timeout(PATIENCE).unwrap()));
        quarantined(&bench) as usize >= FULL_OF_SAMPLES
    });
    let members = quarantined(&bench) as usize;
    // Those that ran already when it became full enter as well: one for each permit.
    assert!((FULL_OF_SAMPLES..FULL_OF_SAMPLES + 16).contains(&members), "{members}");
    assert_eq!(in_time(&bench.start(Event::Prepare, "launch")), Answer::Nothing);
    std::fs::remove_file(hang).unwrap();
    disk.release();
    until("their end", || quarantined(&bench) == 0);
    until("a value of another", || !bench.usage(&name(FULL)).is_empty());
}

#[test]
fn a_worker_that_hangs_in_the_kernel_is_counted_and_not_started_over_and_over_again() {
    let test = "a_worker_that_hangs_in_the_kernel_is_counted_and_not_started_over_and_over_again";
    let Some(disk) = dead_disk(test) else { return };
    let script = format!(
        "[ -n \"$MESOS_COMMAND_WORKER\" ] || exit 0\n\
         read -r hello; echo '{{\"ready\":1}}'; read -r line; exec cat '{}'",
        disk.file().display()
    );
    let bench = Instance::new(
        "worker-hangs",
        &[("isolator_isolate", &script)],
        &[("isolator_isolate_mode", "worker"), ("isolator_isolate_timeout", "1")],
    );
    until("the worker", || bench.metric("mesos_command_worker_up", "") == 1);
    let answer = bench.call(Event::Isolate, "c");
    assert!(failure(&answer).contains("hangs in the kernel"), "{answer:?}");
    until("the quarantine", || quarantined(&bench) == 1);
    for _ in 0..5 {
        // It would take the next worker as well: its stand-ins answer.
        assert_eq!(bench.call(Event::Isolate, "c"), Answer::Nothing);
    }
    assert_eq!(bench.metric("mesos_command_calls_total", "outcome=\"ok\""), 5);
    assert_eq!(quarantined(&bench), 1);
    disk.release();
    until("its end", || quarantined(&bench) == 0);
    until("another worker", || bench.metric("mesos_command_worker_up", "") == 1);
}
