#![expect(unsafe_code, reason = "looks up the module's metrics function")]
//! `mesos-host load`: usage calls at a given pace through the isolator that ModuleManager created
//! in a real libmesos. The load generator is that of `mesos-command load`, so that
//! the figures compare.

mod lives;
mod ratio;
mod soak;
mod troubles;
mod values;

use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use load_generator::{Bare, Reply, Target};
use mesos_command::event::Event;
use serde_json::{Value, json};

use crate::ballast::Ballast;
use crate::clock;
use crate::library::{self, Loaded};
use crate::mesos::{self, Future, Isolator, State};
use crate::modules::{Modules, Placeholders};
use crate::options::HostArgs;
use crate::report::Report;
use crate::scenario::{Arguments, Builder, start};
use crate::schema::Schema;

pub(crate) use ratio::{Ratio, compare};
pub(crate) use soak::{Soak, soak};
use values::Values;

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which load to make on what; the first isolator of the modules file is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    options: load_generator::Options,
    /// Numbers of the answers to look at, as mem_rss_bytes,mem_limit_bytes: a line of JSON tells
    /// the first answer with other numbers as it comes, and one all of them in the end
    #[arg(long, value_delimiter = ',')]
    fields: Vec<String>,
    /// Make no more calls when standard input ends
    #[arg(long)]
    until_input_ends: bool,
}

/// A libmesos with the modules loaded.
struct Host {
    scratch: tempfile::TempDir,
    mesos: Loaded,
    schema: Schema,
    modules: Modules,
    isolators: Vec<(String, Isolator)>,
    _ballast: Ballast,
}

impl Host {
    /// Loads everything; notes are lines of JSON if `json` says so.
    fn open(arguments: &HostArgs, json: bool) -> anyhow::Result<Host> {
        arguments.prepare_process()?;
        let scratch = tempfile::Builder::new().prefix("mesos-host-").tempdir()?;
        std::fs::create_dir(scratch.path().join("tmp"))?;
        let placeholders = Placeholders::new(scratch.path(), &arguments.set)?;
        let modules = Modules::read(&arguments.modules, &placeholders)?;
        let mesos = library::load(&arguments.mesos.directory()?)?;
        let schema = Schema::from_files(&mesos::descriptors(mesos))?;
        mesos::initialize_process(mesos);
        let ballast = arguments.ballast()?;
        let isolators = start(mesos, &schema, &modules, &Report::new(json))?;
        anyhow::ensure!(!isolators.is_empty(), "no isolator in the modules file");
        Ok(Host { scratch, mesos, schema, modules, isolators, _ballast: ballast })
    }

    fn isolator(&self) -> &Isolator {
        // `open` refuses a file without one.
        &self.isolators[0].1
    }

    /// The configuration of all containers.
    fn config(&self) -> Value {
        json!({"directory": self.scratch.path(), "command_info": {"value": "sleep 60"}})
    }

    /// The arguments of an event, for each of so many containers.
    fn arguments(&self, event: Event, containers: u32) -> anyhow::Result<Vec<Arguments>> {
        let defaults = BTreeMap::from([("container_config".to_owned(), self.config())]);
        let builder = Builder { mesos: self.mesos, schema: &self.schema, defaults: &defaults };
        (0..containers)
            .map(|number| builder.build(event, Some(&format!("load-{number}")), &BTreeMap::new()))
            .collect()
    }

    /// The usage command of the modules file, to be started bare.
    fn bare(&self) -> anyhow::Result<Option<Bare>> {
        let command = find(&self.modules.json, &|it| {
            let is_usage = it.get("key")?.as_str()? == "isolator_usage_command";
            is_usage.then_some(it.get("value")?.as_str()?)
        });
        let input = json!({"container_config": self.config(), "container_id": {"value": "load-0"}});
        command
            .map(|path| Ok(Bare::new(Path::new(path), input.to_string().as_bytes(), None)?))
            .transpose()
    }
}

/// `mesos_command_metrics` of the module.
type Metrics = unsafe extern "C" fn(extern "C" fn(*mut c_void, *const u8, usize), *mut c_void);

/// The isolator inside libmesos with the arguments of its calls.
struct Inside<'a> {
    isolator: &'a Isolator,
    usage: Vec<Arguments>,
    metrics: Metrics,
    answers: &'a Answers<'a>,
    /// Whether enough calls were made.
    ended: Arc<AtomicBool>,
    /// Futures that were not ready at once, to the thread that waits for them.
    late: Sender<(Future, Reply)>,
}

/// What becomes of answers.
struct Answers<'a> {
    /// The clocks' common moment.
    moment: (Instant, Duration),
    /// What they say, if somebody wants to know.
    values: Option<Values<'a>>,
}

impl Answers<'_> {
    /// The time that counts is the completing thread's.
    fn came(&self, future: &Future, reply: Reply) {
        let completed_ns = future.completed_ns();
        if let Some(values) = &self.values {
            let (moment, monotonic) = self.moment;
            let begun = monotonic + reply.begun().saturating_duration_since(moment);
            let statistics = future.value().unwrap_or_default();
            let looked = values.look(&statistics, begun, Duration::from_nanos(completed_ns));
            if let Err(error) = looked {
                // Not counted as answered: what libmesos gave is no answer.
                eprintln!("mesos-host: {error:#}");
                return;
            }
        }
        reply.answered_at(instant(self.moment, completed_ns));
    }
}

impl Target for Inside<'_> {
    fn call(&self, container: usize, reply: Reply) {
        let future = self.isolator.call(Event::Usage, self.usage[container].inputs());
        match future.wait(Duration::ZERO) {
            State::Ready => self.answers.came(&future, reply),
            // The thread at the other end lives as long as this.
            State::Pending => drop(self.late.send((future, reply))),
            // Usage never fails: the reply is dropped, and the call counts as lost.
            State::Failed | State::Discarded => {}
        }
    }

    fn metrics(&self) -> String {
        metrics_text(self.metrics)
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

fn instant((instant, monotonic): (Instant, Duration), completed_ns: u64) -> Instant {
    instant + Duration::from_nanos(completed_ns).saturating_sub(monotonic)
}

/// Waits for futures in the order of their calls.
fn collect_late(futures: Receiver<(Future, Reply)>, answers: &Answers<'_>) {
    for (future, reply) in futures {
        if future.wait(TIMEOUT) == State::Ready {
            answers.came(&future, reply);
        }
    }
}

/// Plays the load; whether nothing was lost.
pub(crate) fn run(Load { host, options, fields, until_input_ends }: &Load) -> anyhow::Result<bool> {
    options.schedule().map_err(|problem| anyhow!(problem))?;
    let host = Host::open(host, options.json)?;
    let isolator = host.isolator();
    each(isolator, Event::Prepare, &host.arguments(Event::Prepare, options.containers)?)?;
    let answers = Answers {
        moment: (Instant::now(), clock::now()),
        values: (!fields.is_empty()).then(|| Values::new(&host.schema, fields)),
    };
    let played = play(&host, options, &answers, ended(*until_input_ends))?;
    if let Some(values) = &answers.values {
        println!("{}", json!({ "values": values.json() }));
    }
    each(isolator, Event::Cleanup, &host.arguments(Event::Cleanup, options.containers)?)?;
    Ok(played.finish()?)
}

/// Set when standard input has ended, if that is to end the load.
fn ended(with_input: bool) -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    if with_input {
        let told = ended.clone();
        std::thread::spawn(move || {
            // An input that cannot be read has ended, too.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            told.store(true, Ordering::Release);
        });
    }
    ended
}

/// Makes the calls and waits for their answers.
fn play(
    host: &Host,
    options: &load_generator::Options,
    answers: &Answers<'_>,
    ended: Arc<AtomicBool>,
) -> anyhow::Result<load_generator::Report> {
    let (late, futures) = channel();
    let inside = Inside {
        isolator: host.isolator(),
        usage: host.arguments(Event::Usage, options.containers)?,
        metrics: metrics_function(&host.modules.json)?,
        answers,
        ended,
        late,
    };
    let bare = if options.bare > 0 { host.bare()? } else { None };
    let played = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| collect_late(futures, answers));
        let played = load_generator::run(options, &inside, bare.as_ref());
        drop(inside);
        waiter.join().map(|()| played)
    });
    let played = played.map_err(|_| anyhow!("the thread that waits for answers panicked"))?;
    played.map_err(|problem| anyhow!(problem))
}

/// Calls an event for every container, all at once, and waits for the answers.
fn each(isolator: &Isolator, event: Event, arguments: &[Arguments]) -> anyhow::Result<()> {
    let futures: Vec<_> = arguments.iter().map(|it| isolator.call(event, it.inputs())).collect();
    wait_for_all(event, &futures)
}

fn wait_for_all(event: Event, futures: &[Future]) -> anyhow::Result<()> {
    for future in futures {
        let state = future.wait(TIMEOUT);
        anyhow::ensure!(state == State::Ready, "{} is {state:?}", event.label());
    }
    Ok(())
}

/// The values of a key anywhere below `json`, in their order.
fn find<'a>(json: &'a Value, wanted: &dyn Fn(&'a Value) -> Option<&'a str>) -> Option<&'a str> {
    wanted(json).or_else(|| match json {
        Value::Array(items) => items.iter().find_map(|item| find(item, wanted)),
        Value::Object(entries) => entries.values().find_map(|item| find(item, wanted)),
        _ => None,
    })
}

/// What that function says.
fn metrics_text(metrics: Metrics) -> String {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    // SAFETY: the function is the module's, which is never unloaded; it calls `collect` once,
    // with the vector that outlives the call.
    unsafe { metrics(mesos::collect, mesos::collected(&mut parts)) };
    String::from_utf8_lossy(&parts.concat()).into_owned()
}

/// The function of the module library that Mesos has loaded.
fn metrics_function(modules: &Value) -> anyhow::Result<Metrics> {
    let file = find(modules, &|it| it.get("file")?.as_str()).context("no \"file\" of a library")?;
    let path = CString::new(file)?;
    // SAFETY: a C string; RTLD_NOLOAD only finds what Mesos has loaded.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
    anyhow::ensure!(!handle.is_null(), "{file} is not loaded");
    // SAFETY: the handle is valid, and the library is never unloaded.
    let symbol = unsafe { libc::dlsym(handle, c"mesos_command_metrics".as_ptr()) };
    anyhow::ensure!(!symbol.is_null(), "{file} has no mesos_command_metrics");
    // SAFETY: the module declares this function so.
    Ok(unsafe { std::mem::transmute::<*mut c_void, Metrics>(symbol) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_they_are() {
        let modules = json!({"libraries": [{"file": "f", "modules": [{"parameters": [
            {"key": "module_name", "value": "m"},
            {"key": "isolator_usage_command", "value": "/bin/usage"}]}]}]});
        assert_eq!(find(&modules, &|it| it.get("file")?.as_str()), Some("f"));
        assert_eq!(find(&modules, &|it| it.get("nothing")?.as_str()), None);
    }
}
