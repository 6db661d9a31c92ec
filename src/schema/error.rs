//! What can go wrong in the codec, and what it notes without failing.
//!
//! Texts of [`ReadError`] begin with the words that the original modules used for the same
//! refusal, because operators search their logs for them; what follows says where and what would
//! be accepted.

use std::fmt;

use thiserror::Error;

/// How many missing required fields one error text lists.
const LISTED_FIELDS: usize = 50;

/// A set of descriptors that cannot be used.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// One of the files is no serialised `FileDescriptorProto`.
    #[error("descriptor file number {index} cannot be decoded")]
    File {
        /// Its position in the list given.
        index: usize,
        /// Why.
        #[source]
        source: prost::DecodeError,
    },
    /// The files contradict one another or themselves.
    #[error("the descriptors do not fit together")]
    Pool(#[source] prost_reflect::DescriptorError),
    /// A construct that the transcoder does not know.
    #[error("{field}: {what} is not supported")]
    Unsupported {
        /// Full name of the field or message.
        field: String,
        /// The construct.
        what: &'static str,
    },
    /// A line of the built-in table is wrong.
    #[error("line {line} of the built-in descriptor table: {what}")]
    Table {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Message bytes that are no protobuf wire format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("malformed {message} at byte {offset}: {what}")]
pub struct DecodeError {
    /// Offset in the bytes given.
    pub offset: usize,
    /// Full name of the innermost message type being read.
    pub message: String,
    /// What is wrong.
    pub what: &'static str,
}

/// JSON text that does not become a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The text is no JSON.
    #[error("Malformed JSON. {reason} at line {line} column {column}{near}")]
    Malformed {
        /// What the parser says.
        reason: String,
        /// Counted from 1.
        line: usize,
        /// In bytes, counted from 1.
        column: usize,
        /// Empty, or `, near "…"`.
        near: String,
    },
    /// The text is JSON, but not an object.
    #[error("Malformed Protobuf. JSON object is expected. Found {found}")]
    NotAnObject {
        /// The kind of value that it is.
        found: &'static str,
    },
    /// A value does not fit its field.
    #[error("Error while converting JSON to protobuf. {what} (at {path}, expected {expected})")]
    Conversion {
        /// The original's words.
        what: String,
        /// Where, for example `resources[0].name`.
        path: String,
        /// What would be accepted.
        expected: String,
    },
    /// Required fields are absent, anywhere in the tree.
    #[error("Error while converting JSON to protobuf. Missing required fields: {}", list(.fields))]
    MissingRequired {
        /// Their paths.
        fields: Vec<String>,
    },
    /// The message type has no such repeated field (a fault of the caller, not of the text).
    #[error("{message} has no repeated field {field}")]
    NoSuchList {
        /// Full name of the message type.
        message: String,
        /// The field asked for.
        field: String,
    },
}

fn list(fields: &[String]) -> String {
    let mut text = fields.iter().take(LISTED_FIELDS).cloned().collect::<Vec<_>>().join(", ");
    if fields.len() > LISTED_FIELDS {
        text += &format!(" and {} more", fields.len() - LISTED_FIELDS);
    }
    text
}

/// The kind of a [`Loss`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossKind {
    /// A key that the message type does not have; ignored.
    UnknownKey,
    /// A name that the enum does not have, in a field that is not required; the field stays unset.
    UnknownEnumName,
    /// A number outside the range of its field; what was stored is another number.
    OutOfRange,
    /// An integer that no signed one of 64 bits holds: the host reads it as a double, and casts
    /// that.
    ThroughDouble,
    /// The fraction of a number given for an integer field; cut off.
    Fraction,
}

impl LossKind {
    /// A stable lower-case name, fit for a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            LossKind::UnknownKey => "unknown_key",
            LossKind::UnknownEnumName => "unknown_enum_name",
            LossKind::OutOfRange => "out_of_range",
            LossKind::ThroughDouble => "through_double",
            LossKind::Fraction => "fraction",
        }
    }
}

/// Something in the JSON text that did not reach the message, as in the original, which says
/// nothing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What happened.
    pub kind: LossKind,
    /// Where, for example `resources[0].name`. For an unknown key it ends with that key.
    pub path: String,
    /// The value given, shortened; empty for an unknown key.
    pub value: String,
    /// What became of a number that was changed; empty otherwise.
    pub stored: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss { kind, path, value, stored } = self;
        match kind {
            LossKind::UnknownKey => write!(f, "{path}: unknown key, ignored"),
            LossKind::UnknownEnumName => write!(f, "{path}: unknown enum name '{value}', ignored"),
            LossKind::OutOfRange => {
                write!(f, "{path}: {value} is out of range, stored as {stored}")
            }
            LossKind::ThroughDouble => write!(
                f,
                "{path}: {value} does not fit a signed integer of 64 bits and is read as a double, as \
                 in the original: stored as {stored}"
            ),
            LossKind::Fraction => write!(f, "{path}: {value} is not an integer, fraction cut off"),
        }
    }
}
