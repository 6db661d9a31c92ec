//! What converting costs: a container's configuration of about a kilobyte on its way out, and a
//! usage answer on its way in.

#[path = "common/estimates.rs"]
mod estimates;
#[path = "common/figure.rs"]
mod figure;
#[path = "common/settings.rs"]
mod settings;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use mesos_command::schema::{MessageType, Schema};
use serde_json::json;

use estimates::Estimates;
use figure::figure;
use settings::criterion;

fn message(schema: &Schema, name: &str) -> MessageType {
    schema.message(name).expect("the message is built in")
}

/// A `ContainerConfig` with its task, as prepare passes it.
fn container_config(schema: &Schema) -> Vec<u8> {
    let environment: Vec<_> = (0..8)
        .map(|n| json!({"name": format!("MARATHON_APP_LABEL_{n}"), "value": "some-value"}))
        .collect();
    let resources: Vec<_> = ["cpus", "mem", "disk", "gpus"]
        .map(|name| json!({"name": name, "type": "SCALAR", "scalar": {"value": 0.1}}))
        .into();
    let command = json!({
        "value": "exec /usr/bin/service --port $PORT0",
        "environment": {"variables": environment},
        "uris": [{"value": "https://artifacts.example.org/service-1.2.3.tar.gz"}],
    });
    let config = json!({
        "directory": "/var/lib/mesos/slaves/1-S0/frameworks/2/executors/3/runs/latest",
        "user": "service",
        "command_info": command,
        "resources": resources,
        "task_info": {
            "name": "service",
            "task_id": {"value": "service.5a1c6dbb-1f2e-11ee-9a1b-0242ac110002"},
            "slave_id": {"value": "9f1c4c3e-S0"},
            "command": command,
            "resources": resources,
            "labels": {"labels": [{"key": "owner", "value": "a-team"}]},
        },
    });
    let config_type = message(schema, "mesos.slave.ContainerConfig");
    config_type.read_json(config.to_string().as_bytes()).expect("the example is complete").bytes
}

fn bench(c: &mut Criterion) {
    let schema = Schema::built_in();
    let config = message(&schema, "mesos.slave.ContainerConfig");
    let bytes = container_config(&schema);
    let mut group = c.benchmark_group("codec/write_json");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("container_config", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            config.write_json(black_box(&bytes), &mut out).expect("the bytes are well-formed");
            out.len()
        });
    });
    group.finish();

    let statistics = message(&schema, "mesos.ResourceStatistics");
    let usage = br#"{"timestamp":1700000000.25,"cpus_limit":2.1,"cpus_user_time_secs":31.5,
        "cpus_system_time_secs":4.25,"mem_limit_bytes":2147483648,"mem_rss_bytes":734003200,
        "mem_total_bytes":901775360,"net_snmp_statistics":{"tcp_stats":{"CurrEstab":5}}}"#;
    let lenient = [&br#"{"processes":007,"#[..], &usage[1..]].concat();
    let mut group = c.benchmark_group("codec/read_json");
    for (name, text) in [("usage", &usage[..]), ("usage_normalised", &lenient)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| statistics.read_json(black_box(text)).expect("the answer is complete"));
        });
    }
    let mut text = Vec::new();
    config.write_json(&bytes, &mut text).expect("the bytes are well-formed");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("container_config", |b| {
        b.iter(|| config.read_json(black_box(&text)).expect("the text was just written"));
    });
    group.finish();

    c.bench_function("codec/schema/built_in", |b| b.iter(Schema::built_in));
}

criterion_group!(name = benches; config = criterion(); targets = bench);

fn main() {
    let found = Estimates::begin();
    benches();
    criterion().configure_from_args().final_summary();
    let write = figure!("codec: write a container's config", "ns");
    found.print(write, "codec/write_json", "container_config");
    for (figure, name) in [
        (figure!("codec: read usage", "ns"), "usage"),
        (figure!("codec: read usage_normalised", "ns"), "usage_normalised"),
        (figure!("codec: read container_config", "ns"), "container_config"),
    ] {
        found.print(figure, "codec/read_json", name);
    }
}
