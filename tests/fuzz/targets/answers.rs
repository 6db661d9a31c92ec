//! What scripts answer, for every event, as a call concludes with it.
//!
//! Input: a letter for the event (`a` is the first of `Event::ALL`), a digit for what the rules
//! ask and whether outputs are logged (its bits: command task, top level, `debug`), and then the
//! output.

use mesos_command::call::Answer;
use mesos_command::event::{Empty, Event, Output};
use mesos_command::fuzz::{About, conclude, rules};
use mesos_command::schema::{self, LossKind, MessageType};

use super::commands::command;
use super::{assert_shown, grammar, head};

/// Concludes a run with the output, and looks at what it came to.
pub fn run(data: &[u8]) {
    let Some(([letter, flags], output)) = head(data) else { return };
    let Some(event) = Event::from_index(letter.wrapping_sub(b'a')) else { return };
    let about = About { command_task: flags & 1 != 0, top_level: flags & 2 != 0 };
    let command = command(event, flags & 4 != 0);
    let result = conclude(command, output, about);
    let row = event.row();
    let blank = output.iter().all(u8::is_ascii_whitespace);
    match &result {
        Ok(None) => assert!(blank || row.output == Output::Ignored, "nothing, of an answer"),
        Ok(Some(_)) => assert!(!blank, "an answer, of nothing"),
        Err(failure) => {
            assert!(row.output != Output::Ignored, "{failure}");
            assert!(!blank || row.empty == Empty::Error, "{failure}");
            assert_shown(failure.reason.label());
        }
    }
    if let (Ok(Some(bytes)), Output::Message(name) | Output::List { carrier: name, .. }) =
        (&result, row.output)
    {
        assert!(grammar::accepts(output), "an answer, of no JSON");
        let kind = schema::current().message(name).unwrap();
        let mut ruled = bytes.clone();
        assert_eq!(rules(event, &kind, &mut ruled, about), Ok(vec![]), "a rule was passed over");
        assert_eq!(ruled, *bytes);
        let text = json(&kind, bytes);
        let again = kind.read_json_partial(&text).unwrap();
        // Of -1 in an unsigned field comes what the host reads as a double.
        if again.losses.iter().all(|loss| loss.kind != LossKind::ThroughDouble) {
            assert_eq!(json(&kind, &again.bytes), text, "there and back");
        }
        if let Some(dropped) = row.dropped {
            assert!(!kind.has_field(bytes, dropped).unwrap());
        }
    }
    told(command.answer(result));
}

fn json(kind: &MessageType, message: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    kind.write_json(message, &mut text).unwrap();
    text
}

/// What Mesos is told.
fn told(answer: Answer) {
    if let Answer::Failure(text) = answer {
        assert_shown(&text);
    }
}
