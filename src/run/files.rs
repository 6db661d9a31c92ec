//! The files of a run, and the plan of its program.

use std::io;
use std::time::Instant;

use crate::command::Stdio;
use crate::staging::{Capture, MakeError, RunFiles};
use crate::sys::Plan;

use super::Request;
use super::plan::{PlanError, plan};
use super::services::Services;

/// The files of a run.
pub(super) struct Files {
    pub(super) io: RunFiles,
    pub(super) capture: Option<Capture>,
}

/// Why a run has no files or no plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error("no place for the command's files: {0}")]
    Staging(io::Error),
    #[error("cannot make the command's files: {0}")]
    Files(io::Error),
    #[error("cannot capture stdout and stderr: {0}")]
    Capture(io::Error),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    OnDisk(#[from] MakeError),
}

/// Makes the files of a run and plans its program. Files on a disk are not made yet.
///
/// # Errors
/// All but [`PrepareError::OnDisk`].
pub(super) fn prepare(
    services: &Services,
    request: &Request,
    deadline: Option<Instant>,
) -> Result<(Files, Plan), PrepareError> {
    let spec = &request.spec;
    let staging = services.staging(spec.temp_dir.as_deref()).map_err(PrepareError::Staging)?;
    let (reserved, user) = (&services.cleaner.reserved_fds, spec.identity.user.as_ref());
    let io = RunFiles::create(&staging, reserved, &request.input, spec.io, user)
        .map_err(PrepareError::Files)?;
    let capture = match spec.stdio {
        Stdio::Capture => Some(Capture::new(user).map_err(PrepareError::Capture)?),
        Stdio::Inherit | Stdio::Null => None,
    };
    let plan = plan(request, &io, capture.as_ref(), deadline)?;
    Ok((Files { io, capture }, plan))
}
