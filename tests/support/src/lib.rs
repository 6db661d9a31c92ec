//! What the tests share: waiting, skipping, processes of their own, a busy machine.
//!
//! The rules are in `tests/README.md`. Nothing here knows the product.

mod cgroups;
mod dead_disk;
mod dying_fs;
mod lateness;
mod log;
mod own_process;
mod repository;
mod skip;
mod wait;

pub use cgroups::{CGROUP_ROOT, CGROUP_VERSION, each_cgroup_version};
pub use dead_disk::DeadDisk;
pub use dying_fs::DyingFs;
pub use lateness::{Lateness, Verdict, in_time};
pub use log::{collect_log, logged};
pub use own_process::{own_process, own_process_by, own_process_with};
pub use repository::repository;
pub use skip::{is_allowed, note, skip, skip_offline};
pub use wait::{PATIENCE, dropped_unanswered, until, wait_for};
