//! Instruction counts of the pure paths, under valgrind: they repeat exactly, whatever else the
//! machine does, so a small change can be seen and held against a bound.
//!
//! Valgrind does not run the clone flags of the runner, and ends who tries. What an isolator starts
//! when it is created, to learn what commands may open, is therefore started by `posix_spawn`, and
//! the cache is seeded ([`Isolator::seed_usage`]) instead of filled by a run.
//!
//! `cargo bench --bench instructions` needs valgrind and gungraun-runner of the crate's version.

#![expect(missing_docs, reason = "gungraun makes public modules of benchmarks")]
#![expect(unsafe_code, reason = "sets a variable of the environment")]
#![expect(clippy::disallowed_methods, reason = "sets it before there is another thread")]

#[path = "common/ids.rs"]
mod ids;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gungraun::{library_benchmark, library_benchmark_group, main};
use mesos_command::cache::{Lookup, Policy, Slot};
use mesos_command::call::InputValue;
use mesos_command::config::{CacheConfig, Config};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::isolator::Isolator;
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::CacheResult;
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{START_METHOD_VARIABLE, StartMethod};
use mesos_command::schema::{MessageType, Schema};

use ids::id;

const USAGE: &[u8] = br#"{"cpus_limit":2.1,"cpus_user_time_secs":31.5,
"cpus_system_time_secs":4.25,"mem_limit_bytes":2147483648,"mem_rss_bytes":734003200,
"net_snmp_statistics":{"tcp_stats":{"CurrEstab":5}}}"#;
const CONTAINER_CONFIG: &[u8] = br#"{"directory":"/var/lib/mesos/slaves/1-S0/runs/latest",
"user":"service","command_info":{"value":"exec /usr/bin/service","environment":{"variables":[
{"name":"OWNER","value":"a-team"},{"name":"PORT","value":"31000"}]}},"resources":[
{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},
{"name":"mem","type":"SCALAR","scalar":{"value":64}}]}"#;
const CONTAINERS: usize = 100;

fn parameters() -> Vec<(String, String)> {
    [
        ("module_name", "bench"),
        ("state_dir", concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-contexts")),
        ("isolator_prepare_command", "/bin/true"),
        ("isolator_usage_command", "/bin/true"),
        ("isolator_usage_timeout", "500ms"),
        ("isolator_usage_cache_ttl", "1hrs"),
        ("isolator_cleanup_command", "/bin/true"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// An isolator whose cache has a value for all containers. It is kept: taking it down is no part
/// of a call.
fn cached() -> (&'static Isolator, Vec<u8>) {
    // SAFETY: this program has one thread yet.
    unsafe { std::env::set_var(START_METHOD_VARIABLE, StartMethod::PosixSpawn.label()) };
    let isolator = Isolator::create(&parameters()).expect("the parameters are right");
    for number in 0..CONTAINERS {
        isolator.introduce(&id(number), CONTAINER_CONFIG).expect("it is well-formed");
        assert!(isolator.seed_usage(&id(number), &[7; 80]));
    }
    let isolator: &'static Isolator = Box::leak(Box::new(isolator));
    let id = id(CONTAINERS / 2);
    // Once before: lazy things are made by the first call.
    call(isolator, &id);
    (isolator, id)
}

fn call(isolator: &Isolator, id: &[u8]) {
    let values = [InputValue::Absent, InputValue::Message(id)];
    isolator.call(Event::Usage, &values, Box::new(|answer| drop(black_box(answer))));
}

#[library_benchmark]
#[bench::of_100(setup = cached)]
fn cache_hit((isolator, id): (&'static Isolator, Vec<u8>)) {
    call(isolator, &id);
}

type Holder = Arc<Slot<u32>>;

fn slot() -> (Holder, Policy, Instant) {
    let hour = Duration::from_secs(3600);
    let config =
        CacheConfig { ttl: hour, stale_ttl: hour * 3, stale_while_revalidate: Duration::ZERO };
    let (slot, policy, now) = (Arc::new(Slot::new(7)), Policy::from(config), Instant::now());
    if let Lookup::Lead(flight) = Slot::lookup(&slot, policy, now, 1) {
        flight.finish(Ok(Some(Arc::from([7u8; 80]))), now);
    }
    assert!(slot.has_value());
    (slot, policy, now)
}

// The slot is given back: its end is no part of a decision.
#[library_benchmark]
#[bench::fresh(setup = slot)]
fn slot_decision((slot, policy, now): (Holder, Policy, Instant)) -> (Lookup<u32, Holder>, Holder) {
    (Slot::lookup(&slot, black_box(policy), black_box(now), 2), slot)
}

/// Kept for ever: the last of its messages would take the whole schema down inside a benchmark.
fn message(name: &str) -> &'static MessageType {
    Box::leak(Box::new(Schema::built_in().message(name).expect("it is built in")))
}

fn config_bytes() -> (&'static MessageType, Vec<u8>, Vec<u8>) {
    let kind = message("mesos.slave.ContainerConfig");
    let bytes = kind.read_json(CONTAINER_CONFIG).expect("the example is complete").bytes;
    let mut out = Vec::with_capacity(4096);
    kind.write_json(&bytes, &mut out).expect("the bytes are well-formed");
    out.clear();
    (kind, bytes, out)
}

#[library_benchmark]
#[bench::container_config(setup = config_bytes)]
fn codec_write((kind, bytes, mut out): (&'static MessageType, Vec<u8>, Vec<u8>)) -> Vec<u8> {
    kind.write_json(black_box(&bytes), &mut out).expect("the bytes are well-formed");
    out
}

fn statistics() -> &'static MessageType {
    let kind = message("mesos.ResourceStatistics");
    kind.read_json_partial(USAGE).expect("the answer is complete");
    kind
}

#[library_benchmark]
#[bench::usage(setup = statistics)]
fn codec_read(kind: &'static MessageType) -> Vec<u8> {
    kind.read_json_partial(black_box(USAGE)).expect("the answer is complete").bytes
}

fn counted() -> Arc<ModuleMetrics> {
    let module = ModuleMetrics::new("bench", ModuleKind::Isolator);
    count(&module);
    module
}

fn count(module: &ModuleMetrics) {
    module.cache_request(CacheResult::Hit);
    module.event(Event::Usage).call(OutcomeKind::Ok, None);
}

#[library_benchmark]
#[bench::cached_call(setup = counted)]
fn metrics(module: Arc<ModuleMetrics>) -> Arc<ModuleMetrics> {
    count(black_box(&module));
    module
}

#[library_benchmark]
#[bench::seven_parameters(setup = parameters)]
fn config_parse(parameters: Vec<(String, String)>) -> Config {
    Config::parse(ModuleKind::Isolator, black_box(&parameters)).expect("they are right").0
}

library_benchmark_group!(
    name = paths;
    benchmarks = cache_hit, slot_decision, codec_write, codec_read, metrics, config_parse
);

main!(library_benchmark_groups = paths);
