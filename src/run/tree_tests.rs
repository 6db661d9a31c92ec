//! Strays, found and ended.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use test_support::{until, wait_for};

use super::*;
use crate::sys::{Plan, Source, StringTable, WITHOUT_LISTS, spawn};

/// Starts a shell with this text.
fn shell(text: &str) -> Child {
    let table = |entries: &[&str]| {
        let mut table = StringTable::default();
        entries.iter().for_each(|entry| table.push(&[entry.as_bytes()]).unwrap());
        table
    };
    let null = || Source::Open(CString::from(c"/dev/null"), libc::O_RDWR);
    let plan = Plan {
        candidates: table(&["/bin/sh"]),
        arguments: table(&["sh", "-c", text]),
        environment: table(&["PATH=/usr/bin:/bin"]),
        stdio: [null(), null(), Source::Stdout],
        ..Plan::default()
    };
    let (spawned, start) = spawn(plan).map_err(|refusal| refusal.failure).unwrap();
    // What the child reads is left to it for good when its start is dropped before it is over.
    test_support::until("an executed shell", || start.is_over());
    Child::new(spawned)
}

/// A shell with `count` children in sessions of their own that ignore TERM, and their numbers.
fn with_strays(directory: &Path, count: usize) -> (Child, Vec<Pid>) {
    let text = format!(
        "i=0; while [ $i -lt {count} ]; do \
         setsid sh -c 'trap \"\" TERM; echo >{0}/$$; exec sleep 600' & i=$((i+1)); done; wait",
        directory.display()
    );
    let child = shell(&text);
    let numbers = wait_for("the strays", || {
        let names = fs::read_dir(directory).unwrap().flatten();
        let found: Vec<Pid> =
            names.map(|e| Pid::parse(e.file_name().to_str().unwrap()).unwrap()).collect();
        (found.len() == count).then_some(found)
    });
    (child, numbers)
}

fn is_alive(pid: Pid) -> bool {
    process_stat(pid).is_some_and(|stat| stat.state != b'Z')
}

fn pidfds() -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|to| to.to_string_lossy().contains("pidfd")).count()
}

fn end(mut child: Child, mut tree: Tree, strays: &[Pid]) {
    tree.kill(&child);
    until("the leader's end", || child.try_status().is_some());
    tree.kill_rest(&child);
    child.reap();
    until("the strays' end", || !strays.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn many_strays_have_few_descriptors_and_all_end() {
    let directory = tempfile::tempdir().unwrap();
    let (child, strays) = with_strays(directory.path(), 100);
    // Other tests of this process start children meanwhile, so the own count is asked too.
    let mut tree = Tree::default();
    tree.terminate(&child);
    test_support::until("all looks", || {
        tree.search_on(&child);
        !tree.is_unfinished()
    });
    assert_eq!(tree.strays.len(), strays.len());
    let counted = tree.strays.iter().filter(|stray| stray.pidfd.is_some()).count();
    assert!((1..=MOST_PIDFDS).contains(&counted), "{counted}");
    assert!(pidfds() < MOST_PIDFDS + 20, "{}", pidfds());
    assert!(strays.iter().all(|pid| is_alive(*pid)), "they ignore TERM");
    end(child, tree, &strays);
}

#[test]
fn a_look_ends_in_time_and_is_continued() {
    let directory = tempfile::tempdir().unwrap();
    let (child, strays) = with_strays(directory.path(), 30);
    let mut tree = Tree::default();
    let mut looks = 0;
    // As if each step took all the time that there is.
    loop {
        tree.collect(child.pid(), true, Instant::now());
        looks += 1;
        if tree.walked {
            break;
        }
        assert!(looks < 10_000, "it does not get on");
    }
    assert!(looks > strays.len(), "{looks} looks, though none had time for more than a process");
    assert_eq!(tree.strays.len(), strays.len());
    end(child, tree, &strays);
}

#[test]
fn strays_are_found_without_the_lists_of_children() {
    let directory = tempfile::tempdir().unwrap();
    WITHOUT_LISTS.set(true);
    let (child, strays) = with_strays(directory.path(), 3);
    let mut tree = Tree::default();
    let far = Instant::now() + Duration::from_secs(60);
    tree.collect(child.pid(), true, far);
    let found: HashSet<Pid> = tree.strays.iter().map(|stray| stray.pid).collect();
    assert_eq!(found, strays.iter().copied().collect());
    end(child, tree, &strays);
}

/// A shell runs this text in a directory of its own. When there is a file `there`, it is asked to
/// end, and something answers by a program in a session of its own. In the end all of it is gone.
fn answers_with_a_session(text: &str, is_deaf: bool) {
    let directory = tempfile::tempdir().unwrap();
    let working = || {
        let here = |pid: &Pid| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|it| it == directory.path())
        };
        sys::processes().into_iter().filter(here).filter(|pid| is_alive(*pid)).count()
    };
    let mut child = shell(&format!("cd {}; {text}", directory.path().display()));
    until("its beginning", || directory.path().join("there").exists());
    let mut tree = Tree::default();
    tree.terminate(&child);
    until("its answer", || directory.path().join("answered").exists());
    assert!(working() > 0, "{text} left nothing");
    if is_deaf {
        tree.kill(&child);
    }
    until("the leader's end", || child.try_status().is_some());
    tree.reap_and_kill_rest(&mut child);
    until(&format!("the end of all of {text}"), || working() == 0);
}

#[test]
fn what_answers_term_by_a_session_of_its_own_ends_too() {
    let session = "setsid sh -c \": >answered; exec sleep 60\"";
    let starts = format!("trap '{session} &' TERM; : >there; while :; do sleep 0.1; done");
    let becomes = format!("trap 'exec {session}' TERM; : >there; while :; do sleep 0.1; done");
    for answer in [starts, becomes] {
        answers_with_a_session(&format!("({answer}) & exec sleep 60"), false);
        answers_with_a_session(&format!("trap '' TERM; ({answer}) & wait"), true);
    }
}

#[test]
fn groups_of_strays_are_killed_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let child = shell(&format!(
        "cd {}; setsid sh -c 'echo $$ >led; sleep 600 & echo $! >a; sleep 600 & echo $! >b; : >all; \
         wait' & wait",
        directory.path().display()
    ));
    let at = |name: &str| directory.path().join(name);
    until("all of them", || at("all").exists());
    let number = |name: &str| Pid::parse(fs::read_to_string(at(name)).unwrap().trim()).unwrap();
    let [led, known, unknown] = ["led", "a", "b"].map(number);
    let mut tree = Tree::default();
    tree.collect(child.pid(), true, Instant::now() + Duration::from_secs(60));
    assert_eq!(tree.strays.len(), 3);
    // As if it had been started after the search, by one that has ended since.
    tree.strays.retain(|stray| stray.pid != unknown);
    sys::kill(led, libc::SIGKILL).unwrap();
    until("the end of the one between", || !is_alive(led));
    end(child, tree, &[known, unknown]);
}
