//! A script of Python that reports usage, started plainly and warm.

use std::path::Path;
use std::sync::Arc;

use mesos_command::config::warm_script;
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::{OutcomeKind, WarmStart};
use mesos_command::run::{CommandSpec, Lifetime, Request, Runner, Standby};
use mesos_command::staging::{Input, IoMode};
use mesos_command::warm::{WarmPool, WarmSettings};
use mesos_command::worker::Recycling;

use crate::commands::{Loud, spec};
use crate::scripts::write_script;

const SCRIPT: &str = r#"#!/usr/bin/python3
import json, os, sys
with open(sys.argv[1]) as file:
    given = json.load(file)
with open(sys.argv[2], "w") as file:
    json.dump({"mem_rss_bytes": len(given) + os.getpid()}, file)
"#;

/// The script as a command, in a file of this directory.
pub(crate) fn script(directory: &Path) -> Arc<CommandSpec> {
    let script = write_script(directory, "usage.py", SCRIPT);
    spec(&script, Event::Usage, IoMode::SharedStdin, &["PATH=/usr/bin:/bin"])
}

/// Makes one call, warm when there is a `standby`.
pub(crate) fn call(spec: &Arc<CommandSpec>, standby: Option<Arc<Standby>>) {
    let is_warm = standby.is_some();
    let input = Input::Text(b"{\"container_id\":{\"value\":\"c\"}}"[..].into());
    let request = Request { standby, ..Request::new(spec.clone(), input) };
    let runner = Runner::global().expect("a runner");
    let report = runner.run_blocking(request, None, None);
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    assert_eq!(report.warm_start, is_warm.then_some(WarmStart::Warm), "{report:?}");
}

/// The warm interpreter of the script, when it has run it once.
pub(crate) fn pool(lifetime: &Arc<Lifetime>, spec: &Arc<CommandSpec>) -> WarmPool {
    let settings = WarmSettings {
        spec: spec.clone(),
        script: warm_script(&spec.command).expect("a script of Python"),
        ready: 8,
        recycling: Recycling::default(),
        quarantine: None,
        metrics: ModuleMetrics::new("bench", ModuleKind::Isolator),
        log: Arc::new(Loud),
    };
    let runner = Runner::global().expect("a runner");
    let pool = WarmPool::start_in(lifetime, runner.clone(), settings).expect("a thread");
    loop {
        let input = Input::Text(b"{}"[..].into());
        let standby = Some(pool.standby().clone());
        let request = Request { standby, ..Request::new(spec.clone(), input) };
        if runner.run_blocking(request, None, None).warm_start == Some(WarmStart::Warm) {
            return pool;
        }
    }
}
