//! The command of each event, as an instance has it.

use std::sync::{Arc, OnceLock};

use mesos_command::call::Command;
use mesos_command::config::Config;
use mesos_command::event::Event;
use mesos_command::metrics::ModuleMetrics;
use mesos_command::schema;

/// The command of `event`; with `debug`, one that also shows its outputs, without their secrets.
pub(super) fn command(event: Event, debug: bool) -> &'static Command {
    static COMMANDS: OnceLock<[Vec<Command>; 2]> = OnceLock::new();
    let all = COMMANDS.get_or_init(|| {
        [false, true].map(|debug| Event::ALL.map(|event| made(event, debug)).into())
    });
    &all[usize::from(debug)][event as usize]
}

fn made(event: Event, debug: bool) -> Command {
    let row = event.row();
    let parameters = [
        ("module_name".to_owned(), "fuzz".to_owned()),
        ("debug".to_owned(), debug.to_string()),
        (format!("{}_command", row.prefix), "/bin/true".to_owned()),
    ];
    let (config, _) = Config::parse(row.kind, &parameters).unwrap();
    let metrics = ModuleMetrics::new("fuzz", row.kind);
    let schema = schema::current();
    let configured = &config.events[&event];
    Command::new(&config, event, configured, Arc::default(), None, &schema, metrics).unwrap()
}
