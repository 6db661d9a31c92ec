//! HTML that is being written. Markup is only what stands in this program; everything else is
//! escaped, made visible and cut, and the whole has an end.

use std::borrow::Cow;

use crate::escape::one_line;

/// Characters of a cell at the most: what is longer is told by the control socket.
const MOST_CELL: usize = 600;
/// Characters of a text of several lines.
const MOST_LINES: usize = 5000;

/// A page, or a part of one.
pub(super) struct Html {
    text: String,
    most: usize,
}

/// What a cell of a table has.
pub(super) enum Cell {
    /// Words.
    Text(String),
    /// A number or a time, which is never broken.
    Number(String),
    /// Text of several lines.
    Lines(String),
    /// What is to catch the eye: words of ours, and others.
    Marked(&'static str, String),
}

/// A table and what is said of it.
pub(super) struct Table {
    /// The name of its section.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) heads: &'static [&'static str],
    /// What is said when it has no rows.
    pub(super) empty: &'static str,
}

impl Html {
    /// Nothing yet; rows are left out beyond `most` bytes.
    pub(super) fn new(most: usize) -> Html {
        Html { text: String::new(), most }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Markup, and words of ours.
    pub(super) fn markup(&mut self, markup: &'static str) {
        self.text.push_str(markup);
    }

    /// Somebody else's words.
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(&escaped(&one_line(&cut(text, MOST_CELL))));
    }

    fn lines(&mut self, text: &str) {
        for (number, line) in cut(text, MOST_LINES).lines().enumerate() {
            if number > 0 {
                self.text.push('\n');
            }
            self.text.push_str(&escaped(&one_line(line)));
        }
    }

    /// A section with a table. The first cell of each row is its head. `left_out` rows are not
    /// among them.
    pub(super) fn table(
        &mut self,
        table: &Table,
        rows: impl IntoIterator<Item = Vec<Cell>>,
        left_out: usize,
    ) {
        self.begin_section(table.id, table.title);
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            self.markup("<p>");
            self.markup(table.empty);
            self.markup("</p>\n</section>\n");
            return;
        }
        self.markup("<div class=\"wide\" role=\"group\" tabindex=\"0\" aria-labelledby=\"");
        self.markup(table.id);
        self.markup("\">\n<table>\n<thead><tr>");
        for head in table.heads {
            self.markup("<th scope=\"col\">");
            self.markup(head);
            self.markup("</th>");
        }
        self.markup("</tr></thead>\n<tbody>\n");
        let mut left_out = left_out;
        for row in rows {
            if self.text.len() > self.most {
                left_out += 1;
            } else {
                self.row(&row);
            }
        }
        self.markup("</tbody>\n</table>\n</div>\n");
        if left_out > 0 {
            self.markup("<p>");
            self.text(&left_out.to_string());
            self.markup(" more are not shown; the control socket has them.</p>\n");
        }
        self.markup("</section>\n");
    }

    pub(super) fn begin_section(&mut self, id: &'static str, title: &'static str) {
        self.markup("<section aria-labelledby=\"");
        self.markup(id);
        self.markup("\">\n<h2 id=\"");
        self.markup(id);
        self.markup("\">");
        self.markup(title);
        self.markup("</h2>\n");
    }

    fn row(&mut self, row: &[Cell]) {
        self.markup("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let is_head = index == 0;
            match (is_head, cell) {
                (true, Cell::Number(_)) => self.markup("<th scope=\"row\" class=\"number\">"),
                (true, _) => self.markup("<th scope=\"row\">"),
                (false, Cell::Number(_)) => self.markup("<td class=\"number\">"),
                (false, _) => self.markup("<td>"),
            }
            match cell {
                Cell::Text(text) | Cell::Number(text) => self.text(text),
                Cell::Lines(text) if text.is_empty() => self.markup("–"),
                Cell::Lines(text) => {
                    self.markup("<pre>");
                    self.lines(text);
                    self.markup("</pre>");
                }
                Cell::Marked(words, text) => {
                    self.markup("<strong>");
                    self.markup(words);
                    if !words.is_empty() && !text.is_empty() {
                        self.markup(" ");
                    }
                    self.text(text);
                    self.markup("</strong>");
                }
            }
            self.markup(if is_head { "</th>" } else { "</td>" });
        }
        self.markup("</tr>\n");
    }
}

/// The beginning of a text, with a mark where it was cut.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Text for everywhere in HTML: between tags, and in quoted attributes.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: Table = Table { id: "x", title: "X", heads: &["A", "B"], empty: "none" };

    fn row(text: &str) -> Vec<Cell> {
        vec![Cell::Text(text.to_owned()), Cell::Lines(text.to_owned())]
    }

    #[test]
    fn foreign_text_is_escaped_made_visible_and_cut() {
        let mut html = Html::new(1 << 20);
        let hostile = "<script>alert(\"1\")</script>&amp;'\u{202e}\u{1b}[2J\nmore";
        html.table(&TABLE, [row(hostile), row(&"ü".repeat(20_000))], 0);
        let text = html.finish();
        for bad in ["<script", "\u{202e}", "\u{1b}", "\"1\""] {
            assert!(!text.contains(bad), "{bad}: {text}");
        }
        assert!(text.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;"));
        assert!(text.contains("\\nmore</th>") && text.contains("\nmore</pre>"), "{text}");
        assert!(text.contains(&format!("{}…</th>", "ü".repeat(MOST_CELL))));
        assert!(text.contains(&format!("{}…</pre>", "ü".repeat(MOST_LINES))));
    }

    #[test]
    fn a_page_has_an_end_and_says_what_is_missing() {
        let mut html = Html::new(10_000);
        html.table(&TABLE, (0..1000).map(|_| row(&"&".repeat(100))), 7);
        let text = html.finish();
        assert!(text.len() < 20_000, "{}", text.len());
        let shown = text.matches("<tr><th").count() - 1;
        assert!(text.contains(&format!("<p>{} more are not shown", 1000 - shown + 7)), "{text}");
        let mut html = Html::new(100);
        html.table(&TABLE, [], 0);
        assert!(html.finish().contains("<p>none</p>"));
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup(text in ".{0,200}") {
            let mut html = Html::new(1 << 20);
            html.text(&text);
            html.lines(&text);
            let safe = html.finish();
            prop_assert!(!safe.contains(['<', '>', '"', '\'']));
            let without = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            prop_assert!(!without.iter().fold(safe, |safe, it| safe.replace(it, "")).contains('&'));
        }
    }
}
