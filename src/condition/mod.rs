//! Conditions: for which containers and tasks the command of an event is run (`<event>_when`).
//!
//! ```text
//! condition = all { "||" all }
//! all       = one { "&&" one }
//! one       = "!" one | "(" condition ")" | term
//! term      = field [ ( "==" | "^=" ) text ]
//! field     = "label." ( word | quoted ) | "framework.name" | "role" | …
//! text      = word | quoted
//! word      = one or more of A-Z a-z 0-9 _ - . / : @ +
//! quoted    = "'" … "'" | '"' … '"', in which a backslash stands before a quote or a backslash
//! ```
//!
//! A field alone asks whether it is there, `==` whether it has this text, `^=` whether its text
//! begins with this one. What is absent is neither there nor equal to anything. There is nothing
//! else on purpose: a condition is decided on the agent's own threads, so it must be cheap and
//! always end.
//!
//! * `fields`: what can be asked of which event, as a table. `syntax`: text to expression.
//!   `expression`: what was read, and as text again. `evaluate`: against the messages of a call.

mod evaluate;
mod expression;
mod fields;
mod syntax;

pub use evaluate::{Asked, Given};
pub use expression::{Expression, Span, Term, Test};
pub use fields::{Field, Kind, fields_of, list_of, looked_at};
pub use syntax::{Fault, FaultKind};

use crate::event::Event;

/// The longest condition, in bytes.
pub const MOST_BYTES: usize = 4096;
/// How deep negations and parentheses may lie in one another.
pub const MOST_DEPTH: usize = 32;

/// When the command of one event is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    event: Event,
    text: String,
    expression: Expression,
}

impl Condition {
    /// Reads a condition for an event.
    ///
    /// # Errors
    /// Text that is no condition, that is too long, or that asks what the event does not have.
    pub fn parse(event: Event, text: &str) -> Result<Condition, Fault> {
        let expression = syntax::parse(event, text)?;
        Ok(Condition { event, text: text.to_owned(), expression })
    }

    /// As the operator has written it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was read.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Whether the command is run for what is `given`.
    pub fn holds(&self, given: &[Given<'_>]) -> bool {
        evaluate::holds(&self.expression, self.event, given)
    }

    /// Each of its terms with what was found, in their order.
    pub fn asked(&self, given: &[Given<'_>]) -> Vec<Asked> {
        evaluate::asked(&self.expression, self.event, given)
    }
}

/// What an input has of a field of `event`; of labels all of them, as `NAME=VALUE`.
pub fn values_of(field: &'static Field, event: Event, given: &[Given<'_>]) -> Vec<String> {
    evaluate::values_of(field, event, given)
}

#[cfg(test)]
mod tests;
