//! Each object of the file, as stout converts it.

use super::super::json::{Json, Node, Span};
use super::{Library, Module, ModulesFile, Oddity, Parameter, Remark, Text};

/// Reads the object with these entries, which stands there and is at this path.
type Reads<T> = fn(&mut ModulesFile, At, &str, Entries) -> Option<T>;
/// Keys and values of an object.
type Entries = Vec<(Text, Node)>;

/// Where something stands.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) span: Span,
}

impl At {
    pub(super) fn of(node: &Node) -> At {
        At { line: node.line, span: node.span }
    }

    fn key(key: &Text) -> At {
        At { line: key.line, span: key.span }
    }
}

impl ModulesFile {
    pub(super) fn problem(&mut self, At { line, span }: At, path: &str, what: &str) {
        self.problems.push(Remark { line, span, path: path.to_owned(), what: what.to_owned() });
    }

    fn oddity(&mut self, At { line, span }: At, path: &str, what: Oddity) {
        self.oddities.push(Remark { line, span, path: path.to_owned(), what });
    }

    pub(super) fn library(&mut self, at: At, path: &str, entries: Entries) -> Option<Library> {
        let mut fields = self.fields(path, entries, &["file", "name", "modules"]).into_iter();
        let file = self.string(fields.next()?, &format!("{path}.file"));
        let name = self.string(fields.next()?, &format!("{path}.name"));
        let modules = self.list(fields.next()?, &format!("{path}.modules"), ModulesFile::module);
        Some(Library { line: at.line, span: at.span, file, name, modules })
    }

    fn module(&mut self, at: At, path: &str, entries: Entries) -> Option<Module> {
        let mut fields = self.fields(path, entries, &["name", "parameters"]).into_iter();
        let name = self.string(fields.next()?, &format!("{path}.name"));
        let parameters =
            self.list(fields.next()?, &format!("{path}.parameters"), ModulesFile::parameter);
        Some(Module { line: at.line, span: at.span, name, parameters })
    }

    fn parameter(&mut self, at: At, path: &str, entries: Entries) -> Option<Parameter> {
        let known = self.problems.len();
        let mut fields = self.fields(path, entries, &["key", "value"]).into_iter();
        let key = self.string(fields.next()?, &format!("{path}.key"));
        let value = self.string(fields.next()?, &format!("{path}.value"));
        if self.problems.len() == known {
            for (name, text) in [("key", &key), ("value", &value)] {
                if text.is_none() {
                    let what = format!("'{name}' is missing; a parameter needs both, as strings");
                    self.problem(at, path, &what);
                }
            }
        }
        Some(Parameter { span: at.span, key: key?, value: value? })
    }

    /// The values of the known keys, in their order; the last of equal keys.
    pub(super) fn fields(
        &mut self,
        path: &str,
        entries: Entries,
        known: &[&str],
    ) -> Vec<Option<Node>> {
        let mut found: Vec<Option<Node>> = vec![None; known.len()];
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        for (key, node) in entries {
            let path = format!("{prefix}{}", key.text);
            let Some(index) = known.iter().position(|name| *name == key.text) else {
                self.oddity(At::key(&key), &path, Oddity::UnknownKey);
                continue;
            };
            if node.value == Json::Null {
                self.oddity(At::of(&node), &path, Oddity::Null);
            }
            if found[index].is_some() {
                self.oddity(At::key(&key), &path, Oddity::RepeatedKey);
            }
            found[index] = Some(node).filter(|node| node.value != Json::Null);
        }
        found
    }

    fn string(&mut self, node: Option<Node>, path: &str) -> Option<Text> {
        let Node { line, span, value } = node?;
        let what = match value {
            Json::String(text) => return Some(Text { text, line, span }),
            Json::Number(number) => {
                format!("a number where a string is needed: write \"{number}\"")
            }
            other => format!("{} where a string is needed", other.kind()),
        };
        self.problem(At { line, span }, path, &what);
        None
    }

    pub(super) fn list<T>(&mut self, node: Option<Node>, path: &str, read: Reads<T>) -> Vec<T> {
        let Some(Node { line, span, value }) = node else { return Vec::new() };
        let at = At { line, span };
        let mut items = Vec::new();
        match value {
            Json::Array(nodes) => self.items(nodes, path, read, &mut items),
            Json::Object(entries) => {
                self.oddity(at, path, Oddity::NoList);
                items.extend(read(self, at, path, entries));
            }
            other => {
                let what = format!("{} where a list of objects is needed", other.kind());
                self.problem(at, path, &what);
            }
        }
        items
    }

    fn items<T>(&mut self, nodes: Vec<Node>, path: &str, read: Reads<T>, items: &mut Vec<T>) {
        for (index, Node { line, span, value }) in nodes.into_iter().enumerate() {
            let (path, at) = (format!("{path}[{index}]"), At { line, span });
            match value {
                Json::Object(entries) => items.extend(read(self, at, &path, entries)),
                Json::Null => self.oddity(at, &path, Oddity::Null),
                Json::Array(nodes) => {
                    self.oddity(at, &path, Oddity::ListInList);
                    self.items(nodes, &path, read, items);
                }
                other => {
                    let what = format!("{} where an object is needed", other.kind());
                    self.problem(at, &path, &what);
                }
            }
        }
    }
}
