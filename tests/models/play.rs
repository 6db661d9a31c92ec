//! How a model is played.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

/// More than a play takes that ends, and few enough that one that does not fails within a second.
const MOST_STEPS: usize = 100_000;
/// Of a task, in bytes: the engine's threads have more, and shuttle's default is too small.
const STACK_BYTES: usize = 256 * 1024;
/// At how many steps a task overtakes another, in the second half of the plays.
const DEPTH: usize = 3;

/// Plays `model` in so many orders: tasks take turns at random, and by priorities that change a few
/// times. A failure prints the schedule, which `shuttle::replay` plays again; it may end the test
/// process, because what the tasks of a failed play hold is dropped without the scheduler.
///
/// # Panics
/// When a task does, when all of them wait, or when a play has no end.
pub fn play(orders: usize, model: fn()) {
    // Tokio's timers belong to a runtime. Nothing drives this one, so that they never fire.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime without threads");
    let _entered = runtime.enter();
    let half = orders.div_ceil(2);
    run(RandomScheduler::new(half), model);
    run(PctScheduler::new(DEPTH, half), model);
}

fn run(scheduler: impl Scheduler + 'static, model: fn()) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    Runner::new(scheduler, config).run(model);
}
