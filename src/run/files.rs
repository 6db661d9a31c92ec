//! The files of a run, and the plan of its program.

use std::io;
use std::time::Instant;

use crate::command::Stdio;
use crate::staging::{Capture, RunFiles};
use crate::sys::Plan;

use super::Request;
use super::plan::plan;
use super::services::Services;

/// The files of a run.
pub(super) struct Files {
    pub(super) io: RunFiles,
    pub(super) capture: Option<Capture>,
}

/// Makes the files of a run and plans its program.
///
/// # Errors
/// Why that cannot be done, in words for people.
pub(super) fn prepare(
    services: &Services,
    request: &Request,
    deadline: Option<Instant>,
) -> Result<(Files, Plan), String> {
    let spec = &request.spec;
    let staging = services
        .staging(spec.temp_dir.as_deref())
        .map_err(|error| format!("no place for the command's files: {error}"))?;
    let io = RunFiles::create(&staging, &services.cleaner.reserved_fds, &request.input, spec.io)
        .map_err(|error| format!("cannot make the command's files: {error}"))?;
    let no_capture = |error: io::Error| format!("cannot capture stdout and stderr: {error}");
    let capture = match spec.stdio {
        Stdio::Capture => Some(Capture::new().map_err(no_capture)?),
        Stdio::Inherit | Stdio::Null => None,
    };
    let plan = plan(request, &io, capture.as_ref(), deadline)?;
    Ok((Files { io, capture }, plan))
}
