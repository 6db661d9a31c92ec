//! From the key/value list to a [`Config`].

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use super::value::{self, DURATION_FORMS, ORIGINAL_DURATION_FORMS};
use super::{
    CacheConfig, Config, ConfigError, DEFAULT_CACHE_TTL, DEFAULT_KILL_GRACE,
    DEFAULT_LIFECYCLE_PARALLEL, DEFAULT_MAX_OUTPUT_BYTES, DEFAULT_MAX_PARALLEL, DEFAULT_STALE_TTL,
    DEFAULT_WATCH_INTERVAL, DEFAULT_WATCH_PARALLEL, DEFAULT_WORKERS, EnvironmentChoice,
    EventConfig, Fallback, IoChoice, MOST_WORKERS, Warning, command_line, is_shell_script, keys,
};
use crate::command::{Background, Stdio};
use crate::event::{Event, FailureAnswer, ModuleKind};
use crate::exporter::{MetricsAddress, TextfileError, TextfilePath};
use crate::redact::Redaction;

mod permissions;

/// Parameters by key, and what was noticed while reading them.
struct Reader<'a> {
    values: HashMap<&'a str, &'a str>,
    warnings: Vec<Warning>,
}

/// Whether a duration of zero means something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Refused,
    Accepted,
}

/// How a duration is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// As the original modules read it, because they have the key.
    OfOriginal,
    /// It means what is written.
    New,
}

impl Key {
    const fn of(event: Event) -> Key {
        if event.row().in_original { Key::OfOriginal } else { Key::New }
    }
}

pub(super) fn parse(
    kind: ModuleKind,
    parameters: &[(String, String)],
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let mut reader = Reader {
        values: parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        warnings: Vec::new(),
    };
    reader.unknown_keys(kind);
    let module_name = reader.module_name()?;
    let strict_permissions = reader.boolean("strict_permissions", false)?;
    let config = Config {
        kind,
        module_name: module_name.as_str().into(),
        debug: reader.debug(),
        redact: reader.read("redact", Redaction::default(), Redaction::parse)?,
        events: reader.events(kind, strict_permissions)?,
        watch_interval: reader.watch_interval()?,
        cache: reader.cache()?,
        max_parallel: reader.count("max_parallel", DEFAULT_MAX_PARALLEL)?,
        watch_parallel: reader.count("watch_parallel", DEFAULT_WATCH_PARALLEL)?,
        lifecycle_parallel: reader.count("lifecycle_parallel", DEFAULT_LIFECYCLE_PARALLEL)?,
        max_output_bytes: reader.read(
            "max_output_bytes",
            DEFAULT_MAX_OUTPUT_BYTES,
            value::bytes,
        )?,
        kill_grace: reader.duration(Key::New, "kill_grace", DEFAULT_KILL_GRACE, Zero::Accepted)?,
        stdio: reader.choice(
            "stdio",
            Stdio::Capture,
            &[("capture", Stdio::Capture), ("inherit", Stdio::Inherit), ("null", Stdio::Null)],
        )?,
        io: reader.choice(
            "io",
            IoChoice::Auto,
            &[("auto", IoChoice::Auto), ("file", IoChoice::File), ("memfd", IoChoice::Memfd)],
        )?,
        environment: reader.choice(
            "environment",
            EnvironmentChoice::Agent,
            &[("agent", EnvironmentChoice::Agent), ("clean", EnvironmentChoice::Clean)],
        )?,
        background: reader.choice(
            "background",
            None,
            &[("keep", Some(Background::Keep)), ("kill", Some(Background::Kill))],
        )?,
        state_dir: reader.state_dir(kind, &module_name, strict_permissions)?,
        temp_dir: reader.temp_dir(strict_permissions)?,
        nested: reader.boolean("nested", true)?,
        standalone: reader.boolean("standalone", false)?,
        skip_debug_containers: reader.boolean("skip_debug_containers", false)?,
        metrics_addresses: reader.metrics_addresses()?,
        metrics_textfile: reader.textfile()?,
        strict_permissions,
    };
    Ok((config, reader.warnings))
}

fn refused(key: &str, value: &str, accepted: &str) -> ConfigError {
    ConfigError(format!("parameter '{key}' has the value '{value}': {accepted}"))
}

impl Reader<'_> {
    /// The value, if the key is given and not empty.
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).copied().filter(|value| !value.is_empty())
    }

    fn read<T>(
        &self,
        key: &str,
        default: T,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        match self.get(key) {
            None => Ok(default),
            Some(text) => parser(text).map_err(|accepted| refused(key, text, &accepted)),
        }
    }

    fn boolean(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        self.read(key, default, value::boolean)
    }

    fn count(&self, key: &str, default: usize) -> Result<usize, ConfigError> {
        self.read(key, default, |text| value::count(text, 1, 1024))
    }

    fn choice<T: Copy>(
        &self,
        key: &str,
        default: T,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        self.read(key, default, |text| value::choice(text, choices))
    }

    fn path(&mut self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        self.doubt_blanks(key);
        self.read(key, None, |text| {
            if text.starts_with('/') {
                Ok(Some(PathBuf::from(text)))
            } else {
                Err("accepted are absolute paths".to_owned())
            }
        })
    }

    fn duration(
        &mut self,
        kind: Key,
        key: &str,
        default: Duration,
        zero: Zero,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = self.get(key) else { return Ok(default) };
        let forms = if kind == Key::New { DURATION_FORMS } else { ORIGINAL_DURATION_FORMS };
        let read = match kind {
            Key::New => value::duration(text).map(|value| (value, false)),
            Key::OfOriginal => {
                value::original_duration(text).map(|read| (read.value, read.ignored_tail))
            }
        };
        let (value, ignored_tail) = read.map_err(|accepted| refused(key, text, &accepted))?;
        if value.is_zero() && zero == Zero::Refused {
            let accepted = format!("it must be above 0; accepted are {forms}");
            return Err(refused(key, text, &accepted));
        }
        if ignored_tail {
            let seconds = value.as_secs();
            let accepted = format!(
                "which is read as {seconds} seconds, as the original modules read it; accepted are {forms}"
            );
            self.doubt(key, &accepted);
        }
        Ok(value)
    }

    /// Notes a value that was read in a way its author may not have meant.
    fn doubt(&mut self, key: &str, what: &str) {
        let value = self.get(key).unwrap_or_default();
        let doubt = format!("parameter '{key}' has the value '{value}', {what}");
        self.warnings.push(Warning::DoubtfulValue(doubt));
    }

    /// Exactly `true`, as for the original.
    fn debug(&mut self) -> bool {
        let text = self.get("debug").unwrap_or("false");
        if value::boolean(text).is_err() || text.trim() != text {
            self.doubt(
                "debug",
                "which is read as false, as the original modules read it; accepted are true and false",
            );
        }
        self.get("debug") == Some("true")
    }

    fn unknown_keys(&mut self, kind: ModuleKind) {
        let mut unknown: Vec<&str> =
            self.values.keys().copied().filter(|key| keys::find(key).is_none()).collect();
        unknown.sort_unstable();
        self.warnings.extend(unknown.into_iter().map(|key| Warning::UnknownKey {
            key: key.to_owned(),
            nearest: keys::nearest(kind, key),
        }));
    }

    fn module_name(&mut self) -> Result<String, ConfigError> {
        let name = self.get("module_name").map(str::to_owned).ok_or_else(|| {
            ConfigError(
                "parameter 'module_name' is missing: it names the instance's state directory and \
                 metrics, for example 'accounting'"
                    .to_owned(),
            )
        })?;
        // It becomes a directory name below state_dir.
        if name.contains('/') || name == "." || name.contains("..") || name.contains('\0') {
            return Err(refused(
                "module_name",
                &name,
                "accepted are names without '/' and '..', because it is a directory's name",
            ));
        }
        self.doubt_blanks("module_name");
        Ok(name)
    }

    /// Blanks at an end of a name are part of it, but few people mean them.
    fn doubt_blanks(&mut self, key: &str) {
        if self.get(key).is_some_and(|text| text.trim() != text) {
            self.doubt(key, "whose blank at the end is part of the name");
        }
    }

    fn watch_interval(&mut self) -> Result<Duration, ConfigError> {
        let (alias, original) = ("isolator_watch_interval", "isolator_watch_frequence");
        let (kind, key) = match self.get(alias) {
            Some(_) => (Key::New, alias),
            None => (Key::OfOriginal, original),
        };
        if self.get(alias).is_some() && self.get(original).is_some() {
            self.doubt(original, &format!("which has no effect beside '{alias}'"));
        }
        let interval = self.duration(kind, key, DEFAULT_WATCH_INTERVAL, Zero::Refused);
        self.unless_unused(key, Event::Watch, interval, DEFAULT_WATCH_INTERVAL)
    }

    /// `read`, but a value that cannot be used is only a warning where the event has no command:
    /// the original ran with it.
    fn unless_unused<T>(
        &mut self,
        key: &str,
        event: Event,
        read: Result<T, ConfigError>,
        unused: T,
    ) -> Result<T, ConfigError> {
        let command = format!("{}_command", event.row().prefix);
        match read {
            Err(ConfigError(error)) if self.get(&command).is_none() => {
                let doubt = format!("{error}. '{key}' has no effect without '{command}'");
                self.warnings.push(Warning::DoubtfulValue(doubt));
                Ok(unused)
            }
            read => read,
        }
    }

    fn cache(&mut self) -> Result<CacheConfig, ConfigError> {
        let ttl =
            self.duration(Key::New, "isolator_usage_cache_ttl", DEFAULT_CACHE_TTL, Zero::Accepted)?;
        let stale_while_revalidate = self.duration(
            Key::New,
            "isolator_usage_stale_while_revalidate",
            Duration::ZERO,
            Zero::Accepted,
        )?;
        // A value that is refreshed less often is old when it expires; it must be of use after that.
        let stale_ttl = DEFAULT_STALE_TTL
            .max(ttl.saturating_mul(2))
            .max(ttl.saturating_add(stale_while_revalidate));
        let stale_ttl =
            self.duration(Key::New, "isolator_usage_stale_ttl", stale_ttl, Zero::Accepted)?;
        let cache = CacheConfig { ttl, stale_ttl, stale_while_revalidate };
        self.batch_needs_cache(cache)
    }

    /// One run for all containers makes sense only if its values are kept.
    fn batch_needs_cache(&self, cache: CacheConfig) -> Result<CacheConfig, ConfigError> {
        match self.get("isolator_usage_batch_command") {
            Some(_) if cache.ttl.is_zero() => Err(refused(
                "isolator_usage_cache_ttl",
                self.get("isolator_usage_cache_ttl").unwrap_or_default(),
                "with isolator_usage_batch_command it must be above 0",
            )),
            _ => Ok(cache),
        }
    }

    fn metrics_addresses(&self) -> Result<Vec<MetricsAddress>, ConfigError> {
        self.read("metrics_address", Vec::new(), |text| {
            text.split(',')
                .map(|one| one.trim().parse::<MetricsAddress>().map_err(|error| error.to_string()))
                .collect()
        })
    }

    fn textfile(&self) -> Result<Option<TextfilePath>, ConfigError> {
        self.read("metrics_textfile", None, |text| {
            text.parse().map(Some).map_err(|error: TextfileError| error.to_string())
        })
    }

    fn events(
        &mut self,
        kind: ModuleKind,
        strict_permissions: bool,
    ) -> Result<BTreeMap<Event, EventConfig>, ConfigError> {
        let mut events = BTreeMap::new();
        for event in Event::of_kind(kind) {
            let timeout = self.timeout(event)?;
            let failure = self.failure(event)?;
            let workers = self.workers(event)?;
            let fallback = self.fallback(event, workers.is_some())?;
            let key = format!("{}_command", event.row().prefix);
            let Some(text) = self.get(&key).map(str::to_owned) else { continue };
            if text.contains('\0') {
                return Err(refused(&key, &text.replace('\0', "\\0"), "a path has no NUL byte"));
            }
            let command = command_line(event, &text);
            self.inspect(&key, &text, &command, strict_permissions)?;
            if workers.is_some() {
                self.doubt_shell_worker(&key, &command);
            }
            let event_config = EventConfig { command, text, timeout, failure, workers, fallback };
            events.insert(event, event_config);
        }
        Ok(events)
    }

    fn timeout(&mut self, event: Event) -> Result<Option<Duration>, ConfigError> {
        let key = format!("{}_timeout", event.row().prefix);
        let default = event.row().timeout;
        if self.get(&key).is_none() {
            return Ok(default);
        }
        let unset = default.unwrap_or_default();
        let timeout = self.duration(Key::of(event), &key, unset, Zero::Refused).map(Some);
        self.unless_unused(&key, event, timeout, default)
    }

    fn failure(&mut self, event: Event) -> Result<FailureAnswer, ConfigError> {
        let row = event.row();
        if !row.failure_configurable {
            return Ok(row.failure);
        }
        self.choice(
            &format!("{}_failure", row.prefix),
            row.failure,
            &[("fail", FailureAnswer::Fail), ("ignore", FailureAnswer::Ignore)],
        )
    }

    /// The number of workers, in worker mode.
    fn workers(&mut self, event: Event) -> Result<Option<usize>, ConfigError> {
        let prefix = event.row().prefix;
        let key = format!("{prefix}_workers");
        let workers =
            self.read(&key, DEFAULT_WORKERS, |text| value::count(text, 1, MOST_WORKERS))?;
        let mode = format!("{prefix}_mode");
        let is_worker = self.choice(&mode, false, &[("spawn", false), ("worker", true)])?;
        if !is_worker {
            self.doubt_without_workers(&key, &mode);
        }
        Ok(is_worker.then_some(workers))
    }

    /// What calls do while no worker is up.
    fn fallback(&mut self, event: Event, is_worker: bool) -> Result<Fallback, ConfigError> {
        let prefix = event.row().prefix;
        let key = format!("{prefix}_fallback");
        let choices = [("spawn", Fallback::Spawn), ("fail", Fallback::Fail)];
        let fallback = self.choice(&key, Fallback::Spawn, &choices)?;
        if !is_worker {
            self.doubt_without_workers(&key, &format!("{prefix}_mode"));
        }
        Ok(fallback)
    }

    fn doubt_without_workers(&mut self, key: &str, mode: &str) {
        if self.get(key).is_some() {
            self.doubt(key, &format!("which has no effect without '{mode}' = 'worker'"));
        }
    }

    /// A shell reads a line byte by byte, one system call each: for a request of 2 KiB that takes
    /// as long as starting a new shell.
    fn doubt_shell_worker(&mut self, key: &str, command: &crate::command::CommandLine) {
        let path = std::env::var("PATH").ok();
        if is_shell_script(command, path.as_deref()) {
            let doubt = format!(
                "parameter '{key}' names a shell script, which gains nothing from worker mode: \
                 reading a request costs a shell as much as starting anew"
            );
            self.warnings.push(Warning::Advice(doubt));
        }
    }
}

#[cfg(test)]
mod meanings;

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parse_isolator(
        parameters: &[(&str, &str)],
    ) -> Result<(Config, Vec<Warning>), ConfigError> {
        let mut all = vec![("module_name".to_owned(), "test".to_owned())];
        all.extend(parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Config::parse(ModuleKind::Isolator, &all)
    }

    pub(super) fn error(parameters: &[(&str, &str)]) -> String {
        parse_isolator(parameters).expect_err("refused").to_string()
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let (config, warnings) = parse_isolator(&[]).expect("accepted");
        assert_eq!(warnings, []);
        assert!(config.events.is_empty());
        assert_eq!(config.watch_interval, Duration::from_secs(30));
        assert_eq!(config.cache.ttl, Duration::from_secs(1));
        assert_eq!(config.cache.stale_ttl, Duration::from_secs(120));
        assert_eq!(config.cache.stale_while_revalidate, Duration::ZERO);
        assert_eq!((config.max_parallel, config.lifecycle_parallel), (64, 1));
        assert_eq!(config.max_output_bytes, 1 << 20);
        assert_eq!(config.kill_grace, Duration::from_secs(1));
        assert_eq!(config.state_dir, PathBuf::from("/var/run/mesos/isolators/command"));
        assert!(config.nested && !config.standalone && !config.skip_debug_containers);
        assert!(!config.debug && !config.strict_permissions);
    }

    #[test]
    fn a_configuration_of_the_original_is_read_as_it_read_it() {
        let (config, warnings) = parse_isolator(&[
            ("isolator_prepare_command", "/bin/true"),
            ("isolator_prepare_timeout", "12"),
            ("isolator_usage_command", ""),
            ("isolator_watch_command", "/bin/true --flag"),
            ("isolator_watch_frequence", "5"),
            ("isolator_prepare_timeout", "13"),
            ("debug", "yes"),
        ])
        .expect("accepted");
        let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(
            texts[0].contains("'debug' has the value 'yes', which is read as false"),
            "{texts:?}"
        );
        assert!(!config.debug, "only exactly true turns debug on");
        assert_eq!(config.watch_interval, Duration::from_secs(5));
        let prepare = &config.events[&Event::Prepare];
        assert_eq!(prepare.timeout, Some(Duration::from_secs(13)), "the last duplicate wins");
        assert!(!config.events.contains_key(&Event::Usage), "an empty command handles nothing");
        assert_eq!(config.events[&Event::Watch].timeout, None);
    }

    #[test]
    fn refusals_name_key_value_and_what_is_accepted() {
        assert_eq!(
            error(&[("isolator_usage_command", "/bin/true"), ("isolator_usage_timeout", "soon")]),
            format!(
                "parameter 'isolator_usage_timeout' has the value 'soon': accepted are {ORIGINAL_DURATION_FORMS}"
            )
        );
        assert_eq!(
            error(&[("kill_grace", "soon")]),
            format!("parameter 'kill_grace' has the value 'soon': accepted are {DURATION_FORMS}")
        );
        let zero = [("isolator_usage_command", "/bin/true"), ("isolator_usage_timeout", "0")];
        assert!(error(&zero).contains("must be above 0"));
        assert!(error(&[("stdio", "files")]).ends_with("accepted are capture, inherit, null"));
        assert!(error(&[("max_parallel", "0")]).contains("from 1 to 1024"));
        assert!(error(&[("state_dir", "run")]).contains("absolute"));
        assert!(error(&[("isolator_prepare_failure", "explode")]).contains("fail, ignore"));
        let batch =
            [("isolator_usage_batch_command", "/bin/true"), ("isolator_usage_cache_ttl", "0")];
        assert!(error(&batch).contains("must be above 0"));
        assert!(error(&[("module_name", "../etc")]).contains("without '/'"));
        let missing = Config::parse(ModuleKind::Hook, &[]).expect_err("no name").to_string();
        assert!(missing.contains("'module_name' is missing"), "{missing}");
        for text in [missing, error(&[("nested", "1")])] {
            assert!(!text.contains('\n'), "one line: {text}");
        }
    }

    #[test]
    fn doubts_are_warnings() {
        let (_, warnings) = parse_isolator(&[
            ("isolator_prepare_command", "/no/such/command"),
            ("isolator_prepare_timeout", "10 seconds"),
            ("isolator_prepare", "/bin/true"),
            ("hook_slave_remove_executor_hook_command", "/bin/true"),
        ])
        .expect("accepted");
        let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[0].contains("did you mean 'isolator_prepare_command'"), "{texts:?}");
        assert!(texts[1].contains("read as 10 seconds"), "{texts:?}");
        assert!(texts[2].contains("'/no/such/command' does not exist"), "{texts:?}");
    }

    #[test]
    fn worker_mode_is_per_event() {
        let (config, warnings) = parse_isolator(&[
            ("isolator_usage_command", "/bin/true"),
            ("isolator_usage_mode", "worker"),
            ("isolator_usage_workers", "4"),
            ("isolator_usage_fallback", "fail"),
            ("isolator_status_command", "/bin/true"),
            ("isolator_status_mode", "worker"),
            ("isolator_prepare_command", "/bin/true"),
            ("isolator_prepare_workers", "2"),
            ("isolator_prepare_fallback", "fail"),
        ])
        .expect("accepted");
        let workers = |event| config.events[&event].workers;
        assert_eq!(workers(Event::Usage), Some(4));
        assert_eq!(workers(Event::Status), Some(DEFAULT_WORKERS));
        assert_eq!(workers(Event::Prepare), None);
        let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        for (text, key) in texts.iter().zip(["workers", "fallback"]) {
            let without = "which has no effect without 'isolator_prepare_mode' = 'worker'";
            assert!(text.contains(&format!("'isolator_prepare_{key}'")), "{texts:?}");
            assert!(text.ends_with(without), "{texts:?}");
        }
        let fallback = |event| config.events[&event].fallback;
        assert_eq!(fallback(Event::Usage), Fallback::Fail);
        assert_eq!(fallback(Event::Status), Fallback::Spawn);
        assert!(error(&[("isolator_usage_workers", "65")]).contains("from 1 to 64"));
        assert!(
            error(&[("isolator_usage_mode", "thread")]).ends_with("accepted are spawn, worker")
        );
        assert!(error(&[("isolator_usage_fallback", "no")]).ends_with("accepted are spawn, fail"));
    }

    #[test]
    fn a_shell_script_in_worker_mode_is_doubted() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("tempdir");
        let file = directory.path().join("command");
        let text = file.to_str().expect("utf-8");
        let doubted = |content: &str, mode: &str| {
            std::fs::write(&file, content).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("chmod");
            let parameters = [("isolator_usage_command", text), ("isolator_usage_mode", mode)];
            let (_, warnings) = parse_isolator(&parameters).expect("accepted");
            warnings.iter().any(|warning| warning.to_string().contains("shell script"))
        };
        assert!(doubted("#!/bin/sh\n", "worker"));
        assert!(doubted("#! /usr/bin/env bash\n", "worker"));
        assert!(doubted("#!/bin/dash -e\n", "worker"));
        assert!(!doubted("#!/bin/sh\n", "spawn"));
        assert!(!doubted("#!/usr/bin/python3\n", "worker"));
        assert!(!doubted("#!/usr/bin/env -S python3 -I\n", "worker"));
    }
}
