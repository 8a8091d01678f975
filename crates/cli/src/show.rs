//! What people and scripts see: lines, tables and JSON on standard output; notices and errors on
//! standard error.
//!
//! A reader that goes away (`kurultai objects | head`) ends the output, not with a panic.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::exit::Failure;

/// One line of result.
pub(crate) fn line(text: impl AsRef<str>) {
    // Nobody reads any more when this fails, so there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Text of result as it stands, without a line end of ours.
pub(crate) fn raw(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A result as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Failure::unavailable(format!(
            "cannot write the answer as JSON: {error}; leave out --json"
        ))
    })?;
    line(text);
    Ok(())
}

/// A notice beside the result.
pub(crate) fn notice(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
}

/// The sentence with which a command ends badly.
pub(crate) fn error(failure: &Failure) {
    notice(format!("kurultai: {failure}"));
}

/// Whether progress may be drawn.
pub(crate) fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A table whose columns are as wide as needed. Columns that hold numbers are set to the right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Table {
        Table {
            rows: vec![
                headings
                    .iter()
                    .map(|heading| (*heading).to_owned())
                    .collect(),
            ],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether only the headings are there.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The lines of the table.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        // A number is digits in groups, perhaps with a fraction; a time or an address is none.
        let number = |cell: &String| {
            cell.chars()
                .all(|c| c.is_ascii_digit() || c == ' ' || c == '.')
                || cell == "-"
        };
        let numeric = |column: usize| {
            let cells = self.rows[1..].iter().filter_map(|row| row.get(column));
            self.rows.len() > 1
                && cells.clone().any(|cell| !cell.is_empty())
                && cells.clone().all(number)
        };
        let shape: Vec<(usize, bool)> = (0..columns)
            .map(|column| (width(column).unwrap_or(0), numeric(column)))
            .collect();
        self.rows
            .iter()
            .map(|row| {
                let cells: Vec<String> = row
                    .iter()
                    .zip(&shape)
                    .map(|(cell, (width, numeric))| {
                        let gap = " ".repeat(width - cell.chars().count());
                        if *numeric {
                            format!("{gap}{cell}")
                        } else {
                            format!("{cell}{gap}")
                        }
                    })
                    .collect();
                format!("  {}", cells.join("  ")).trim_end().to_owned()
            })
            .collect()
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        for text in self.lines() {
            line(text);
        }
    }
}

/// A number with its thousands apart: `1 234 567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..10_000 => format!("{number} B"),
        10_000..10_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", number as f64 / 1e6),
        _ => format!("{:.1} GB", number as f64 / 1e9),
    }
}

/// `1 object`, `2 objects`.
pub(crate) fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::{Table, bytes, count, thousands};

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_234_567), "1 234 567");
        assert_eq!(bytes(12_300_000), "12.3 MB");
        assert_eq!(count(1, "object"), "1 object");
        assert_eq!(count(1_200, "object"), "1 200 objects");
    }

    #[test]
    fn tables_align_numbers_to_the_right() {
        let mut table = Table::new(&["name", "size"]);
        table.row(vec!["a".into(), "5".into()]);
        table.row(vec!["bcd".into(), "12345".into()]);
        assert_eq!(
            table.lines(),
            ["  name   size", "  a         5", "  bcd   12345"]
        );
    }
}
