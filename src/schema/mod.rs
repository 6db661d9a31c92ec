//! Message bytes to JSON text and back, by descriptors known only at run time.
//!
//! A [`Schema`] is compiled once from the host's own descriptors, so a fork's additional fields
//! appear by themselves; [`Schema::built_in`] is the project's own description of Mesos 1.11, for
//! tests and the command line tool. A [`MessageType`] of it converts both ways, by the exact rules
//! of the conversion inside Mesos that the original modules used. Those rules are their scripts'
//! contract: keys sorted bytewise, explicit defaults written, invalid UTF-8 passed through, and on
//! the way in a parser that forgives more than JSON does.
//!
//! | file | what |
//! |---|---|
//! | `load`, `builtin`, `tables` | descriptors to compiled tables |
//! | `decode`, `to_json`, `text` | wire format to JSON |
//! | `json`, `normalise`, `number`, `from_json`, `encode`, `path` | JSON to wire format |
//! | `split` | a JSON object to the texts of its values |
//! | `inspect` | questions about bytes |
//! | `current` | the schema of this process |

mod builtin;
mod current;
mod decode;
mod describe;
mod encode;
mod error;
mod from_json;
mod inspect;
mod json;
mod load;
mod message;
mod normalise;
mod number;
mod path;
mod split;
mod tables;
mod text;
mod to_json;

pub use current::{current, install};
pub use describe::{FieldType, ValueType};
pub use error::{DecodeError, Loss, LossKind, ReadError, SchemaError};
pub use from_json::Parsed;
pub use inspect::FieldValue;
pub use load::Schema;
pub use message::MessageType;
pub use split::{Members, members as split_json_object, string as read_json_string, whole_number};
pub use text::{double as write_json_double, string as write_json_string};
