//! From the key/value list to a [`Config`].

use std::collections::BTreeMap;

use super::event_params::{EventConfig, event_rows};
use super::params::{Config, PARAMETERS, rows};
use super::reader::{Reader, refused};
use super::row::Parameter;
use super::warm::{WarmProblem, warm_script};
use super::{ConfigError, IoChoice, Mode, Warning, is_shell_script, keys};
use crate::command::{CommandLine, WarmScript};
use crate::event::{Event, ModuleKind};

mod permissions;

pub(super) fn parse(
    kind: ModuleKind,
    parameters: &[(String, String)],
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let mut reader = Reader::new(parameters, &event_rows::command);
    reader.doubt_keys(kind);
    let mut config = Config::read(&mut reader, kind, BTreeMap::new())?;
    reader.inspect_directories(&config)?;
    for event in Event::of_kind(kind) {
        let read = |reader: &mut Reader<'_>| reader.event_config(event, &config);
        if let Some(event_config) = reader.of_event(event, read)? {
            config.events.insert(event, event_config);
        }
    }
    reader.doubt_conditions(&config);
    Ok((config, reader.warnings))
}

impl Reader<'_> {
    /// Notes keys that are not known, and those that another one puts out of effect.
    fn doubt_keys(&mut self, kind: ModuleKind) {
        let mut unknown: Vec<&str> = self.keys().filter(|key| keys::find(key).is_none()).collect();
        unknown.sort_unstable();
        self.warnings.extend(unknown.into_iter().map(|key| Warning::UnknownKey {
            key: key.to_owned(),
            nearest: keys::nearest(kind, key),
        }));
        for row in PARAMETERS {
            let given = row.aliases.iter().find(|alias| self.get(alias).is_some());
            if let (Some(alias), Some(_)) = (given, self.get(row.name)) {
                self.doubt(row.name, &format!("which has no effect beside '{alias}'"));
            }
        }
    }

    /// What is configured for `event`, whose parameters are being read, if it has a command. The
    /// parameters of an event without a command are checked too.
    fn event_config(
        &mut self,
        event: Event,
        instance: &Config,
    ) -> Result<Option<EventConfig>, ConfigError> {
        let mut config = EventConfig::read(self, None)?;
        if config.mode == Mode::Spawn {
            self.doubt_without_workers(&event_rows::workers);
        }
        if config.mode != Mode::Worker {
            for row in [&event_rows::worker_multiplex_max, &event_rows::fallback] {
                self.doubt_without_workers(row);
            }
        }
        if !self.has_command(event) {
            if let Some(given) = self.given(&event_rows::shadow) {
                let command = event_rows::command.key(self.event());
                self.doubt(&given.key, &format!("which has no effect without '{command}'"));
            }
            return Ok(None);
        }
        let key = event_rows::command.key(Some(event));
        let strict = instance.strict_permissions;
        self.inspect_command(&key, config.text(), &config.command, strict)?;
        if let Some(shadow) = &config.shadow {
            let key = event_rows::shadow.key(Some(event));
            let text = shadow.text().to_string_lossy();
            self.inspect_command(&key, &text, shadow, strict)?;
        }
        if config.user.is_some() && instance.io == IoChoice::Memfd {
            return Err(self.no_memfds_for_users());
        }
        match config.mode {
            Mode::Spawn => {}
            Mode::Worker => self.doubt_shell_worker(&key, &config.command),
            Mode::Warm => config.warm = self.warm(&config)?,
        }
        Ok(Some(config))
    }

    /// They can be opened by their number below the agent's `/proc` entry alone, which is closed to
    /// other users.
    fn no_memfds_for_users(&self) -> ConfigError {
        let user = event_rows::user.key(self.event());
        let text = format!(
            "memfds belong to the agent, and the command of '{user}' cannot open them; accepted \
             beside that are auto and file, both of which give it files of its own"
        );
        refused(rows::io.name, "memfd", &text)
    }

    /// The script that is to be run warm; `None` with a warning while it cannot be read.
    fn warm(&mut self, config: &EventConfig) -> Result<Option<WarmScript>, ConfigError> {
        let mode = event_rows::mode.key(self.event());
        let text = config.text();
        if config.user.is_some() {
            let user = event_rows::user.key(self.event());
            let why = format!(
                "a process that is forked from an interpreter of '{user}' cannot enter a cgroup of \
                 the agent's; accepted beside that are spawn and worker"
            );
            return Err(refused(&mode, "warm", &why));
        }
        match warm_script(&config.command) {
            Ok(script) => Ok(Some(script)),
            Err(WarmProblem::Unreadable(error)) => {
                let text = format!(
                    "parameter '{mode}' is 'warm', but '{text}' cannot be read ({error}): its calls \
                     start it plainly until the agent is started again"
                );
                self.warnings.push(Warning::Advice { key: mode.into_owned(), text });
                Ok(None)
            }
            Err(WarmProblem::NotWarm(why)) => {
                let why =
                    format!("'{text}' cannot be run warm: {why}; accepted are spawn and worker");
                Err(refused(&mode, "warm", &why))
            }
        }
    }

    /// Conditions that work, but hardly as they were meant.
    fn doubt_conditions(&mut self, config: &Config) {
        let key = |event| event_rows::when.key(Some(event)).into_owned();
        let usage = key(Event::Usage);
        let has_usage = self.of_event(Event::Usage, |it| it.given(&event_rows::when).is_some());
        if has_usage && config.events.contains_key(&Event::UsageBatch) {
            let batch = key(Event::UsageBatch);
            let text = format!(
                "which has no effect beside 'isolator_usage_batch_command'; '{batch}' says which \
                 containers a batch has"
            );
            self.doubt(&usage, &text);
        }
        let has_condition = |event: Event| config.events.get(&event)?.when.as_ref().map(|_| ());
        let prepare = has_condition(Event::Prepare);
        if prepare.is_some()
            && config.events.contains_key(&Event::Cleanup)
            && has_condition(Event::Cleanup).is_none()
        {
            let (prepare, cleanup) = (key(Event::Prepare), key(Event::Cleanup));
            let text = format!(
                "'{prepare}' leaves out containers for which the cleanup command is run all the \
                 same; if that is not meant, set '{cleanup}' too"
            );
            self.warnings.push(Warning::Advice { key: prepare, text });
        }
    }

    fn doubt_without_workers(&mut self, row: &Parameter) {
        if let Some(given) = self.given(row) {
            let mode = event_rows::mode.key(self.event());
            self.doubt(&given.key, &format!("which has no effect without '{mode}' = 'worker'"));
        }
    }

    /// A shell reads a line byte by byte, one system call each: for a request of 2 KiB that takes
    /// as long as starting a new shell.
    fn doubt_shell_worker(&mut self, key: &str, command: &CommandLine) {
        let path = std::env::var("PATH").ok();
        if is_shell_script(command, path.as_deref()) {
            let text = format!(
                "parameter '{key}' names a shell script, which gains nothing from worker mode: \
                 reading a request costs a shell as much as starting anew"
            );
            self.warnings.push(Warning::Advice { key: key.to_owned(), text });
        }
    }
}

#[cfg(test)]
mod meanings;
#[cfg(test)]
pub(super) mod tests;
