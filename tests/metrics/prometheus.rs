//! A real Prometheus scrapes a real listener and answers every query of the dashboard and every
//! rule.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mesos_command::exporter;
use mesos_command::exporter::MetricsAddress;
use mesos_command::metrics::registry;
use serde_json::Value;

use crate::dashboard::queries;
use crate::exposition::metrics_of;
use crate::rules::rules;
use crate::support::{PATIENCE, free_address, have, repository, scrape, wait_for};

/// A server of our own; ended with the value.
struct Server {
    child: Child,
    address: MetricsAddress,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either it runs, or it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(directory: &Path, target: &MetricsAddress) -> Server {
        let configuration = directory.join("prometheus.yml");
        std::fs::write(
            &configuration,
            format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
                 rule_files: ['{}/*.yml']\n\
                 scrape_configs: [{{job_name: mesos, static_configs: [{{targets: ['{target}']}}]}}]\n",
                repository("dashboards/rules").display(),
            ),
        )
        .expect("written");
        let address = free_address();
        let log = std::fs::File::create(directory.join("log")).expect("made");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("started");
        let server = Server { child, address };
        wait_for("Prometheus to be ready", || {
            get(server.tcp(), "/-/ready").filter(|body| body.contains("is Ready"))
        });
        server
    }

    fn tcp(&self) -> &SocketAddr {
        let MetricsAddress::Tcp(address) = &self.address else {
            unreachable!("free_address gives TCP")
        };
        address
    }

    /// `data` of an answer of the HTTP API.
    fn api(&self, path: &str) -> Value {
        let body = get(self.tcp(), path).expect(path);
        let answer: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        assert_eq!(answer["status"], "success", "{path}: {body}");
        answer["data"].clone()
    }

    /// Number of series that answer an expression now.
    fn series(&self, expression: &str) -> usize {
        let query: String =
            expression.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        let data = self.api(&format!("/api/v1/query?query={query}"));
        data["result"].as_array().map_or(0, Vec::len)
    }
}

/// The body of an answer. HTTP 1.0, so that it comes in one piece and the connection ends.
fn get(address: &SocketAddr, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// Panels and recorded series in which there is something only when something is wrong.
const QUIET: [&str; 5] = [
    "Agents configured otherwise",
    "Agents with a rare configuration",
    "Agents with hanging commands",
    "Longest queues",
    "instance_module_hash:mesos_command_config_info:odd",
];

/// The expression as Grafana sends it when everything is chosen.
fn as_sent(expression: &str) -> String {
    ["instance", "module", "event"]
        .iter()
        .fold(expression.replace("$__rate_interval", "5s"), |text, variable| {
            text.replace(&format!("\"${variable}\""), "\".*\"")
        })
}

#[test]
fn every_query_and_rule_is_answered() {
    if !have("prometheus", "every_query_and_rule_is_answered") {
        return;
    }
    let target = free_address();
    exporter::listen(std::slice::from_ref(&target));
    let _configured = metrics_of(registry(), "live");
    scrape(&target);
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(directory.path(), &target);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(metrics_of(registry(), "live"));
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        // The thread above has to end when this closure does, also by a failed assertion.
        let _end = SetOnDrop(&done);
        for query in queries() {
            let expression = as_sent(&query.expression);
            assert!(!expression.contains('$'), "{query:?}");
            let what = format!("the panel {}: {expression}", query.panel);
            let quiet = QUIET.contains(&query.panel.as_str());
            // One that nothing answers is asked all the same: Prometheus understands it.
            wait_for(&what, || (server.series(&expression) > 0 || quiet).then_some(()));
        }
        for rule in rules() {
            if let Some(name) = rule.recorded {
                let quiet = QUIET.contains(&name.as_str());
                wait_for(&name, || (server.series(&name) > 0 || quiet).then_some(()));
            }
        }
        let loaded = wait_for("all rules to be evaluated", || all_rules(&server));
        assert_eq!(loaded, rules().len());
        // No query can find what nobody exposes.
        assert_eq!(server.series("mesos_command_nothing"), 0);
    });
}

/// The number of rules, once each of them is healthy.
fn all_rules(server: &Server) -> Option<usize> {
    let data = server.api("/api/v1/rules");
    let groups = data["groups"].as_array()?;
    let rules: Vec<&Value> =
        groups.iter().filter_map(|g| g["rules"].as_array()).flatten().collect();
    for rule in &rules {
        assert_ne!(rule["health"], "err", "{rule}");
    }
    rules.iter().all(|rule| rule["health"] == "ok").then_some(rules.len())
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
