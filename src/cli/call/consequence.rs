//! What Mesos would make of an answer, in words: mostly those of the event's row.

use mesos_command::call::Answer;
use mesos_command::config::Config;
use mesos_command::event::{Event, Output, SkippedAnswer};

use super::made::Run;

/// The sentence for a call whose condition does not hold.
pub(super) fn of_skipped(event: Event) -> &'static str {
    match event.row().skipped {
        SkippedAnswer::Pending => "gets no answer, as where there is nothing to watch",
        _ => event.row().mesos.nothing,
    }
}

/// The sentence for one call.
pub(super) fn tell(config: &Config, event: Event, answer: &Answer, run: Option<&Run>) -> String {
    let failed = run.is_some_and(|run| run.failure.is_some());
    let what = event.row().mesos;
    match (event, answer) {
        (Event::Watch, Answer::Nothing) => {
            let pause = config.watch_interval;
            let told =
                if failed { "is told nothing of the failure" } else { "keeps the container" };
            format!("{told}; the command would run again after {pause:?}")
        }
        (Event::Usage | Event::Status, Answer::Nothing) if failed => format!(
            "is not told of the failure: it gets the last good value for {:?}, then {}",
            config.stale_ttl,
            what.nothing.trim_start_matches("gets ")
        ),
        (_, Answer::Failure(_)) => what.failure.to_owned(),
        (_, Answer::Nothing) if failed => {
            format!("is not told of the failure: it {}", what.nothing)
        }
        (Event::Watch, Answer::Message(bytes)) if bytes.is_empty() => {
            format!("{}: `{{}}` is a limitation too", what.value)
        }
        (_, Answer::Message(bytes)) if bytes.is_empty() && is_labels(event) => {
            "removes all labels".to_owned()
        }
        (_, Answer::Nothing) => what.nothing.to_owned(),
        (_, Answer::Message(_)) => what.value.to_owned(),
    }
}

fn is_labels(event: Event) -> bool {
    event.row().output == Output::Message("mesos.Labels")
}
