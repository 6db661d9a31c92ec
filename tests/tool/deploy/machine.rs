//! A machine to deploy to: this one's files under an overlay, and a real sshd in it that listens on
//! the loopback. What happens there is seen through `/proc/PID/root`, and is gone with it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use test_support::{skip, until};

const SSHD: &str = "/usr/sbin/sshd";
const TOOL: &str = env!("CARGO_BIN_EXE_mesos-command");

/// The mounts of `machine.sh`, gone with the shell that makes them.
const TRY_OVERLAY: &str = "mount -t tmpfs try /mnt; cd /mnt; mkdir upper work root; \
                           mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root";
/// Its first process.
const BOOT: &str = include_str!("machine.sh");

/// The tool with an `inspect` of the test's: there is no libmesos to look at here, and
/// `tests/mesos/deploy.py` has a real one.
const STAND_IN: &str = r#"#!/bin/sh
echo "$*" >>/tmp/asked
case " $* " in
*" inspect "*)
    status=$(cat /tmp/inspect 2>/dev/null || echo 0)
    printf '{\n  "problems": ["word of the test"]\n}\n'
    exit "$status"
    ;;
esac
exec /usr/lib/whole-tool "$@"
"#;

pub(super) struct Machine {
    place: tempfile::TempDir,
    unshare: Child,
    /// The process of sshd.
    pid: u32,
}

impl Machine {
    /// A clusterd host on which `setup` ran before; `None` where there can be none, which was said.
    #[track_caller]
    pub(super) fn new(test: &str, setup: &str) -> Option<Machine> {
        if !nix::unistd::geteuid().is_root() {
            skip(test, "only root can make a machine of its own");
            return None;
        }
        if !Path::new(SSHD).exists() {
            test_support::skip_offline(test, "there is no sshd (Debian's openssh-server)");
            return None;
        }
        if let Some(why) = no_overlay() {
            skip(test, &format!("no overlay can be mounted here: {why}"));
            return None;
        }
        let place = tempfile::Builder::new().prefix("deploy").tempdir_in("/tmp").expect("a place");
        keys(place.path());
        compile(place.path(), "old");
        compile(place.path(), "new");
        program(&place.path().join("tool"), STAND_IN);
        std::fs::create_dir(place.path().join("machine")).expect("a directory");
        // Between the end of this listener and the start of sshd another may take the port: then
        // sshd ends, and another port is tried.
        for _ in 0..5 {
            let port =
                TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
            if let Some((unshare, pid)) = boot(place.path(), port, setup) {
                let machine = Machine { place, unshare, pid };
                machine.write_config(port);
                return Some(machine);
            }
        }
        panic!("sshd does not start");
    }

    /// A path of this machine.
    pub(super) fn here(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A path of that machine, seen from here.
    pub(super) fn there(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.there(path)).unwrap_or_default()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.there(path), text).expect("a file there");
    }

    /// A program there, before all others of its name.
    pub(super) fn program(&self, name: &str, text: &str) {
        program(&self.there(&format!("/usr/local/bin/{name}")), text);
    }

    /// Names in a directory there.
    pub(super) fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.there(path)).expect("a directory there");
        let mut names: Vec<String> =
            entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A configuration whose library is `path`.
    pub(super) fn configure(&self, path: &str) {
        let modules = serde_json::json!({"libraries": [{"file": path, "modules": [{
            "name": "com_criteo_mesos_CommandHook",
            "parameters": [
                {"key": "module_name", "value": "m"},
                {"key": "hook_slave_remove_executor_hook_command", "value": "/bin/true"},
            ],
        }]}]});
        self.write("/etc/modules.json", &modules.to_string());
        self.write("/etc/mesos-agent/modules", "file:///etc/modules.json\n");
        self.write("/etc/mesos-agent/hooks", "com_criteo_mesos_CommandHook\n");
    }

    /// `mesos-command deploy` with this machine's client and stand-in.
    pub(super) fn command(&self, module: &str, more: &[&str]) -> Command {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,QUIT,TERM", TOOL, "deploy"]);
        command.arg("--ssh").arg(format!("ssh -F {}", self.here("ssh_config").display()));
        if !more.contains(&"--rollback") {
            command.arg("--module").arg(self.here(module)).arg("--tool").arg(self.here("tool"));
        }
        command.args(more).env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    pub(super) fn deploy(&self, module: &str, more: &[&str]) -> Output {
        self.command(module, more).output().expect("it runs")
    }

    /// The objects of `--json`, and the exit status.
    pub(super) fn json(&self, module: &str, more: &[&str]) -> (Vec<Value>, Option<i32>) {
        let done = self.deploy(module, &[more, &["--json"]].concat());
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let all = text.lines().map(|line| serde_json::from_str(line).expect("an object"));
        (all.collect(), done.status.code())
    }

    fn write_config(&self, port: u16) {
        let place = self.place.path().display();
        let config = format!(
            "Host nowhere\n  Port 1\nHost stranger\n  IdentityFile {place}/stranger\n\
             Host * !stranger\n  IdentityFile {place}/key\nHost unknown\n  UserKnownHostsFile /dev/null\n\
             Host plain\n  User plain\n\
             Host *\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  \
             IdentitiesOnly yes\n  UserKnownHostsFile {place}/known\n  StrictHostKeyChecking yes\n  BatchMode yes\n"
        );
        std::fs::write(self.here("ssh_config"), config).expect("a file");
        let key = std::fs::read_to_string(self.here("host_key.pub")).expect("the host's key");
        std::fs::write(self.here("known"), format!("[127.0.0.1]:{port} {key}")).expect("a file");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The first process of its namespace takes all others with it.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

/// Why no overlay of this machine's files can be mounted, as in a container that forbids it.
fn no_overlay() -> Option<String> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", TRY_OVERLAY]);
    let done = command.stdin(Stdio::null()).output().expect("util-linux's unshare");
    (!done.status.success()).then(|| String::from_utf8_lossy(&done.stderr).trim().to_owned())
}

/// Starts it; `None` when it ends at once.
fn boot(place: &Path, port: u16, setup: &str) -> Option<(Child, u32)> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]);
    command.args(["sh", "-ec", BOOT]).env("P", place).env("PORT", port.to_string());
    // Wherever it is here: another file system is not seen there.
    let setup = format!("cp '{TOOL}' \"$R/usr/lib/whole-tool\"\n{setup}");
    command.env("SETUP", setup).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("util-linux's unshare");
    let mut said = String::new();
    let mut lines =
        BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    for line in lines.by_ref() {
        if line.contains("Server listening") {
            let path = format!("/proc/{0}/task/{0}/children", child.id());
            let first = || std::fs::read_to_string(&path).unwrap_or_default();
            until("the first process", || !first().is_empty());
            let pid = first().trim().parse().expect("a number");
            // sshd goes on saying things, which somebody has to read.
            std::thread::spawn(move || lines.for_each(drop));
            return Some((child, pid));
        }
        said += &format!("{line}\n");
    }
    let _ = child.wait();
    assert!(said.contains("Address already in use"), "{said}");
    None
}

fn keys(place: &Path) {
    for name in ["host_key", "key", "stranger"] {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(place.join(name));
        assert!(command.status().expect("ssh-keygen").success());
    }
    std::fs::copy(place.join("key.pub"), place.join("authorized")).expect("a file");
}

/// A library that says of itself what the module library does, without doing any of it.
fn compile(place: &Path, name: &str) {
    let source = format!(
        "extern int needs_mesos(void); int com_criteo_mesos_CommandHook = 1; \
         const char* version = \"{name}\"; int call(void) {{ return needs_mesos(); }}"
    );
    let path = place.join(format!("{name}.c"));
    std::fs::write(&path, source).expect("a file");
    let mut compiler = Command::new("g++");
    compiler.args(["-x", "c", "-shared", "-fPIC", "-o"]).arg(place.join(name)).arg(path);
    assert!(compiler.status().expect("g++").success());
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("its mode");
}
