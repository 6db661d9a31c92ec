//! `mesos-command load`: usage calls at a given pace through the engine, with a modules file's
//! isolator.

use std::path::Path;

use anyhow::{anyhow, bail};
use load_generator::{Bare, Options, Reply, Target};
use mesos_command::call::InputValue;
use mesos_command::command::CommandLine;
use mesos_command::config::value::DURATION_FORMS;
use mesos_command::event::{Event, ModuleKind};
use mesos_command::isolator::Isolator;
use mesos_command::run::end_descendants;
use mesos_command::{metrics, schema};
use serde_json::json;

use crate::call::name_of;
use crate::input::message;
use crate::interrupt;
use crate::private::{Private, Told};
use crate::source;

#[derive(clap::Args)]
#[command(
    after_help = format!(
        "Nothing of an agent's is used: contexts and the directories of calls are private to the tool and \
         go with it, metrics are neither served nor written. Ctrl-C and TERM end the commands that run \
         with their trees.\n\
         Durations are {DURATION_FORMS}.\n\
         Exit status: 0 every call was answered in time; 1 something was missed; 2 the command line or a file \
         could not be used."
    )
)]
pub(crate) struct Arguments {
    /// What `--modules` or `--modules_dir` of the agent names: file:///path, a path, a directory,
    /// or JSON
    #[arg(long)]
    modules: String,
    /// The isolator with this symbol (com_criteo_mesos_CommandIsolator2) or module_name [default:
    /// the first with a command for usage]
    #[arg(long)]
    module: Option<String>,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    options: Options,
}

/// What runs for a usage call.
const COMMANDS: [&str; 2] = ["isolator_usage_command", "isolator_usage_batch_command"];

/// An isolator of this process, and the serialised IDs of its containers.
struct Engine {
    isolator: Isolator,
    ids: Vec<Vec<u8>>,
}

impl Target for Engine {
    fn call(&self, container: usize, reply: Reply) {
        if interrupt::requested() {
            return reply.answered();
        }
        let values = [InputValue::Absent, InputValue::Message(&self.ids[container])];
        self.isolator.call(Event::Usage, &values, Box::new(move |_| reply.answered()));
    }

    fn metrics(&self) -> String {
        metrics::render()
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    // Before anything is created: a slip of the pen is told at once.
    arguments.options.schedule().map_err(|problem| anyhow!(problem))?;
    let has_usage = |parameters: &[(String, String)]| {
        parameters.iter().any(|(key, value)| COMMANDS.contains(&&**key) && !value.is_empty())
    };
    let entry = source::entries(&arguments.modules)?.into_iter().find(|entry| {
        let wanted = arguments.module.as_ref();
        entry.kind == ModuleKind::Isolator
            && wanted.is_none_or(|name| entry.symbol == *name || name_of(entry) == Some(name))
            && has_usage(&entry.parameters)
    });
    let Some(entry) = entry else {
        bail!("no isolator in the modules file has a command for usage")
    };
    interrupt::install()?;
    let private = Private::new()?;
    let parameters = private.parameters(&entry, &arguments.told);
    let engine = Engine::new(&parameters, arguments.options.containers)?;
    interrupt::allow_grace(engine.isolator.config().kill_grace);
    let bare = engine.bare(arguments.options.bare, private.path())?;
    let report = load_generator::run(&arguments.options, &engine, bare.as_ref())
        .map_err(|problem| anyhow!(problem))?;
    drop(engine);
    end_descendants(interrupt::grace());
    Ok(report.finish()?)
}

impl Engine {
    fn new(parameters: &[(String, String)], containers: u32) -> anyhow::Result<Engine> {
        let isolator = Isolator::create(parameters)?;
        let schema = schema::current();
        let ids = (0..containers).map(|number| {
            let id = message(&schema, "mesos.ContainerID", &json!({"value": name(number)}))?;
            let config = config_of(number).to_string();
            isolator.introduce(&id, config.as_bytes()).map_err(|problem| anyhow!(problem))?;
            Ok(id)
        });
        let ids = ids.collect::<anyhow::Result<_>>()?;
        Ok(Engine { isolator, ids })
    }

    /// The usage command, to be started bare.
    fn bare(&self, times: u32, parent: &Path) -> anyhow::Result<Option<Bare>> {
        let config = self.isolator.config();
        let usage = config.events.get(&Event::Usage);
        Ok(match usage.map(|usage| &usage.command) {
            Some(CommandLine::Path(path)) if times > 0 => {
                let input =
                    json!({"container_config": config_of(0), "container_id": {"value": name(0)}});
                Some(Bare::new(Path::new(path), input.to_string().as_bytes(), Some(parent))?)
            }
            _ => None,
        })
    }
}

/// As long as the identifiers that Mesos makes.
fn name(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn config_of(number: u32) -> serde_json::Value {
    json!({"directory": format!("/var/lib/mesos/{number}"), "command_info": {"value": "sleep 60"}})
}
