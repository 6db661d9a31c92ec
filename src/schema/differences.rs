//! How two schemas differ, for telling a host's messages from those that are expected.

use std::collections::BTreeSet;

use super::{
    Schema,
    tables::{Cardinality, Field, Kind, Message, Tables},
};

/// Says in one line each how `other` differs from `base` in the messages that can be reached from
/// `roots` in either. Empty when there is no difference.
pub fn differences(base: &Schema, other: &Schema, roots: &[&str]) -> Vec<String> {
    let mut walk = Walk {
        base: base.tables(),
        other: other.tables(),
        seen: BTreeSet::new(),
        todo: roots.iter().map(|root| (*root).to_owned()).collect(),
        lines: Vec::new(),
    };
    while let Some(name) = walk.todo.pop() {
        if walk.seen.insert(name.clone()) {
            walk.message(&name);
        }
    }
    walk.lines.sort();
    walk.lines.dedup();
    walk.lines
}

struct Walk<'a> {
    base: &'a Tables,
    other: &'a Tables,
    seen: BTreeSet<String>,
    todo: Vec<String>,
    lines: Vec<String>,
}

impl Walk<'_> {
    fn message(&mut self, name: &str) {
        let find = |tables: &'_ Tables| tables.find(name);
        let (base, other) = match (find(self.base), find(self.other)) {
            (Some(base), Some(other)) => (self.base.message(base), self.other.message(other)),
            (Some(_), None) => return self.lines.push(format!("{name}: message is missing")),
            (None, Some(_)) => return self.lines.push(format!("{name}: message is new")),
            (None, None) => return self.lines.push(format!("{name}: message is in neither")),
        };
        let required = |message: &Message| {
            let names = message.required.iter().map(|rank| &*message.field(*rank).name);
            names.collect::<Vec<_>>().join(", ")
        };
        let (before, after) = (required(base), required(other));
        if before != after {
            self.lines.push(format!("{name}: required fields are {after} instead of {before}"));
        }
        let names: BTreeSet<&str> =
            base.fields.iter().chain(&other.fields).map(|field| &*field.name).collect();
        for field in names {
            let of = |message: &Message, tables: &Tables| {
                let rank = message.rank_of_name(field.as_bytes())?;
                Some(describe(message.field(rank), tables))
            };
            match (of(base, self.base), of(other, self.other)) {
                (Some(before), Some(after)) if before == after => {}
                (Some(before), Some(after)) => {
                    self.lines.push(format!("{name}.{field}: is {after} instead of {before}"));
                }
                (Some(before), None) => {
                    self.lines.push(format!("{name}.{field}: is missing ({before})"));
                }
                (None, Some(after)) => {
                    self.lines.push(format!("{name}.{field}: is new ({after})"));
                }
                (None, None) => {}
            }
        }
        for field in &base.fields {
            self.follow(self.base, field);
        }
        for field in &other.fields {
            self.follow(self.other, field);
        }
    }

    /// Goes on with the field's type. Types that only one side has are told by the field alone.
    fn follow(&mut self, tables: &Tables, field: &Field) {
        match field.kind {
            Kind::Message(index) => {
                let name = &tables.message(index).name;
                if self.base.find(name).is_some() && self.other.find(name).is_some() {
                    self.todo.push(name.clone().into_string());
                }
            }
            Kind::Enum(index) => {
                let name = tables.enumeration(index).name.clone();
                let values = |tables: &Tables| {
                    let found = tables.enums.iter().find(|of| of.name == name)?;
                    Some(found.values.clone())
                };
                let (Some(base), Some(other)) = (values(self.base), values(self.other)) else {
                    return;
                };
                for (value, number) in other.iter().filter(|value| !base.contains(value)) {
                    self.lines.push(format!("{name}.{value}: is new or another number ({number})"));
                }
                for (value, number) in base.iter().filter(|value| !other.contains(value)) {
                    self.lines.push(format!("{name}.{value}: is missing or was {number}"));
                }
            }
            _ => {}
        }
    }
}

fn describe(field: &Field, tables: &Tables) -> String {
    let kind = match field.kind {
        Kind::Message(index) => tables.message(index).name.clone().into_string(),
        Kind::Enum(index) => tables.enumeration(index).name.clone().into_string(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    let cardinality = match field.cardinality {
        Cardinality::Optional => "optional",
        Cardinality::Required => "required",
        Cardinality::Repeated => "repeated",
        Cardinality::Map => "map",
    };
    let mut text = format!("{cardinality} {kind} = {}", field.number);
    if let Some(default) = &field.default {
        text += &format!(" default {default}");
    }
    for (flag, word) in [
        (field.deprecated, " deprecated"),
        (field.packed, " packed"),
        (field.implicit, " implicit"),
        (field.oneof.is_some(), " in a oneof"),
    ] {
        if flag {
            text += word;
        }
    }
    text
}
