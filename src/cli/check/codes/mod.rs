//! The kinds of findings: a row each, from which `check --explain`, the list of
//! `docs/check-codes.md` and every printed code are made.
//!
//! A code is stable: it keeps its meaning, and one that is given up is never used again.

mod commands;
mod conditions;
mod configuration;
mod places;
mod scripts;

pub(super) use commands::*;
pub(super) use conditions::*;
pub(super) use configuration::*;
pub(super) use places::*;
pub(super) use scripts::*;

use std::fmt::Write;

use serde_json::{Value, json};

/// One kind of finding.
#[derive(Debug)]
pub(super) struct Code {
    /// `MC` and three digits.
    pub(super) id: &'static str,
    /// The same in words: lower case, joined by hyphens.
    pub(super) name: &'static str,
    /// What is wrong, in a few words.
    pub(super) title: &'static str,
    /// Why that is wrong: what Mesos, the module, or the kernel does with it.
    pub(super) why: &'static str,
    /// How it looks.
    pub(super) example: &'static str,
    /// What to do.
    pub(super) advice: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Code) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

/// Defines constants for rows, and the list of them.
macro_rules! codes {
    ($($constant:ident = $id:literal $name:literal {
        title: $title:literal,
        why: $why:literal,
        example: $example:literal,
        advice: $advice:literal,
    })+) => {
        $(pub(in crate::check) const $constant: &$crate::check::codes::Code =
            &$crate::check::codes::Code {
                id: $id,
                name: $name,
                title: $title,
                why: $why,
                example: $example,
                advice: $advice,
            };)+

        /// The rows of this file.
        pub(super) const ROWS: &[&$crate::check::codes::Code] = &[$($constant),+];
    };
}
use codes;

/// All rows, by their numbers.
pub(super) fn all() -> impl Iterator<Item = &'static Code> {
    [configuration::ROWS, commands::ROWS, scripts::ROWS, places::ROWS, conditions::ROWS]
        .into_iter()
        .flatten()
        .copied()
}

/// The code with this number or name, in any case.
pub(super) fn find(text: &str) -> Option<&'static Code> {
    all().find(|code| code.id.eq_ignore_ascii_case(text) || code.name.eq_ignore_ascii_case(text))
}

/// All that is known of one, for people.
pub(super) fn explain(code: &Code) -> String {
    let mut text =
        format!("{} {}: {}\n\n{}\n\nFor example:\n\n", code.id, code.name, code.title, code.why);
    for line in code.example.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "\nWhat to do: {}", code.advice);
    text
}

/// All of them in a list, for people.
pub(super) fn text() -> String {
    let mut text = String::new();
    for code in all() {
        let _ = writeln!(text, "{}  {:<25} {}", code.id, code.name, code.title);
    }
    text + "\n`mesos-command check --explain CODE` says more of one\n"
}

/// The same for programs.
pub(super) fn data() -> Value {
    let one = |code: &Code| {
        json!({
            "code": code.id,
            "name": code.name,
            "title": code.title,
            "why": code.why,
            "example": code.example,
            "advice": code.advice,
        })
    };
    all().map(one).collect()
}

/// The page of the documentation.
pub(super) fn markdown() -> String {
    let mut text =
        String::from("| code | name | what is wrong | what to do |\n|---|---|---|---|\n");
    for code in all() {
        let cell = |text: &str| text.replace('|', "\\|");
        let (title, advice) = (cell(code.title), cell(code.advice));
        let _ = writeln!(text, "| {} | `{}` | {title} | {advice} |", code.id, code.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_whole() {
        let all: Vec<_> = all().collect();
        assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id), "by their numbers");
        for code in &all {
            let digits = code.id.strip_prefix("MC").expect("MC");
            assert!(
                digits.len() == 3 && digits.bytes().all(|it| it.is_ascii_digit()),
                "{}",
                code.id
            );
            assert_eq!(all.iter().filter(|it| it.name == code.name).count(), 1, "{}", code.name);
            for text in [code.title, code.why, code.example, code.advice] {
                assert!(!text.trim().is_empty(), "{}", code.id);
            }
            assert!(code.why.ends_with('.') && !code.title.ends_with('.'), "{}", code.id);
        }
        assert_eq!(find("mc001"), find("modules-bom"));
        assert_eq!(find("MC999"), None);
    }
}
