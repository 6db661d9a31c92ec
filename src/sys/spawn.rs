//! Starting a program: the parent's side.
//!
//! [`spawn`] goes one of two ways, by the [start method](super::start_method()) of the process: a
//! clone that runs `child`, or `posix_spawn`.

#![expect(unsafe_code, reason = "takes ownership of the pidfd and shares a plan with the child")]

use std::ffi::{c_char, c_int};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use nix::errno::Errno;

use super::announced::Announced;
use super::child_identity::RawIdentity;
use super::child_plan::ChildPlan;
use super::clone::{Marks, Stack, clone_child, creates_in_cgroups};
use super::dispositions::ignored_by_host;
use super::features::features;
use super::files::above_stdio;
use super::forked::Forked;
use super::mask::with_all_blocked;
use super::pidfd::PidFd;
use super::plan::{NoProcess, Plan, Source, SpawnFailure, Spawned};
use super::posix_spawn;
use super::process_id::Pid;
use super::start_method::children_are_programs;
use super::starter;
use super::step::Step;

/// A program that is being started: what the child needs until it has left our memory, and what
/// became of the start. Kept for ever if dropped earlier.
#[derive(Debug)]
pub(crate) struct Start(Progress);

#[derive(Debug)]
enum Progress {
    /// The child shares our memory until it has executed the program.
    Shares(NonNull<Memory>),
    /// The program was executed before the start was reported; after this time.
    Executed(Duration),
    /// A process that stood ready was given the run.
    Forked(Box<Forked>),
}

// SAFETY: it owns its memory, and nothing about that is tied to a thread.
unsafe impl Send for Start {}
// SAFETY: through a shared reference only atomics are read.
unsafe impl Sync for Start {}

#[derive(Debug)]
struct Memory {
    plan: Plan,
    /// Pointers into the plan, which [`ChildPlan`] points to.
    _lists: [Vec<*const c_char>; 5],
    child: ChildPlan,
    /// Where the child says that it is there, if that is waited for.
    announced: Option<Arc<Announced>>,
    marks: Marks,
    stack: Stack,
    begun: Duration,
}

impl Start {
    /// What a child may still use; `None` when it never shared our memory.
    fn memory(&self) -> Option<&Memory> {
        let Progress::Shares(memory) = &self.0 else { return None };
        // SAFETY: made from a box, and freed only when this value is dropped. The child writes to
        // atomics, and to its part of the lists, which lies elsewhere.
        Some(unsafe { memory.as_ref() })
    }

    /// The start of a run that a process was given which stood ready.
    pub(super) fn forked(forked: Forked) -> Start {
        Start(Progress::Forked(Box::new(forked)))
    }

    fn as_forked(&self) -> Option<&Forked> {
        let Progress::Forked(forked) = &self.0 else { return None };
        Some(forked)
    }

    /// Whether a process that stood ready has executed the command anew; known when the start [is
    /// over](Start::is_over).
    pub(crate) fn ran_plainly(&self) -> bool {
        self.as_forked().is_some_and(Forked::ran_plainly)
    }

    /// Whether the child has left our memory: it has executed the program or ended. A process that
    /// stood ready: whether it has said that the script begins, or has ended.
    pub(crate) fn is_over(&self) -> bool {
        if let Some(forked) = self.as_forked() {
            return forked.is_over();
        }
        self.memory().is_none_or(|it| it.marks.inside.load(Ordering::SeqCst) == 0)
    }

    /// To be called when the child was seen to have ended, as a zombie or collected: it has left
    /// our memory. The kernel reports that itself, but for a child that a signal killed not before
    /// Linux 4.8 (`mm_release` in kernel/fork.c).
    pub(crate) fn child_has_ended(&self) {
        if let Some(memory) = self.memory() {
            memory.marks.inside.store(0, Ordering::SeqCst);
        }
        if let Some(forked) = self.as_forked() {
            forked.child_has_ended();
        }
    }

    /// Why the program was not executed; known when the start [is over](Start::is_over).
    pub(crate) fn failure(&self) -> Option<SpawnFailure> {
        if let Some(forked) = self.as_forked() {
            return forked.failure();
        }
        let child = &self.memory()?.child;
        let step = Step::from_raw(child.failed_step.load(Ordering::SeqCst))?;
        let errno = Errno::from_raw(child.failed_errno.load(Ordering::SeqCst));
        Some(SpawnFailure::Child(step, errno))
    }

    /// From the beginning to the moment before the program was executed; zero if that was not
    /// reached.
    pub(crate) fn duration(&self) -> Duration {
        match &self.0 {
            Progress::Executed(after) => *after,
            Progress::Forked(forked) => forked.duration(),
            Progress::Shares(_) => self.memory().map_or(Duration::ZERO, Memory::duration),
        }
    }

    /// The plan, for another attempt; `None` while the child may still use it, and when the program
    /// was executed before the start was reported.
    pub(crate) fn into_plan(mut self) -> Option<Plan> {
        let is_over = self.is_over();
        if let Progress::Forked(forked) = &mut self.0 {
            return Some(std::mem::take(&mut forked.plan));
        }
        let Progress::Shares(memory) = &mut self.0 else { return None };
        // SAFETY: as in `memory`; the child is gone, so no other thread looks at it.
        is_over.then(|| std::mem::take(unsafe { &mut memory.as_mut().plan }))
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        let is_over = self.is_over();
        let Progress::Shares(memory) = &self.0 else { return };
        if !is_over {
            // Better to lose the memory than to take it from under a child in the kernel.
            tracing::warn!("the start of a command hangs in the kernel; its memory is given up");
            return;
        }
        // SAFETY: it was made from a box, the child has left, and this value is gone after this.
        let memory = unsafe { Box::from_raw(memory.as_ptr()) };
        warn_of_oom_score(memory.child.oom_errno.load(Ordering::SeqCst));
        memory.stack.give_back();
    }
}

/// Starts a program by the process's [start method](super::start_method()).
///
/// May be called on any thread. By a clone it does not block, and the returned value reports what
/// becomes of the start; by `posix_spawn` it waits for that.
///
/// # Errors
/// When no process can be created, or by `posix_spawn` when the program cannot be executed.
pub(crate) fn spawn(plan: Plan) -> Result<(Spawned, Start), Box<NoProcess>> {
    if children_are_programs() {
        let (spawned, after) = posix_spawn::spawn(plan)?;
        return Ok((spawned, Start(Progress::Executed(after))));
    }
    spawn_by_clone(plan)
}

/// Starts a program without waiting for its execution: the kernel copies neither memory nor (if it
/// has close_range, and no descriptor of ours is for the child) the table of open files.
fn spawn_by_clone(plan: Plan) -> Result<(Spawned, Start), Box<NoProcess>> {
    let no_process =
        |errno, plan| Box::new(NoProcess { failure: SpawnFailure::Clone(errno), plan });
    let stack = match Stack::lease() {
        Ok(stack) => stack,
        Err(errno) => return Err(no_process(errno, plan)),
    };
    // With the table shared until the child's first call the cost does not grow with the host's
    // open descriptors; but then no descriptor of the host is left for the child to use.
    let takes_descriptors = plan.stdio.iter().any(|s| matches!(s, Source::Descriptor(_)));
    let shares_files = features().close_range && !takes_descriptors;
    let is_inside = plan.cgroups.unified.is_some() && creates_in_cgroups();
    let memory = Box::into_raw(Memory::new(plan, stack, shares_files, is_inside));
    // SAFETY: the box stays until the child has left, or there is none.
    let pid = match unsafe { create(memory, shares_files, is_inside) } {
        Ok(pid) => pid,
        Err(errno) => {
            // SAFETY: there is no child, so the box is ours alone again.
            let Memory { plan, stack, .. } = *unsafe { Box::from_raw(memory) };
            stack.give_back();
            if is_inside && !creates_in_cgroups() {
                // The kernel has just shown that it cannot: the child enters by itself.
                return spawn_by_clone(plan);
            }
            return Err(no_process(errno, plan));
        }
    };
    // SAFETY: it comes from a box.
    let start = Start(Progress::Shares(unsafe { NonNull::new_unchecked(memory) }));
    let fd = start.memory().map_or(-1, |it| it.marks.pidfd.load(Ordering::SeqCst));
    let pidfd = (fd >= 0).then(|| {
        // SAFETY: the kernel made this descriptor for us when it made the child.
        unsafe { OwnedFd::from_raw_fd(fd) }
    });
    let pidfd = pidfd.and_then(|fd| above_stdio(fd).ok()).map(PidFd::from);
    Ok((Spawned { pid, pidfd }, start))
}

/// Makes the child.
///
/// # Safety
/// `memory` is live, and stays where it is until the child has left.
unsafe fn create(memory: *mut Memory, shares_files: bool, is_inside: bool) -> Result<Pid, Errno> {
    // SAFETY: plan, lists, marks and stack are in the memory, or owned by it. The child, which is
    // not there yet, writes to nothing else of it than to `child`.
    let (child, stack, marks, announced) = unsafe {
        let child = &raw mut (*memory).child;
        (child, &(*memory).stack, &(*memory).marks, (*memory).announced.clone())
    };
    // SAFETY: as above.
    let unified = unsafe { (*memory).plan.cgroups.unified.as_ref() }.filter(|_| is_inside);
    let cgroup = unified.map(|it| it.directory.as_fd());
    let Some(announced) = announced else {
        // SAFETY: all signals are blocked; the rest is promised.
        return with_all_blocked(|| unsafe {
            clone_child(child, shares_files, cgroup, false, stack, marks)
        });
    };
    // SAFETY: nobody else has it yet.
    let changes_user = unsafe { (*child).identity.changes_user() };
    let plan = child;
    let cgroup = cgroup.map(|it| it.as_raw_fd());
    let job = starter::Job { plan, shares_files, cgroup, stack, marks, changes_user, announced };
    // SAFETY: promised.
    unsafe { starter::start(job) }
}

/// Says once that commands keep this process's `oom_score_adj`.
fn warn_of_oom_score(errno: c_int) {
    static SAID: Once = Once::new();
    if errno != 0 {
        SAID.call_once(|| {
            let why = Errno::from_raw(errno);
            tracing::warn!(
                "commands keep the agent's oom_score_adj, which is below 0: /proc/self/oom_score_adj \
                 cannot be written ({why})"
            );
        });
    }
}

impl Memory {
    fn new(plan: Plan, stack: Stack, shares_files: bool, is_inside: bool) -> Box<Memory> {
        let begun = now();
        let joins = plan.cgroups.joins(is_inside);
        let candidates: Vec<_> = plan.candidates.pointers(0).collect();
        let argv: Vec<_> = plan.arguments.pointers(0).collect();
        let envp: Vec<_> = plan.environment.pointers(0).collect();
        let mut shell_argv = vec![c"/bin/sh".as_ptr(), std::ptr::null()];
        shell_argv.extend(plan.arguments.pointers(1));
        let [stdin, stdout, stderr] = &plan.stdio;
        let (calls, call_count) = plan.helper.raw();
        let raises_oom_score = call_count == 0 && features().oom_score_below_0;
        let identity = RawIdentity::new(&plan.identity, raises_oom_score);
        let announced = identity.needs_starter().then(Arc::<Announced>::default);
        let child = ChildPlan {
            identity,
            announced: announced.as_ref().map_or(std::ptr::null(), |it| it.slot()),
            oom_errno: AtomicI32::new(0),
            calls,
            call_count,
            executes: AtomicU64::new(0),
            failed_step: AtomicI32::new(0),
            failed_errno: AtomicI32::new(0),
            joins: joins.as_ptr(),
            candidates: candidates.as_ptr(),
            argv: argv.as_ptr(),
            shell_argv: shell_argv.as_mut_ptr(),
            envp: envp.as_ptr(),
            stdio: [stdin.raw(), stdout.raw(), stderr.raw()],
            ignored: ignored_by_host(begun),
            not_default: u64::MAX,
            shares_files,
            has_close_range: features().close_range,
            ends_with: if plan.ends_with_starter { std::process::id() as c_int } else { 0 },
        };
        let marks = Marks { pidfd: AtomicI32::new(-1), inside: AtomicU32::new(1) };
        let lists = [joins, candidates, argv, envp, shell_argv];
        Box::new(Memory { plan, _lists: lists, child, announced, marks, stack, begun })
    }

    fn duration(&self) -> Duration {
        Duration::from_nanos(self.child.executes.load(Ordering::SeqCst)).saturating_sub(self.begun)
    }
}

/// The monotonic clock.
pub(super) fn now() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
#[path = "spawn_tests.rs"]
mod tests;
