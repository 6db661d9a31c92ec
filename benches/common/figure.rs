//! Figures for `benches/table.py`: one line of JSON each, beside what a bench prints for people.
//!
//! `{"figure": "spawn: launch, files p50", "value": 1.07, "unit": "x bare"}`. README.md has the
//! units.

/// Every figure with its bound, if it has one.
const LISTED: &str = include_str!("../bounds.json");

/// A figure that `benches/bounds.json` lists; made by [`figure!`].
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    name: &'static str,
    unit: &'static str,
}

/// A figure by its name and unit. A name that `benches/bounds.json` does not list does not compile.
macro_rules! figure {
    ($name:literal, $unit:literal) => {{
        const FIGURE: crate::figure::Figure = crate::figure::Figure::listed($name, $unit);
        FIGURE
    }};
}
pub(crate) use figure;

impl Figure {
    pub(crate) const fn listed(name: &'static str, unit: &'static str) -> Self {
        assert!(is_key(name.as_bytes()), "benches/bounds.json does not list this figure");
        Self { name, unit }
    }

    /// Prints its line.
    pub(crate) fn print(self, value: f64) {
        let line = serde_json::json!({"figure": self.name, "value": value, "unit": self.unit});
        println!("{line}");
    }
}

/// Whether the list has this name between quotation marks.
const fn is_key(name: &[u8]) -> bool {
    let list = LISTED.as_bytes();
    let mut at = 0;
    while at + name.len() + 2 <= list.len() {
        if list[at] == b'"' && list[at + name.len() + 1] == b'"' {
            let mut same = 0;
            while same < name.len() && list[at + 1 + same] == name[same] {
                same += 1;
            }
            if same == name.len() {
                return true;
            }
        }
        at += 1;
    }
    false
}
