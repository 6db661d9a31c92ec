//! Properties over random messages and texts.

use mesos_command::schema::{MessageType, ReadError};
use proptest::prelude::*;
use prost_reflect::{Cardinality, DynamicMessage, Kind, MessageDescriptor};
use serde_json::{Map, Value as Json, json};

use crate::{builtin::roots, builtin_message, grammar, reference, sample, wire};

/// A small generator, so that a whole message follows from one seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 11
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn text(&mut self) -> String {
        let pieces = ["a", "Z9", "\"", "\\", "\u{e9}", "\0", "\n", "\u{10ffff}", "/", "\u{1f600}"];
        (0..self.below(5)).map(|_| pieces[self.below(pieces.len())]).collect()
    }

    fn double(&mut self) -> f64 {
        let few = [0.0, -0.0, 1.0, 0.1, -2.5, 1e21, 1e-7, 123_456.75, f64::MAX, f64::INFINITY];
        match self.below(3) {
            0 => f64::from_bits(self.next() << 11 & !(0x400 << 52)),
            _ => few[self.below(few.len())],
        }
    }

    /// Wire bytes of a random message: any order, repetitions, packed and not, unknown fields.
    fn message(&mut self, of: &MessageDescriptor, depth: usize) -> Vec<u8> {
        let fields: Vec<_> = of.fields().collect();
        let mut out = Vec::new();
        for _ in 0..self.below(8) {
            if self.below(10) == 0 {
                out.extend(wire::varint(77_777, self.next()));
            }
            let field = &fields[self.below(fields.len())];
            let number = field.number();
            let packable = !matches!(field.kind(), Kind::String | Kind::Bytes | Kind::Message(_));
            if field.is_list() && packable && self.below(2) == 0 {
                let values: Vec<u8> = (0..self.below(4))
                    .flat_map(|_| {
                        let value = self.value(&field.kind(), 1, depth);
                        value[1..].to_vec()
                    })
                    .collect();
                out.extend(wire::bytes(number, &values));
            } else {
                out.extend(self.value(&field.kind(), number, depth));
            }
        }
        out
    }

    fn value(&mut self, kind: &Kind, number: u32, depth: usize) -> Vec<u8> {
        let bits = [0, 1, self.next() & 0xff, self.next(), u64::MAX][self.below(5)];
        match kind {
            Kind::Double => wire::fixed(number, &self.double().to_le_bytes()),
            Kind::Float => wire::fixed(number, &(self.double() as f32).to_le_bytes()),
            // Greater ones become doubles on the way back, as in the host.
            Kind::Fixed64 => wire::fixed(number, &(bits >> 1).to_le_bytes()),
            Kind::Sfixed64 => wire::fixed(number, &bits.to_le_bytes()),
            Kind::Fixed32 | Kind::Sfixed32 => wire::fixed(number, &(bits as u32).to_le_bytes()),
            Kind::Int32 => wire::varint(number, i64::from(bits as i32) as u64),
            Kind::Uint32 | Kind::Sint32 => wire::varint(number, bits & 0xffff_ffff),
            Kind::Bool => wire::varint(number, bits & 1),
            Kind::Uint64 => wire::varint(number, bits >> 1),
            Kind::Int64 | Kind::Sint64 => wire::varint(number, bits),
            Kind::String => wire::bytes(number, self.text().as_bytes()),
            Kind::Bytes => wire::bytes(number, &bits.to_le_bytes()[..self.below(9)]),
            Kind::Enum(_) => wire::varint(number, [1, 2, -3i64 as u64][self.below(3)]),
            Kind::Message(_) if depth == 0 => wire::bytes(number, &[]),
            Kind::Message(of) => {
                let inner = self.message(of, depth - 1);
                wire::bytes(number, &inner)
            }
        }
    }

    /// JSON of a random complete message.
    fn json(&mut self, of: &MessageDescriptor, depth: usize) -> Json {
        let mut object = Map::new();
        for field in of.fields() {
            let required = field.cardinality() == Cardinality::Required;
            let wanted = self.below(100) < if depth > 3 { 30 } else { 8 };
            if !required && (!wanted || depth == 0) {
                continue;
            }
            let below = depth.saturating_sub(1);
            let value = match field.kind() {
                Kind::Message(entry) if field.is_map() => {
                    let key = self.text();
                    json!({ key: self.json_value(&entry.map_entry_value_field().kind(), below) })
                }
                kind if field.is_list() => {
                    (0..1 + self.below(3)).map(|_| self.json_value(&kind, below)).collect()
                }
                kind => self.json_value(&kind, below),
            };
            object.insert(field.name().to_owned(), value);
        }
        Json::Object(object)
    }

    fn json_value(&mut self, of: &Kind, depth: usize) -> Json {
        match of {
            Kind::Double | Kind::Float => match self.double() {
                value if value.is_finite() => value.into(),
                _ => "Infinity".into(),
            },
            Kind::Uint32 | Kind::Fixed32 => (self.next() as u32).into(),
            Kind::Uint64 | Kind::Fixed64 => self.next().into(),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => (self.next() as i32).into(),
            // A dice has 53 bits.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => ((self.next() as i64) << 11).into(),
            Kind::Bool => (self.below(2) == 0).into(),
            Kind::String => self.text().into(),
            Kind::Bytes => "YWI=".into(),
            Kind::Enum(of) => {
                let names: Vec<_> = of.values().map(|value| value.name().to_owned()).collect();
                names[self.below(names.len())].clone().into()
            }
            Kind::Message(of) => self.json(of, depth),
        }
    }
}

/// A message of the built-in table, as prost-reflect has it.
fn mesos(name: &str) -> MessageDescriptor {
    reference::built_in().get_message_by_name(name).unwrap()
}

fn written(message: &MessageType, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    message.write_json(bytes, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The text of any message is what the plain reference makes of it.
    #[test]
    fn text_is_that_of_the_reference(seed: u64) {
        for name in ["t.All", "t3.Bare"] {
            let descriptor = reference::descriptor(name);
            let message = sample::message(name);
            let bytes = Dice(seed).message(&descriptor, 3);
            let text = written(&message, &bytes);
            let dynamic = DynamicMessage::decode(descriptor, &*bytes).unwrap();
            let read: Json = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(&read, &reference::json(&dynamic));
            let missing = reference::count_missing(&dynamic);
            // Back to bytes: the same message, or exactly the fields that are missing.
            match message.read_json(&text) {
                Ok(parsed) => {
                    prop_assert_eq!(written(&message, &parsed.bytes), text);
                    prop_assert_eq!(missing, 0);
                }
                Err(ReadError::MissingRequired { fields }) => {
                    prop_assert_eq!(fields.len(), missing);
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any complete message of Mesos goes there and back unchanged, without a loss.
    #[test]
    fn mesos_messages_go_round(seed: u64) {
        for name in roots() {
            let message = builtin_message(name);
            let text = Dice(seed).json(&mesos(name), 6).to_string();
            let parsed = message.read_json(text.as_bytes()).unwrap();
            prop_assert_eq!(&parsed.losses, &[]);
            let once = written(&message, &parsed.bytes);
            let again = message.read_json(&once).unwrap();
            prop_assert_eq!(&again.losses, &[]);
            prop_assert_eq!(written(&message, &again.bytes), once);
        }
    }

    /// Random bytes are a message or an error, never a panic.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["t.All", "t3.Bare"] {
            let message = sample::message(name);
            let _ = message.write_json(&bytes, &mut Vec::new());
            let _ = message.find_field(&bytes, "rec.m.req");
            let _ = message.clear_field(&mut bytes.clone(), "n");
        }
    }

    /// So are damaged messages, which get further.
    #[test]
    fn damaged_messages_are_survived(seed: u64, at: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = Dice(seed).message(&reference::descriptor("t.All"), 3);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(if cut { at } else { bytes.len() });
        }
        let all = sample::message("t.All");
        let _ = all.write_json(&bytes, &mut Vec::new());
        let _ = all.find_field(&bytes, "rec.r_m.req");
    }

    /// Any bytes in a string reach the wire and come back.
    #[test]
    fn strings_of_any_bytes_go_round(key: Vec<u8>, value: Vec<u8>) {
        let parameter = builtin_message("mesos.Parameter");
        let bytes = [wire::bytes(1, &key), wire::bytes(2, &value)].concat();
        let text = written(&parameter, &bytes);
        prop_assert_eq!(parameter.read_json(&text).unwrap().bytes, bytes);
    }

    /// Every double goes round exactly.
    #[test]
    fn doubles_go_round(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(!value.is_nan());
        let scalar = builtin_message("mesos.Value.Scalar");
        let bytes = wire::fixed(1, &value.to_le_bytes());
        let text = written(&scalar, &bytes);
        prop_assert_eq!(scalar.read_json(&text).unwrap().bytes, bytes);
    }
}

/// Pieces of which random texts are made: near enough to JSON to be often right.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed: Vec<&[u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\"a\"",
        b"\"a\":",
        b"\"d\":1",
        b"null",
        b"true",
        b"0",
        b"01",
        b"5.",
        b"-.5",
        b"-",
        b"1e5",
        b"1e400",
        b".5",
        b"+1",
        b"1E+2",
        b" ",
        b"\n",
        b"\x0b",
        b"\\",
        b"\"\\u00e9\"",
        b"\"\\ud83d\\ude00\"",
        b"\"\\ud800\"",
        b"\"\\udbff\\udfff\"",
        b"\"\xff\"",
        b"\"\xf4\x8f\xbf\xbf\"",
        b"\xff",
        b"\x00",
        b"[]",
        b"{}",
        b"{\"r_i32\":[1,2]}",
    ];
    prop_oneof![
        20 => prop::sample::select(fixed).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Exactly the texts that the host's parser accepts are accepted.
    #[test]
    fn the_choice_of_texts_is_the_hosts(pieces in prop::collection::vec(piece(), 0..12)) {
        let text = pieces.concat();
        for wrapped in [text.clone(), [b"{\"x\":[", &*text, b"]}"].concat()] {
            let read = sample::message("t.All").read_json(&wrapped);
            let malformed = matches!(read, Err(ReadError::Malformed { .. }));
            prop_assert_eq!(!malformed, grammar::accepts(&wrapped), "{}", wrapped.escape_ascii());
            if let Err(error) = read {
                prop_assert!(error.to_string().len() < 4000);
            }
        }
    }

    /// A damaged text of a real message is read or refused, never a panic.
    #[test]
    fn damaged_texts_are_survived(seed: u64, at: prop::sample::Index, piece in piece()) {
        let launch = builtin_message("mesos.slave.ContainerLaunchInfo");
        let mut text = Dice(seed).json(&mesos(launch.full_name()), 4).to_string().into_bytes();
        let at = at.index(text.len());
        text.splice(at..text.len().min(at + 1), piece);
        let malformed = matches!(launch.read_json(&text), Err(ReadError::Malformed { .. }));
        prop_assert_eq!(!malformed, grammar::accepts(&text), "{}", text.escape_ascii());
    }
}
