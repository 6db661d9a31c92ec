//! The process with master and agent: both its inside and the handle by which it is ruled.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::library;
use crate::mesos::{self, Cluster, Message};
use crate::modules::{Modules, RECORDS_VARIABLE};
use crate::schema::Schema;

/// Says on standard output that master and agent were started.
const STARTED: &str = "started";
/// Standard input: end as a process does that stops its master and agent.
const STOP: &str = "stop";
/// Standard input: end by a plain return from main, calls in flight and all.
const EXIT: &str = "exit";

/// `mesos-host cluster-process`: hosts master and agent until standard input says how to end.
pub(crate) fn serve(directory: &Path, modules: &Path) -> anyhow::Result<()> {
    let mesos = library::load(directory)?;
    let schema = Schema::from_files(&mesos::descriptors(mesos))?;
    // In the order of an agent's own main: libprocess, modules, hooks, and only then the rest. A
    // local cluster loads the modules itself, but has no one who makes the hooks.
    mesos::initialize_process(mesos);
    let modules = Modules::read(modules, &crate::modules::Placeholders::default())?;
    let bytes = schema.read("mesos.Modules", &modules.json)?;
    mesos::load_modules(mesos, &Message::new(mesos, "mesos.Modules", &bytes)?)?;
    let hooks = modules.hooks();
    if !hooks.is_empty() {
        mesos::initialize_hooks(mesos, &hooks.join(","))?;
    }
    let framework = schema.read("mesos.FrameworkInfo", &json!({"user": "", "name": "host"}))?;
    let framework = Message::new(mesos, "mesos.FrameworkInfo", &framework)?;
    let cluster = Cluster::start(mesos, &framework);
    println!("{STARTED}");
    std::io::stdout().flush()?;
    // The end of standard input means that nobody rules this process any more.
    let mut word = String::new();
    std::io::stdin().read_line(&mut word)?;
    match word.trim_end() {
        STOP => cluster.stop(),
        EXIT | "" => {}
        other => bail!("not understood: {other}"),
    }
    Ok(())
}

/// Where and how a cluster process runs.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The directory of the real library.
    pub(crate) mesos: PathBuf,
    /// The work directory of master and agent, which survives restarts.
    pub(crate) work: PathBuf,
    /// The modules file, filled in.
    pub(crate) modules_file: PathBuf,
    pub(crate) modules: Modules,
    pub(crate) address: SocketAddr,
    /// The file of commands that record their runs.
    pub(crate) records: PathBuf,
    /// Where its log goes.
    pub(crate) log: PathBuf,
    /// The socket of a Docker daemon, when there are to be containers of Docker.
    pub(crate) docker: Option<PathBuf>,
}

impl Setup {
    /// Makes the directory of Mesos's helper programs, with our stand-in for the one that
    /// containers are started with.
    ///
    /// The executor of command tasks is never started here, but it has to be there: without it
    /// Mesos leaves uninitialised whether an executor is one of its own.
    pub(crate) fn make_launcher_directory(&self) -> anyhow::Result<()> {
        let directory = self.launcher_directory();
        std::fs::create_dir_all(&directory)?;
        let program = std::env::current_exe()?;
        let launch = format!("exec '{}' containerizer \"$@\"", program.display());
        let docker = format!("exec '{}' docker-executor \"$@\"", program.display());
        let refuse = "echo 'command tasks are not part of this cluster' >&2; exit 1".to_owned();
        for (name, command) in [
            ("mesos-containerizer", launch),
            ("mesos-docker-executor", docker),
            ("mesos-executor", refuse),
        ] {
            let path = directory.join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{command}\n"))?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    fn launcher_directory(&self) -> PathBuf {
        self.work.join("libexec")
    }

    /// The directory where the agent keeps what it must remember over a restart.
    pub(crate) fn agent_meta(&self) -> PathBuf {
        self.work.join("agents/0/work/meta")
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut isolation = vec!["posix/cpu", "posix/mem"];
        isolation.extend(self.modules.isolators());
        let mut variables = vec![
            ("LIBPROCESS_IP", self.address.ip().to_string()),
            ("LIBPROCESS_PORT", self.address.port().to_string()),
            ("LIBPROCESS_NUM_WORKER_THREADS", "8".to_owned()),
            ("MESOS_WORK_DIR", self.work.display().to_string()),
            ("MESOS_LAUNCHER_DIR", self.launcher_directory().display().to_string()),
            ("MESOS_LAUNCHER", "posix".to_owned()),
            ("MESOS_ISOLATION", isolation.join(",")),
            ("MESOS_MODULES", format!("file://{}", self.modules_file.display())),
            ("MESOS_HOSTNAME", "localhost".to_owned()),
            ("MESOS_RESOURCES", "cpus:4096;mem:1048576;disk:1048576;ports:[]".to_owned()),
            ("MESOS_REGISTRY", "in_memory".to_owned()),
            ("MESOS_ALLOCATION_INTERVAL", "50ms".to_owned()),
            ("MESOS_REGISTRATION_BACKOFF_FACTOR", "10ms".to_owned()),
            ("MESOS_AUTHENTICATION_BACKOFF_FACTOR", "10ms".to_owned()),
            ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "2secs".to_owned()),
            // An executor's time begins before those that are launched ahead of it are there.
            ("MESOS_EXECUTOR_REGISTRATION_TIMEOUT", "10mins".to_owned()),
            ("MESOS_EXECUTOR_REREGISTRATION_TIMEOUT", "3secs".to_owned()),
            (RECORDS_VARIABLE, self.records.display().to_string()),
            ("MESOS_SWITCH_USER", "false".to_owned()),
            ("MESOS_SYSTEMD_ENABLE_SUPPORT", "false".to_owned()),
        ];
        match &self.docker {
            Some(socket) => variables.extend([
                ("MESOS_CONTAINERIZERS", "docker,mesos".to_owned()),
                ("MESOS_DOCKER_SOCKET", socket.display().to_string()),
                ("MESOS_DOCKER_STOP_TIMEOUT", "1secs".to_owned()),
                ("MESOS_DOCKER_REMOVE_DELAY", "1secs".to_owned()),
            ]),
            None => variables.push(("MESOS_CONTAINERIZERS", "mesos".to_owned())),
        }
        let hooks = self.modules.hooks();
        if !hooks.is_empty() {
            variables.push(("MESOS_HOOKS", hooks.join(",")));
        }
        variables
    }
}

/// Command lines of the processes, other than this one, in whose environment a directory is named.
pub(crate) fn of_directory(directory: &Path) -> Vec<String> {
    let wanted = directory.as_os_str().as_encoded_bytes();
    let own = std::process::id().to_string();
    let names = |entry: &std::fs::DirEntry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.windows(wanted.len()).any(|part| part == wanted)
    };
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name() != own.as_str() && names(entry))
        .map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        })
        .collect()
}

/// A running cluster process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
}

impl Process {
    /// Starts it; returns when master and agent have been made.
    pub(crate) fn start(setup: &Setup) -> anyhow::Result<Process> {
        let log = File::options().create(true).append(true).open(&setup.log)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("cluster-process")
            .arg("--directory")
            .arg(&setup.mesos)
            .arg("--modules")
            .arg(&setup.modules_file)
            .envs(setup.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("failed to start the cluster process")?;
        let input = child.stdin.take().context("the child has no standard input")?;
        let output = child.stdout.take().context("the child has no standard output")?;
        // Whatever else Mesos prints there comes before or after and is of no interest.
        let started = BufReader::new(output).lines().map_while(Result::ok).any(|it| it == STARTED);
        if !started {
            let status = child.wait()?;
            bail!("the cluster did not start ({status}); its log: {}", setup.log.display());
        }
        Ok(Process { child, input })
    }

    /// The memory in use, in bytes.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let path = format!("/proc/{}/statm", self.child.id());
        let pages: u64 = std::fs::read_to_string(path).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages * 4096)
    }

    /// Ends it by what standard input says.
    pub(crate) fn stop(self) -> anyhow::Result<ExitStatus> {
        self.tell(STOP)
    }

    /// Ends it by a plain return from main.
    pub(crate) fn exit(self) -> anyhow::Result<ExitStatus> {
        self.tell(EXIT)
    }

    fn tell(mut self, word: &str) -> anyhow::Result<ExitStatus> {
        writeln!(self.input, "{word}")?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("the cluster process did not end within a minute of being told to {word}")
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}
