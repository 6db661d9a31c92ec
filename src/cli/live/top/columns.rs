//! Tables that fit a width: columns that are wanted most come first, and cells are cut where there
//! is no room.

/// Between two columns.
const GAP: usize = 2;

/// A column of a table of `T`.
pub(super) struct Column<T> {
    pub(super) head: &'static str,
    /// Those with the lowest number are there at any width.
    pub(super) rank: u8,
    /// To the right, as numbers are.
    pub(super) right: bool,
    /// It is never cut below this.
    pub(super) least: usize,
    pub(super) cell: fn(&T) -> String,
}

/// Which columns there is room for, and how wide each is: as its widest cell, or less.
fn widths(heads: &[(usize, u8)], content: &[usize], width: usize) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..heads.len()).collect();
    order.sort_by_key(|column| heads[*column].1);
    let mut chosen = vec![None; heads.len()];
    let mut left = width + GAP;
    // As narrow as they may be, the most wanted first.
    for column in &order {
        let least = content[*column].min(heads[*column].0);
        if left >= least + GAP {
            chosen[*column] = Some(least);
            left -= least + GAP;
        }
    }
    // What is left goes to those that are cut, in the same order.
    for column in order {
        if let Some(width) = &mut chosen[column] {
            let more = (content[column] - *width).min(left);
            *width += more;
            left -= more;
        }
    }
    chosen
}

/// The head and a line for each row, of at most `width` characters. The head of the column `sorted`
/// is marked.
pub(super) fn table<T>(
    columns: &[Column<T>],
    rows: &[&T],
    width: usize,
    sorted: Option<usize>,
) -> (String, Vec<String>) {
    let heads = columns.iter().enumerate().map(|(index, column)| {
        if sorted == Some(index) { format!("{}*", column.head) } else { column.head.to_owned() }
    });
    let heads: Vec<String> = heads.collect();
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect()).collect();
    let content: Vec<usize> = (0..columns.len())
        .map(|column| {
            let cells = cells.iter().map(|row| row[column].chars().count());
            cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let bounds: Vec<(usize, u8)> =
        columns.iter().map(|column| (column.least, column.rank)).collect();
    let widths = widths(&bounds, &content, width);
    let line = |cells: &[String]| {
        let mut line = String::new();
        for ((column, cell), width) in columns.iter().zip(cells).zip(&widths) {
            let Some(width) = *width else { continue };
            if !line.is_empty() {
                line += &" ".repeat(GAP);
            }
            let cell = cut(cell, width);
            let padding = " ".repeat(width - cell.chars().count());
            line += &if column.right { padding + &cell } else { cell + &padding };
        }
        line.trim_end().to_owned()
    };
    (line(&heads), cells.iter().map(|cells| line(cells)).collect())
}

/// A text of at most `width` characters; what is cut shows that.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column<(u32, &'static str)>> {
        vec![
            Column { head: "N", rank: 0, right: true, least: 4, cell: |row| row.0.to_string() },
            Column { head: "NAME", rank: 1, right: false, least: 6, cell: |row| row.1.to_owned() },
            Column { head: "MORE", rank: 2, right: false, least: 9, cell: |_| "detail".to_owned() },
        ]
    }

    #[test]
    fn cells_are_cut_and_columns_left_out_where_there_is_no_room() {
        let rows = [(7, "short"), (1234, "a-long-name")];
        let rows: Vec<_> = rows.iter().collect();
        let (head, lines) = table(&columns(), &rows, 40, Some(0));
        assert_eq!(head, "  N*  NAME         MORE");
        assert_eq!(lines, ["   7  short        detail", "1234  a-long-name  detail"]);
        let (head, lines) = table(&columns(), &rows, 20, None);
        assert_eq!(
            (head.as_str(), lines[1].as_str()),
            ("   N  NAME    MORE", "1234  a-lon…  detail")
        );
        let (head, lines) = table(&columns(), &rows, 14, None);
        assert_eq!((head.as_str(), lines[1].as_str()), ("   N  NAME", "1234  a-long-…"));
        for width in 0..60 {
            let (head, lines) = table(&columns(), &rows, width, Some(1));
            assert!(lines.iter().chain([&head]).all(|line| line.chars().count() <= width));
        }
        assert_eq!(
            (cut("abc", 2), cut("abc", 0), cut("üüü", 3)),
            ("a…".into(), "".into(), "üüü".into())
        );
    }
}
