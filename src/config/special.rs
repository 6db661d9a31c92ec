//! How parameters are read that are like no other.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::reader::{Reader, Value, count, refused, special};
use super::row::{Accepts, Parameter, Place};
use super::{ConfigError, command_line, value};
use crate::command::CommandLine;
use crate::condition::Condition;
use crate::control::ControlSocket;
use crate::event::{Event, FailureAnswer};
use crate::exporter::{MetricsAddress, TextfileError, TextfilePath};

pub(super) fn module_name(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Arc<str>, ConfigError> {
    let given = reader.given(row).ok_or_else(|| {
        let text = format!(
            "parameter '{}' is missing: it names the instance's state directory and metrics, for \
             example 'accounting'",
            row.name
        );
        ConfigError::new(row.name, text)
    })?;
    let name = given.text;
    // It becomes a directory name below state_dir.
    if name.contains('/') || name == "." || name.contains("..") || name.contains('\0') {
        let accepted = "accepted are names without '/' and '..', because it is a directory's name";
        return Err(refused(&given.key, name, accepted));
    }
    reader.doubt_blanks(row);
    Ok(name.into())
}

/// A path below the mount of the cgroup file system, which it must not leave.
pub(super) const fn cgroup_root() -> Value<PathBuf> {
    let read = special(Accepts::Text("a relative path without '..'"), |reader, row| {
        reader.value(row, |text| {
            let path = Path::new(text);
            let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            if is_plain && !text.contains(['\0', '\n']) && path.components().next().is_some() {
                Ok(path.to_owned())
            } else {
                let example = "for example 'mesos-command'";
                Err(format!("accepted are relative paths without '..', {example}"))
            }
        })
    });
    read.at(Place::Cgroups)
}

/// Exactly `true`, as for the original.
pub(super) fn debug(reader: &mut Reader<'_>, row: &'static Parameter) -> Result<bool, ConfigError> {
    let Some(given) = reader.given(row) else { return reader.value(row, value::boolean) };
    if value::boolean(given.text).is_err() || given.text.trim() != given.text {
        reader.doubt(
            &given.key,
            "which is read as false, as the original modules read it; accepted are true and false",
        );
    }
    Ok(given.text == "true")
}

pub(super) fn watch_interval(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Duration, ConfigError> {
    let read = reader.duration(row);
    let unused = Reader::unset_duration(row)?;
    reader.unless_unused(Event::Watch, read, unused)
}

/// One run for all containers makes sense only if its values are kept.
pub(super) fn cache_ttl(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Duration, ConfigError> {
    let ttl = reader.duration(row)?;
    if ttl.is_zero() && reader.has_command(Event::UsageBatch) {
        let text = reader.given(row).map_or("", |given| given.text);
        let accepted = "with isolator_usage_batch_command it must be above 0";
        return Err(refused(row.name, text, accepted));
    }
    Ok(ttl)
}

/// A value that is refreshed less often, as `ttl` and `stale_while_revalidate` say, is old when it
/// expires; it must be of use after that.
pub(super) fn stale_ttl(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
    [ttl, stale_while_revalidate]: [&'static Parameter; 2],
) -> Result<Duration, ConfigError> {
    let stale_ttl = reader.duration(row)?;
    if reader.given(row).is_some() {
        return Ok(stale_ttl);
    }
    let ttl = reader.duration(ttl)?;
    let stale_while_revalidate = reader.duration(stale_while_revalidate)?;
    let twice = ttl.saturating_mul(2);
    Ok(stale_ttl.max(twice).max(ttl.saturating_add(stale_while_revalidate)))
}

pub(super) const fn metrics_addresses() -> Value<Vec<MetricsAddress>> {
    let accepts = Accepts::Text("IP:PORT, [IPv6]:PORT, PORT, unix:/path, separated by commas");
    let read = special(accepts, |reader, row| {
        let addresses = reader.optional(row, |text| {
            let one = |text: &str| text.trim().parse::<MetricsAddress>();
            text.split(',').map(|text| one(text).map_err(|error| error.to_string())).collect()
        });
        Ok(addresses?.unwrap_or_default())
    });
    read.at(Place::Metrics)
}

/// `true` or `false`, of which `true` has no effect unless this other one is given.
pub(super) fn boolean_with(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
    needed: &'static Parameter,
) -> Result<bool, ConfigError> {
    let is_wanted = reader.value(row, value::boolean)?;
    if is_wanted && reader.given(needed).is_none() {
        reader.doubt(row.name, &format!("which has no effect without '{}'", needed.name));
    }
    Ok(is_wanted)
}

pub(super) const fn metrics_textfile() -> Value<Option<TextfilePath>> {
    let read = special(Accepts::Path, |reader, row| {
        reader.optional(row, |text| text.parse().map_err(|error: TextfileError| error.to_string()))
    });
    read.at(Place::Metrics)
}

pub(super) const fn keep_failures() -> Value<usize> {
    count(0, 1024).at(Place::Kept)
}

/// A file: made when something is to be written to it.
pub(super) const fn call_log() -> Value<Option<PathBuf>> {
    let read = special(Accepts::Path, |reader, row| {
        reader.doubt_blanks(row);
        reader.optional(row, |text| {
            let names_file = !text.ends_with('/') && Path::new(text).file_name().is_some();
            match value::path(text) {
                Ok(path) if names_file && !text.contains('\0') => Ok(path),
                _ => Err("accepted are absolute paths of files".to_owned()),
            }
        })
    });
    read.at(Place::Other)
}

/// Read from now and then, and never written.
pub(super) const fn reload_from() -> Value<Option<PathBuf>> {
    special(Accepts::Path, |reader, row| reader.optional(row, value::path)).at(Place::Other)
}

pub(super) const fn control_socket() -> Value<ControlSocket> {
    let accepts = Accepts::Text("an absolute path, none");
    let read = special(accepts, |reader, row| reader.value(row, ControlSocket::parse));
    read.at(Place::Control)
}

/// The command of the event whose parameters are being read; empty where none is given.
pub(super) fn command(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<CommandLine, ConfigError> {
    let given = reader.given(row);
    let text = given.as_ref().map_or("", |given| given.text);
    match (given, reader.event()) {
        (Some(given), _) if text.contains('\0') => {
            Err(refused(&given.key, &text.replace('\0', "\\0"), "a path has no NUL byte"))
        }
        (Some(_), Some(event)) => Ok(command_line(event, text)),
        _ => Ok(CommandLine::Path(Default::default())),
    }
}

/// What is run beside the command of the event whose parameters are being read.
pub(super) fn shadow(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<CommandLine>, ConfigError> {
    reader.given(row).is_some().then(|| command(reader, row)).transpose()
}

/// For whom the command of the event is run whose parameters are being read; `None`: for all.
pub(super) fn condition(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<Arc<Condition>>, ConfigError> {
    let (Some(given), Some(event)) = (reader.given(row), reader.event()) else { return Ok(None) };
    match Condition::parse(event, given.text) {
        Ok(condition) => Ok(Some(Arc::new(condition))),
        Err(fault) => {
            let error = refused(&given.key, given.text, &fault.to_string());
            Err(ConfigError { fault: Some(Box::new(fault)), ..error })
        }
    }
}

/// The event has a time of its own.
pub(super) fn timeout(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<Duration>, ConfigError> {
    let Some(event) = reader.event() else { return Ok(None) };
    let unset = event.row().timeout;
    if reader.given(row).is_none() {
        return Ok(unset);
    }
    let read = reader.duration(row).map(Some);
    reader.unless_unused(event, read, unset)
}

/// A duration that need not be given.
pub(super) fn optional_duration(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<Duration>, ConfigError> {
    reader.given(row).is_some().then(|| reader.duration(row)).transpose()
}

/// Bytes within the row's range that need not be given.
pub(super) fn optional_bytes(
    reader: &mut Reader<'_>,
    row: &'static Parameter,
) -> Result<Option<u64>, ConfigError> {
    let (least, most) = row.accepts.range();
    reader.optional(row, |text| value::bytes(text, least, most))
}

/// What Mesos is told of a failure of the event whose parameters are being read, by default.
pub(super) fn failure(reader: &Reader<'_>) -> FailureAnswer {
    reader.event().map_or(FailureAnswer::Ignore, |event| event.row().failure)
}
