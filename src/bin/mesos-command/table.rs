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
