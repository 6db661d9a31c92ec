//! Who fails and who does not, for every way to lose a worker.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::command::{Background, CommandLine, Stdio};
use crate::event::Event;
use crate::run::{CommandSpec, ReplyOnce, Request};
use crate::staging::{Input, IoMode};
use crate::sys::Identity;

fn request(event: Event) -> Request {
    let spec = CommandSpec {
        event,
        module: "verdict".into(),
        command: CommandLine::Path("/bin/true".into()),
        environment: [].into(),
        timeout: None,
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 1000,
        io: IoMode::Files,
        stdio: Stdio::Null,
        identity: Identity::default(),
        background: Background::Kill,
        temp_dir: None,
        cgroups: None,
    };
    Request::new(Arc::new(spec), Input::Text(b"{}".as_slice().into()))
}

/// The requests 1, 2 and so on; `change` makes them what they are to be.
fn asked(event: Event, count: u64, change: impl Fn(&mut Asked)) -> Vec<Asked> {
    let one = |id| {
        let pending = Pending::new(request(event), None, ReplyOnce::new(|_| {}));
        let mut one = Asked { id, pending, cancelled: false, unseen: false };
        change(&mut one);
        one
    };
    (1..=count).map(one).collect()
}

/// How many are made again, how many of them as repeated ones, and for those that fail whether they
/// are innocent.
fn judged(fault: Fault, guilty: Option<u64>, asked: Vec<Asked>) -> (usize, u64, Vec<bool>) {
    let (_, verdict) = Verdict::of(Lost { fault, guilty, asked }, Instant::now());
    let repeated = verdict.repeated();
    let failed = verdict.failed.iter().map(|failed| failed.innocent).collect();
    (verdict.again.len(), repeated, failed)
}

fn same(_: &mut Asked) {}

#[test]
fn one_alone_is_guilty() {
    for fault in [Fault::Ended, Fault::Protocol("x".into()), Fault::TooLarge(1)] {
        assert_eq!(judged(fault, None, asked(Event::Usage, 1, same)), (0, 0, vec![false]));
    }
    let late = judged(Fault::Timeout, Some(1), asked(Event::Usage, 1, same));
    assert_eq!(late, (0, 0, vec![false]));
}

#[test]
fn of_several_samples_all_may_be_innocent_but_the_one_that_is_known() {
    for event in [Event::Usage, Event::Status, Event::UsageBatch, Event::Watch] {
        assert_eq!(judged(Fault::Ended, None, asked(event, 3, same)), (3, 3, vec![]));
        let late = judged(Fault::Timeout, Some(2), asked(event, 3, same));
        assert_eq!(late, (2, 2, vec![false]));
    }
}

#[test]
fn one_alone_has_nothing_to_do_with_an_answer_to_another() {
    let stray = || Fault::Stray("answered request 9".into());
    assert_eq!(judged(stray(), None, asked(Event::Usage, 1, same)), (1, 1, vec![]));
    assert_eq!(judged(stray(), None, asked(Event::Prepare, 1, same)), (0, 0, vec![false]));
}

#[test]
fn what_changes_something_is_not_repeated() {
    for event in [Event::Prepare, Event::Cleanup, Event::SlaveRunTaskLabelDecorator] {
        assert_eq!(judged(Fault::Ended, None, asked(event, 2, same)), (0, 0, vec![false, false]));
        let late = judged(Fault::Timeout, Some(2), asked(event, 2, same));
        assert_eq!(late, (0, 0, vec![true, false]));
    }
}

#[test]
fn nothing_is_repeated_twice_or_after_its_deadline() {
    let repeated = asked(Event::Usage, 2, |one| one.pending.repeated = true);
    assert_eq!(judged(Fault::Ended, None, repeated), (0, 0, vec![false, false]));
    let late = asked(Event::Usage, 2, |one| {
        one.pending.taken_up.deadline = Some(Instant::now()).filter(|_| one.id == 1);
    });
    assert_eq!(judged(Fault::Ended, None, late), (1, 1, vec![false]));
}

#[test]
fn what_was_not_seen_goes_elsewhere_whatever_it_is() {
    let last_unseen = |one: &mut Asked| one.unseen = one.id == 2;
    let prepare = asked(Event::Prepare, 2, last_unseen);
    assert_eq!(judged(Fault::Ended, None, prepare), (1, 0, vec![false]));
    // One was seen, so that it is not one of several.
    assert_eq!(
        judged(Fault::Ended, None, asked(Event::Usage, 2, last_unseen)),
        (1, 0, vec![false])
    );
    let late = asked(Event::Prepare, 2, last_unseen);
    assert_eq!(judged(Fault::Timeout, Some(1), late), (1, 0, vec![false]));
    let own = asked(Event::Usage, 2, last_unseen);
    assert_eq!(
        judged(Fault::Timeout, Some(2), own),
        (1, 1, vec![false]),
        "it was not read in time"
    );
}

#[test]
fn a_call_that_is_answered_is_nobody_s_but_a_suspect_all_the_same() {
    let withdrawn = asked(Event::Usage, 2, |one| {
        if one.id == 1 {
            one.pending.reply = ReplyOnce::given();
        }
    });
    assert_eq!(judged(Fault::Ended, None, withdrawn), (1, 1, vec![]));
}

#[test]
fn the_end_of_the_pool_repeats_nothing() {
    let all = asked(Event::Usage, 2, same);
    assert_eq!(judged(Fault::Stopped, None, all), (0, 0, vec![false, false]));
}
