//! Tables for people.

use crate::terminal;

/// The last column is never made narrower than this.
const NARROWEST: usize = 24;

/// Prints `rows` below `heads`, in columns as wide as their widest cell; on a terminal the last one
/// is as wide as there is room, and goes on in the next line.
pub(crate) fn print(heads: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            line += cell;
            if index + 1 < cells.len() {
                line += &" ".repeat(widths[index] - cell.chars().count() + 2);
            }
        }
        println!("{}", line.trim_end());
    };
    line(heads.to_vec());
    line(widths.iter().map(|_| "").collect());
    let before: usize = widths.iter().take(heads.len().saturating_sub(1)).map(|it| it + 2).sum();
    let room = terminal::columns().map(|columns| columns.saturating_sub(before).max(NARROWEST));
    for row in rows {
        let mut cells: Vec<&str> = row.iter().map(String::as_str).collect();
        let last = cells.pop().unwrap_or_default();
        for (index, piece) in wrapped(last, room).into_iter().enumerate() {
            let others = cells.iter().map(|cell| if index == 0 { *cell } else { "" });
            line(others.chain([piece]).collect());
        }
    }
}

/// A text in lines of at most so many characters; words that are longer stay whole.
fn wrapped(text: &str, room: Option<usize>) -> Vec<&str> {
    let Some(room) = room else { return vec![text] };
    let (mut lines, mut rest) = (Vec::new(), text);
    while rest.chars().count() > room {
        let limit = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
        let at = match rest[limit..].starts_with(' ') {
            true => Some(limit),
            false => rest[..limit].rfind(' ').or_else(|| rest.find(' ')),
        };
        let Some(at) = at.filter(|at| *at > 0) else { break };
        lines.push(&rest[..at]);
        rest = rest[at..].trim_start();
    }
    lines.push(rest);
    lines
}

/// Text of a script or a file for a terminal: on one line, nothing that moves its cursor or colours
/// it.
pub(crate) fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    mesos_command::escape::one_line(text)
}

#[cfg(test)]
mod tests {
    use super::{plain, wrapped};

    #[test]
    fn a_long_cell_goes_on_in_the_next_line() {
        let text = "one two three fourteen";
        assert_eq!(wrapped(text, Some(9)), ["one two", "three", "fourteen"]);
        assert_eq!(wrapped(text, Some(3)), ["one", "two", "three", "fourteen"]);
        assert_eq!(wrapped("üüü üüü", Some(4)), ["üüü", "üüü"]);
        assert_eq!(wrapped(text, None), [text]);
        assert_eq!(wrapped("", Some(4)), [""]);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(plain("a\u{1b}[2Jb\r\nü"), "a\\x1b[2Jb\\r\\nü");
    }
}
