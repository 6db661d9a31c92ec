//! Single values: texts, names of enums, numbers.

use super::super::{
    error::{LossKind, ReadError},
    number::{NotANumber, Number},
    path::{Path, shorten},
    tables::{Cardinality, Field, Kind},
    text::decode_base64,
};
use super::{Loss, MAX_LOSSES, Reader, Set, expected};

impl Reader<'_> {
    pub(super) fn text(
        &mut self,
        field: &Field,
        text: &[u8],
        path: &Path<'_>,
    ) -> Result<Set, ReadError> {
        let name = &field.name;
        let refuse = |what: String, expected: &str| ReadError::Conversion {
            what,
            path: path.to_string(),
            expected: expected.to_owned(),
        };
        match field.kind {
            Kind::String => self.out.bytes(field, text),
            Kind::Bytes => match decode_base64(text) {
                Ok(bytes) => self.out.bytes(field, &bytes),
                Err(byte) => {
                    let byte = std::ascii::escape_default(byte);
                    let why = format!("Invalid character '{byte}'");
                    let what = format!("Failed to base64 decode bytes field '{name}': {why}");
                    return Err(refuse(what, "base64 in the standard alphabet"));
                }
            },
            Kind::Enum(index) => return self.enum_name(field, index, text, path),
            Kind::Bool => match trimmed(text) {
                b"true" => self.out.varint(field, 1),
                b"false" => self.out.varint(field, 0),
                _ => {
                    let text = shorten(text);
                    let what = format!(
                        "Failed to parse '{text}' as a JSON boolean for field '{name}': \
                         It is neither true nor false"
                    );
                    return Err(refuse(what, "true or false"));
                }
            },
            Kind::Message(_) => {
                let what = format!("Not expecting a JSON string for field '{name}'");
                return Err(refuse(what, "an object"));
            }
            kind => {
                let number = number_of(kind, text).map_err(|why| {
                    let why = match why {
                        NotANumber::Syntax => "It is not a number",
                        NotANumber::Range => "Value out of range",
                    };
                    let text = shorten(text);
                    let what = format!(
                        "Failed to parse '{text}' as a JSON number for field '{name}': {why}"
                    );
                    refuse(what, &expected(self.tables, field))
                })?;
                self.number(field, number, path);
            }
        }
        Ok(true)
    }

    fn enum_name(
        &mut self,
        field: &Field,
        index: u32,
        name: &[u8],
        path: &Path<'_>,
    ) -> Result<Set, ReadError> {
        if let Some(number) = self.tables.enumeration(index).number_of(name) {
            self.out.varint(field, i64::from(number) as u64);
            return Ok(true);
        }
        if field.cardinality == Cardinality::Required {
            return Err(ReadError::Conversion {
                what: format!("Failed to find enum for '{}'", shorten(name)),
                path: path.to_string(),
                expected: expected(self.tables, field),
            });
        }
        self.lose(LossKind::UnknownEnumName, path, || shorten(name));
        Ok(false)
    }

    /// Writes a number. False when the field takes none.
    pub(super) fn number(&mut self, field: &Field, number: Number, path: &Path<'_>) -> bool {
        let (stored, bits) = match field.kind {
            Kind::Double => {
                self.out.tag(field);
                self.out.raw(&number.as_f64().to_le_bytes());
                return true;
            }
            Kind::Float => {
                let value = number.as_f32();
                if value.is_infinite() && number.as_f64().is_finite() {
                    self.lose_number(LossKind::OutOfRange, path, number, &value);
                }
                self.out.tag(field);
                self.out.raw(&value.to_le_bytes());
                return true;
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                let value = number.as_i32();
                (i128::from(value), i64::from(value) as u64)
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                let value = number.as_i64();
                (value.into(), value as u64)
            }
            Kind::Uint32 | Kind::Fixed32 => {
                let value = number.as_u32();
                (value.into(), value.into())
            }
            Kind::Uint64 | Kind::Fixed64 => {
                let value = number.as_u64();
                (value.into(), value)
            }
            Kind::Bool | Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_) => {
                return false;
            }
        };
        if stored != number.exact() {
            let kind =
                if number.fits_i64() { LossKind::OutOfRange } else { LossKind::ThroughDouble };
            self.lose_number(kind, path, number, &stored);
        } else if number.has_fraction() {
            self.lose(LossKind::Fraction, path, || number.to_string());
        }
        match field.kind {
            Kind::Fixed32 | Kind::Sfixed32 => {
                self.out.tag(field);
                self.out.raw(&(bits as u32).to_le_bytes());
            }
            Kind::Fixed64 | Kind::Sfixed64 => {
                self.out.tag(field);
                self.out.raw(&bits.to_le_bytes());
            }
            Kind::Sint32 | Kind::Sint64 => {
                let value = bits as i64;
                self.out.varint(field, (value << 1 ^ value >> 63) as u64);
            }
            _ => self.out.varint(field, bits),
        }
        true
    }

    fn lose_number(
        &mut self,
        kind: LossKind,
        path: &Path<'_>,
        number: Number,
        stored: &dyn std::fmt::Display,
    ) {
        if self.losses.len() < MAX_LOSSES {
            let (path, value) = (path.to_string(), number.to_string());
            self.losses.push(Loss { kind, path, value, stored: stored.to_string() });
        }
    }
}

/// The number that a text is for a field of this kind.
fn number_of(kind: Kind, text: &[u8]) -> Result<Number, NotANumber> {
    match (kind, text) {
        (Kind::Double | Kind::Float, b"Infinity") => Ok(Number::Float(f64::INFINITY)),
        (Kind::Double | Kind::Float, b"-Infinity") => Ok(Number::Float(f64::NEG_INFINITY)),
        _ => Number::from_text(text),
    }
}

/// Without the white space that the host's parser takes around a lone word.
fn trimmed(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = text.iter().take_while(|byte| blank(byte)).count();
    let text = &text[start..];
    let end = text.iter().rposition(|byte| !blank(byte) && !matches!(byte, b'\x0b' | b'\x0c'));
    &text[..end.map_or(0, |last| last + 1)]
}
