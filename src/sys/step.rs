//! The parts of a child's way to its program.

/// One of them, for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Step {
    /// Closing the host's descriptors.
    CloseDescriptors = 1,
    /// Entering its cgroups.
    Cgroup,
    /// Opening the input as stdin.
    Stdin,
    /// Opening stdout or stderr.
    Output,
    /// Setting the niceness.
    Nice,
    /// Setting the limit of open descriptors.
    OpenFiles,
    /// Setting the supplementary groups.
    Groups,
    /// Setting the group.
    Group,
    /// Setting the user.
    User,
    /// execve.
    Execute,
}

impl Step {
    pub(super) fn from_raw(raw: i32) -> Option<Step> {
        [
            Step::CloseDescriptors,
            Step::Cgroup,
            Step::Stdin,
            Step::Output,
            Step::Nice,
            Step::OpenFiles,
            Step::Groups,
            Step::Group,
            Step::User,
            Step::Execute,
        ]
        .into_iter()
        .find(|step| *step as i32 == raw)
    }
}
