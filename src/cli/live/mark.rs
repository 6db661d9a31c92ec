//! Lines that are to catch the eye, alone and in tables.

/// How much a line is to catch the eye: by a colour, where one is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Plain,
    Doubtful,
    Bad,
}

impl Mark {
    /// The line with its colour, where colours are wanted.
    pub(crate) fn of(self, line: &str) -> String {
        let colours = crate::terminal::has_colours();
        match self {
            Mark::Doubtful if colours => format!("\u{1b}[33m{line}\u{1b}[0m"),
            Mark::Bad if colours => format!("\u{1b}[31m{line}\u{1b}[0m"),
            _ => line.to_owned(),
        }
    }
}

/// Prints `rows` below `heads`, in columns as wide as their widest cell, some rows marked; the last
/// column is not padded.
pub(super) fn print(heads: &[&str], rows: &[(Vec<String>, Mark)]) {
    let width = |column: usize| {
        let cells =
            rows.iter().filter_map(|(row, _)| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<&str>, mark: Mark| {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            line += cell;
            if index + 1 < cells.len() {
                line += &" ".repeat(widths[index] - cell.chars().count() + 2);
            }
        }
        println!("{}", mark.of(line.trim_end()));
    };
    line(heads.to_vec(), Mark::Plain);
    line(widths.iter().map(|_| "").collect(), Mark::Plain);
    for (row, mark) in rows {
        line(row.iter().map(String::as_str).collect(), *mark);
    }
}
