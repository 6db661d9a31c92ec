//! Tables for people.

/// Prints `rows` below `heads`, in columns as wide as their widest cell; the last column is not
/// padded.
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
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}

/// Text of a script or a file for a terminal: on one line, nothing that moves its cursor or colours
/// it.
pub(crate) fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    mesos_command::escape::one_line(text)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(plain("a\u{1b}[2Jb\r\nü"), "a\\x1b[2Jb\\r\\nü");
    }
}
