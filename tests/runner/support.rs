//! Building requests, and the oracle that nothing is left behind.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::event::Event;
use mesos_command::reactor::CancelToken;
use mesos_command::run::{CommandSpec, Request, RunReport, Runner};
use mesos_command::staging::{Input, IoMode};
use mesos_command::sys::Identity;
pub(crate) use test_support::{PATIENCE, until as eventually};

/// What may be said about a run, with the defaults of most tests.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) spec: CommandSpec,
    pub(crate) input: Vec<u8>,
}

/// The probe with these steps.
pub(crate) fn probe(steps: &str) -> Case {
    command(env!("CARGO_BIN_EXE_mcmd-probe")).env("PROBE", steps)
}

/// A copy of a program in a directory of its own, where every user may execute it.
pub(crate) fn for_everybody(program: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join(Path::new(program).file_name().unwrap());
    std::fs::copy(program, &copy).unwrap();
    for path in [directory.path(), &copy] {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, everybody).unwrap();
    }
    (directory, copy)
}

/// Some other program.
pub(crate) fn command(path: impl AsRef<Path>) -> Case {
    let environment: Vec<OsString> = vec!["PATH=/usr/bin:/bin".into(), "LC_ALL=C".into()];
    Case {
        spec: CommandSpec {
            event: Event::Prepare,
            module: module().into(),
            command: CommandLine::Path(path.as_ref().into()),
            environment: environment.into(),
            timeout: Some(Duration::from_secs(20)),
            kill_grace: Duration::from_millis(200),
            max_output_bytes: 1 << 20,
            io: IoMode::Files,
            stdio: Stdio::Capture,
            background: Background::Keep,
            identity: Identity::default(),
            temp_dir: None,
            cgroups: None,
        },
        input: b"{\"in\":1}".to_vec(),
    }
}

/// The module's name: of this process alone, because what a run left behind is known by it among
/// all processes of the machine.
pub(crate) fn module() -> String {
    format!("test-{}", std::process::id())
}

impl Case {
    pub(crate) fn env(mut self, key: &str, value: &str) -> Case {
        let mut entries: Vec<OsString> = self.spec.environment.to_vec();
        entries.push(format!("{key}={value}").into());
        self.spec.environment = entries.into();
        self
    }

    pub(crate) fn timeout(mut self, milliseconds: u64) -> Case {
        self.spec.timeout = Some(Duration::from_millis(milliseconds));
        self
    }

    pub(crate) fn grace(mut self, milliseconds: u64) -> Case {
        self.spec.kill_grace = Duration::from_millis(milliseconds);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut CommandSpec)) -> Case {
        change(&mut self.spec);
        self
    }

    pub(crate) fn kill_background(self) -> Case {
        self.with(|spec| spec.background = Background::Kill)
    }

    pub(crate) fn request(&self) -> Request {
        Request::new(Arc::new(self.spec.clone()), Input::Text(self.input.as_slice().into()))
    }

    /// Has the reactor and the timers run it.
    pub(crate) fn run(&self) -> RunReport {
        self.submit(None)
    }

    pub(crate) fn run_with(&self, cancel: CancelToken) -> RunReport {
        self.submit(Some(cancel))
    }

    fn submit(&self, cancel: Option<CancelToken>) -> RunReport {
        let (sender, receiver) = std::sync::mpsc::channel();
        runner().submit(self.request(), None, cancel, move |report| {
            let _ = sender.send(report);
        });
        receiver.recv_timeout(PATIENCE).expect("a report")
    }

    /// Runs it on the calling thread, as far as that is possible.
    pub(crate) fn run_here(&self) -> RunReport {
        self.run_here_with(CancelToken::new())
    }

    pub(crate) fn run_here_with(&self, cancel: CancelToken) -> RunReport {
        runner().run_blocking(self.request(), None, Some(cancel))
    }
}

pub(crate) fn runner() -> Arc<Runner> {
    Runner::global().expect("the runner starts")
}

/// Tests of this binary look at the whole process, so one runs at a time.
pub(crate) fn serial() -> Oracle {
    serial_after(|| ())
}

/// As [`serial`], with a preparation that may leave something behind.
pub(crate) fn serial_after(prepare: impl FnOnce()) -> Oracle {
    static LOCK: Mutex<()> = Mutex::new(());
    let guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    // Orphans come to us and so cannot hide.
    nix::sys::prctl::set_child_subreaper(true).expect("Linux 3.4");
    let warm = probe("output:{}").run();
    assert_eq!(warm.output, b"{}", "{warm:?}");
    prepare();
    reap_orphans();
    settle();
    Oracle { before: Snapshot::take(), _guard: guard }
}

/// Waits until no run goes on: the answer of a run comes before its files are gone.
pub(crate) fn settle() {
    eventually("no run goes on", || {
        call_directories().is_empty()
            // A thread gets its name when it first runs.
            && threads().len() >= 3
            // On kernels without pidfds one waits for each command.
            && !threads().iter().any(|name| name == "mcmd-wait\n")
            && !descriptors().iter().any(|fd| fd.contains("memfd:") || fd.contains("pidfd"))
    });
}

/// Demands at its end that the process is as it was.
pub(crate) struct Oracle {
    before: Snapshot,
    _guard: MutexGuard<'static, ()>,
}

#[derive(Debug)]
struct Snapshot {
    children: BTreeSet<i32>,
    descriptors: BTreeSet<String>,
    threads: Vec<String>,
    directories: Vec<PathBuf>,
    sigchld: String,
}

impl Snapshot {
    fn take() -> Snapshot {
        Snapshot {
            children: children(),
            descriptors: descriptors(),
            threads: threads(),
            directories: call_directories(),
            sigchld: sigchld(),
        }
    }

    /// Whether it is the same, but that threads which do some work now and then may have ended.
    fn is_as(&self, before: &Snapshot) -> bool {
        let mut threads = before.threads.iter();
        self.threads.iter().all(|name| threads.any(|before| before == name))
            && (&self.children, &self.descriptors) == (&before.children, &before.descriptors)
            && (&self.directories, &self.sigchld) == (&before.directories, &before.sigchld)
    }
}

impl Oracle {
    /// Checks now instead of at the end.
    pub(crate) fn check(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            reap_orphans();
            let now = Snapshot::take();
            if now.is_as(&self.before) {
                return;
            }
            if Instant::now() > deadline {
                panic!("left behind:\nbefore {:#?}\nafter {now:#?}", self.before);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// Collects dead orphans, but leaves leaders to the runner: those are not ours to wait for while a
/// run goes on, so it is called only in between.
fn reap_orphans() {
    for pid in children() {
        let pid = nix::unistd::Pid::from_raw(pid);
        let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
    }
}

pub(crate) fn children() -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for task in std::fs::read_dir("/proc/self/task").expect("/proc").flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

pub(crate) fn descriptors() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("/proc");
    entries
        .flatten()
        .filter_map(|entry| {
            let to = std::fs::read_link(entry.path()).ok()?;
            let to = to.to_string_lossy().into_owned();
            // A test's temporary directory may go after the next one has begun.
            let to = to.trim_end_matches(" (deleted)");
            // The listing itself.
            (!to.ends_with("/fd")).then(|| format!("{:?} -> {to}", entry.file_name()))
        })
        .collect()
}

pub(crate) fn threads() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir("/proc/self/task")
        .expect("/proc")
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        // Starters stay, however many there are.
        .filter(|name| name.starts_with("mcmd-") && !name.starts_with("mcmd-start"))
        .collect();
    names.sort();
    names
}

/// The private directories of a process, in all places where it may have one.
pub(crate) fn private_directories(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("mesos-command.{pid}.");
    let places = ["/run", "/dev/shm", "/tmp"].into_iter().flat_map(std::fs::read_dir);
    let entries = places.flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

/// Directories of calls of this process.
fn call_directories() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in private_directories(std::process::id()) {
        let calls = std::fs::read_dir(place).into_iter().flatten().flatten();
        // Beside them are the notes on what runs.
        found.extend(calls.map(|call| call.path()).filter(|path| path.is_dir()));
    }
    found.sort();
    found
}

fn sigchld() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bit = |key: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("0");
        u64::from_str_radix(mask.trim(), 16).unwrap_or(0) >> (libc::SIGCHLD - 1) & 1
    };
    format!("ignored {} caught {}", bit("SigIgn:"), bit("SigCgt:"))
}

/// Whether a process runs (a zombie does not).
pub(crate) fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}

/// The pid that a probe wrote to `path` by its `touch` step.
pub(crate) fn pid_in(path: &Path) -> i32 {
    let mut pid = None;
    eventually("a pid in the file", || {
        pid = std::fs::read_to_string(path).ok().and_then(|text| text.parse().ok());
        pid.is_some()
    });
    pid.expect("just seen")
}

/// Makes an executable file.
pub(crate) fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("writable");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("ours");
    path
}
