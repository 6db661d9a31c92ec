//! `mesos-command deploy` against a real sshd: what is put where, what is refused and leaves
//! everything as it was, and what each fault is called.

mod faults;
mod machine;

use std::os::unix::fs::MetadataExt;

use machine::Machine;

use crate::support::stderr;

const DIRECTORY: &str = "/usr/lib/mesos/modules";
const LIBRARY: &str = "/usr/lib/mesos/modules/libmesos_command_modules.so";
const NAME: &str = "libmesos_command_modules.so";

fn bytes(path: impl AsRef<std::path::Path>) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

fn stdout(done: &std::process::Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What is in the directory of modules beside the library.
fn kept(machine: &Machine) -> Vec<String> {
    machine.list(DIRECTORY).into_iter().filter(|name| name != NAME).collect()
}

#[test]
fn a_library_comes_and_goes_back() {
    let Some(machine) = Machine::new("a_library_comes_and_goes_back", "") else { return };
    machine.configure(LIBRARY);
    let done = machine.deploy("old", &["root@web1"]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(0), "{text}{}", stderr(&done));
    assert_eq!(bytes(machine.there(LIBRARY)), bytes(machine.here("old")));
    assert_eq!(machine.list(DIRECTORY), [NAME], "nothing of the way is left");
    assert_eq!(
        bytes(machine.there("/usr/local/bin/mesos-command")),
        bytes(machine.here("tool")),
        "the tool stays"
    );
    assert!(text.contains("check       /etc/mesos-agent has no errors"), "{text}");
    assert!(text.contains("root@web1 systemctl restart mesos-agent"), "{text}");
    assert!(!text.contains("way back"), "there is nothing to go back to: {text}");
    let asked = machine.read("/tmp/asked");
    assert!(
        asked.contains("inspect /usr/lib/libmesos.so --module /usr/lib/mesos/modules/.mesos"),
        "{asked}"
    );

    // A process that has it mapped keeps its file: the name is given to another.
    let before = std::fs::metadata(machine.there(LIBRARY)).expect("it is there").ino();
    let (all, status) = machine.json("new", &["root@web1"]);
    assert_eq!((status, all[0]["outcome"].as_str()), (Some(0), Some("deployed")), "{all:?}");
    assert_eq!(bytes(machine.there(LIBRARY)), bytes(machine.here("new")));
    let old = kept(&machine);
    let [old] = old.as_slice() else { panic!("{old:?}") };
    let old = machine.there(&format!("{DIRECTORY}/{old}"));
    assert_eq!(std::fs::metadata(&old).expect("it is kept").ino(), before);
    let steps = all[0]["steps"].as_array().expect("a list");
    let back = steps.iter().find(|step| step["step"] == "way back").expect("a way back");
    assert!(back["text"].as_str().is_some_and(|it| it.ends_with("root@web1")), "{back}");
    assert_eq!(all[0]["check"]["errors"], 0);

    let (all, _) = machine.json("new", &["root@web1"]);
    assert_eq!(all[0]["outcome"], "unchanged", "the same again");
    assert_eq!(kept(&machine).len(), 1, "and not kept twice");

    let done = machine.deploy("new", &["--rollback", "root@web1"]);
    assert_eq!(done.status.code(), Some(0), "{}", stdout(&done));
    assert_eq!(bytes(machine.there(LIBRARY)), bytes(machine.here("old")));
    assert_eq!(machine.list(DIRECTORY), [NAME]);
    let (all, status) = machine.json("new", &["--rollback", "root@web1"]);
    assert_eq!((status, all[0]["failure"]["kind"].as_str()), (Some(1), Some("nothing-kept")));
}

#[test]
fn what_inspect_or_check_speaks_against_is_never_put_in_place() {
    let Some(machine) = Machine::new("what_inspect_or_check", "") else { return };
    machine.configure(LIBRARY);
    assert_eq!(machine.deploy("old", &["web1"]).status.code(), Some(0));
    let unchanged = |what: &str| {
        assert_eq!(bytes(machine.there(LIBRARY)), bytes(machine.here("old")), "{what}");
        assert_eq!(machine.list(DIRECTORY), [NAME], "{what}");
    };
    for status in ["1", "2", "3"] {
        machine.write("/tmp/inspect", status);
        let (all, code) = machine.json("new", &["web1"]);
        let failure = &all[0]["failure"];
        assert_eq!((code, failure["kind"].as_str()), (Some(1), Some("does-not-fit")), "{all:?}");
        assert!(
            failure["text"].as_str().is_some_and(|it| it.contains("word of the test")),
            "{failure}"
        );
        unchanged(status);
    }
    machine.write("/tmp/inspect", "0");
    machine.write("/etc/mesos-agent/hooks", "com_criteo_mesos_CommandHock\n");
    let done = machine.deploy("new", &["web1"]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(
        text.contains("check-failed") && text.contains("com_criteo_mesos_CommandHock"),
        "{text}"
    );
    unchanged("an error in the configuration");
    let done = machine.deploy("new", &["--no-check", "web1"]);
    assert_eq!(done.status.code(), Some(0), "{}", stdout(&done));
}

#[test]
fn a_library_that_the_modules_file_does_not_name_is_told() {
    let Some(machine) = Machine::new("a_library_that_the_modules_file", "") else { return };
    machine.configure("/usr/lib/mesos/modules/first.so");
    std::fs::copy(machine.here("old"), machine.there("/usr/lib/mesos/modules/first.so"))
        .expect("a copy");
    let done = machine.deploy("new", &["--without-tool", "web1"]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(0), "{text}");
    assert!(text.contains("MC029") && text.contains("goes on loading"), "{text}");
    assert!(!machine.there("/usr/local/bin/mesos-command").exists());
    let done = machine.deploy("new", &["--as", "first.so", "web1"]);
    let text = stdout(&done);
    assert!(done.status.success() && !text.contains("MC029"), "{text}");
    assert!(text.contains("--as first.so web1"), "the way back names it: {text}");
    assert_eq!(bytes(machine.there("/usr/lib/mesos/modules/first.so")), bytes(machine.here("new")));
}

#[test]
fn a_dry_run_shows_each_step_and_changes_nothing() {
    let Some(machine) = Machine::new("a_dry_run_shows_each_step", "") else { return };
    machine.configure(LIBRARY);
    assert!(machine.deploy("old", &["web1"]).status.success());
    let (before, asked) = (machine.list(DIRECTORY), machine.read("/tmp/asked"));
    let done = machine.deploy("new", &["--dry-run", "--restart", "web1"]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(0), "{text}");
    for part in [
        "copy",
        "inspect /usr/lib/libmesos.so",
        "check --from /etc/mesos-agent",
        "keep",
        "rename the new",
        "restart mesos-agent",
    ] {
        assert!(text.contains(part), "'{part}' is missing: {text}");
    }
    assert_eq!((machine.list(DIRECTORY), machine.read("/tmp/asked")), (before, asked));
    assert_eq!(bytes(machine.there(LIBRARY)), bytes(machine.here("old")));
}

#[test]
fn the_oldest_that_are_kept_go() {
    let Some(machine) = Machine::new("the_oldest_that_are_kept_go", "") else { return };
    machine.configure(LIBRARY);
    let other = format!("{LIBRARY}.backup-of-somebody");
    machine.write(&other, "x");
    for module in ["old", "new", "old", "new", "old"] {
        let done = machine.deploy(module, &["--keep", "2", "web1"]);
        assert_eq!(done.status.code(), Some(0), "{}", stdout(&done));
    }
    let all = kept(&machine);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(machine.there(&other).exists(), "what nobody here has kept is left");
    // The youngest two, of which the last was the new one.
    assert!(machine.deploy("new", &["--rollback", "web1"]).status.success());
    assert_eq!(bytes(machine.there(LIBRARY)), bytes(machine.here("new")));
}

#[test]
fn hosts_are_served_one_after_the_other_until_one_fails() {
    let Some(machine) = Machine::new("hosts_are_served", "") else { return };
    machine.configure(LIBRARY);
    let (all, status) = machine.json("old", &["web1", "nowhere", "web2"]);
    let outcome = |index: usize| all[index]["outcome"].as_str();
    assert_eq!([outcome(0), outcome(1), outcome(2)], ["deployed", "failed", "not-tried"].map(Some));
    assert_eq!((all.len(), status), (3, Some(3)));
    let text = stdout(&machine.deploy("old", &["nowhere", "web2"]));
    assert!(text.contains("web2\n  not tried, because the host before it failed"), "{text}");
}

/// A systemctl that notes what it is told, and whose service is as `/tmp/state` says.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>/tmp/systemctl
case $1 in
restart) echo restarted >/tmp/restarted ;;
is-active) cat /tmp/state ;;
show) echo MainPID=42 ;;
esac
"#;

#[test]
fn a_service_is_restarted_only_when_that_is_asked_for() {
    let Some(machine) = Machine::new("a_service_is_restarted", "") else { return };
    machine.configure(LIBRARY);
    machine.program("systemctl", SYSTEMCTL);
    machine.write("/tmp/state", "active\n");
    assert!(machine.deploy("old", &["web1"]).status.success());
    assert_eq!(machine.read("/tmp/systemctl"), "");
    let done = machine.deploy("new", &["--restart", "web1"]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(0), "{text}");
    assert!(text.contains("restarted   mesos-agent, process 42"), "{text}");
    assert!(machine.read("/tmp/systemctl").starts_with("restart mesos-agent.service\n"));
    assert!(!text.contains("systemctl restart"), "it was done: {text}");
    let done = machine.deploy("new", &["--rollback", "--restart", "--service", "other", "web1"]);
    assert!(done.status.success(), "{}", stdout(&done));
    assert!(machine.read("/tmp/systemctl").contains("restart other.service\n"));
}

#[test]
fn an_agent_that_runs_says_which_libmesos_it_has() {
    let setup = "mkdir -p \"$R/opt/own\" && cp \"$P/old\" \"$R/opt/own/libmesos-1.11.0.so\"";
    let Some(machine) = Machine::new("an_agent_that_runs", setup) else { return };
    machine.configure(LIBRARY);
    // A process of this name that has such a library mapped; python3 does it in one line.
    let agent = "import ctypes, time, os\n\
                 ctypes.CDLL(None).prctl(15, b'mesos-agent', 0, 0, 0)\n\
                 f = open('/opt/own/libmesos-1.11.0.so', 'rb')\n\
                 import mmap; m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\n\
                 open('/tmp/up', 'w').close(); time.sleep(600)\n";
    machine.write("/tmp/agent.py", agent);
    let start = "cd / && (python3 /tmp/agent.py >/dev/null 2>&1 </dev/null &) && while [ ! -e /tmp/up ]; do sleep 0.01; done";
    let mut ssh = std::process::Command::new("ssh");
    ssh.arg("-F").arg(machine.here("ssh_config")).args(["web1", start]);
    assert!(ssh.status().expect("ssh").success());
    let done = machine.deploy("new", &["web1"]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(0), "{text}");
    assert!(text.contains("fits /opt/own/libmesos-1.11.0.so"), "{text}");
}
