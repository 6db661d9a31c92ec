//! The models, each with a change to the engine that it was seen to refuse.

use models::play;
use models::reactor_model as reactor;
use models::run::lanes_model as lanes;
use models::timers_model as timers;
use models::worker::workers_model as workers;

/// Refuses a `Permit::drop` that counts its permit as free, and hands it over under a second lock.
#[test]
fn so_many_run_at_a_time_and_each_once() {
    play(1000, lanes::so_many_run_at_a_time_and_each_once);
}

/// Refuses a `Permit::drop` that lets go of the lock between the queue, which is empty, and the
/// count of free permits: what is queued in between waits for ever. And a `Queue::pop` that takes
/// the newest.
#[test]
fn turns_are_in_the_order_of_submission() {
    play(1000, lanes::turns_are_in_the_order_of_submission);
}

/// Refuses a `LaneQueue::admit` that compares the queue's length under another lock than that under
/// which it adds to the queue.
#[test]
fn a_full_queue_refuses_and_forgets_nothing() {
    play(1000, lanes::a_full_queue_refuses_and_forgets_nothing);
}

/// Refuses a `Permit::drop` that gives its permit back in a lane that has become narrower, and a
/// `LaneQueue::resize` that forgets how many have still to be taken.
#[test]
fn a_lane_that_is_resized_forgets_nothing() {
    play(1000, lanes::a_lane_that_is_resized_forgets_nothing);
}

/// Refuses a `Timers::due` that lets go of the lock before it says when the runtime wakes next.
#[test]
fn every_timer_is_done_once() {
    play(1000, timers::every_timer_is_done_once);
}

/// Refuses a `Reactor::serve` that does a job without calling another thread for the next.
#[test]
fn two_jobs_do_not_wait_for_each_other() {
    play(1000, reactor::two_jobs_do_not_wait_for_each_other);
}

/// Refuses a `Reactor::watch` that lets go of the lock between the descriptor, of which the kernel
/// is told, and its job.
#[test]
fn a_watched_descriptor_is_reported_or_taken_back() {
    play(1000, reactor::a_watched_descriptor_is_reported_or_taken_back);
}

/// Refuses a `Reactor::listen` whose descriptor is reported once (`EPOLLONESHOT`).
#[test]
fn a_listener_misses_nothing() {
    play(1000, reactor::a_listener_misses_nothing);
}

/// Refuses a `Shared::next_or_idle` that lets go of the lock between the queue, which is empty, and
/// the list of idle workers.
#[test]
fn every_call_has_its_answer() {
    play(300, workers::every_call_has_its_answer);
}

/// Refuses a `Pool::dispatch` that lets go of the lock between the look whether a worker is up, and
/// the queue.
#[test]
fn a_lost_worker_fails_one_call_at_most() {
    play(60, workers::a_lost_worker_fails_one_call_at_most);
}

/// Refuses a `Verdict` that blames all requests of a worker for its end.
#[test]
fn a_worker_that_is_lost_with_several_fails_none_of_them() {
    play(60, workers::a_worker_that_is_lost_with_several_fails_none_of_them);
}

/// Refuses a `Worker::begin` that gives up when the request that it was to begin was withdrawn.
#[test]
fn a_withdrawal_reaches_its_own_calls() {
    play(400, workers::a_withdrawal_reaches_its_own_calls);
}

/// Refuses a `Pool::dispatch` that queues a request although the pool has ended.
#[test]
fn the_end_of_the_pool_answers_everybody() {
    play(200, workers::the_end_of_the_pool_answers_everybody);
}
