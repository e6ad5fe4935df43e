//! Numbers as most of Europe writes them: a comma before the fraction, and groups of three digits apart. Where a dataset says so, they
//! are rewritten before they are read; a text that is no such number is refused, even where it would be one with a point.

use bytes::Bytes;

use crate::column::ColumnType;
use crate::gate::plan::Plan;
use crate::raw::{CellKind, Cells, TextColumn, TextColumnBuilder};

/// What no number begins with.
const NO_NUMBER: &[u8] = b"\xff";
/// What may stand between groups: a space, those that do not break, an apostrophe, a point.
const SEPARATORS: [&[u8]; 6] = [b" ", b"\xc2\xa0", b"\xe2\x80\xaf", b"'", b"\xe2\x80\x99", b"."];

/// Whether cells of the type are numbers.
pub fn concerns(ty: ColumnType) -> bool {
    match ty {
        ColumnType::Int8
        | ColumnType::Int16
        | ColumnType::Int32
        | ColumnType::Int64
        | ColumnType::Float32
        | ColumnType::Float64
        | ColumnType::Decimal { .. } => true,
        ColumnType::String | ColumnType::Boolean | ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::Time => false,
    }
}

/// The cells of a column with points, where it is one of numbers and comes as text; none where nothing is to be rewritten.
pub(crate) fn pointed(plan: &Plan, cells: &Cells) -> Option<Cells> {
    match cells {
        Cells::Text(cells) if concerns(plan.column.ty) => Some(Cells::Text(with_points(plan, cells))),
        Cells::Text(_) | Cells::Typed(_) => None,
    }
}

fn with_points(plan: &Plan, cells: &TextColumn) -> TextColumn {
    let mut pointed = TextColumnBuilder::new(Bytes::new(), cells.len());
    for cell in cells.iter() {
        let is_text = matches!(cell.kind, CellKind::Text | CellKind::Quoted);
        let is_null = cell.kind == CellKind::Text && plan.is_null_token(cell.bytes);
        if !is_text || is_null {
            pointed.push_bytes(cell.bytes, cell.kind);
            continue;
        }
        match point(cell.bytes) {
            Some(number) => pointed.push_bytes(&number, cell.kind),
            None => pointed.push_bytes(NO_NUMBER, cell.kind),
        }
    }
    pointed.finish()
}

/// A number with a comma as the number with a point; none for what is no such number.
pub fn point(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    if let Some((sign @ (b'-' | b'+'), after)) = rest.split_first() {
        out.push(*sign);
        rest = after;
    }
    rest = whole(rest, &mut out)?;
    if let Some(after) = rest.strip_prefix(b",") {
        let digits = digits(after);
        if digits.is_empty() {
            return None;
        }
        out.push(b'.');
        out.extend_from_slice(digits);
        rest = after.get(digits.len()..)?;
    }
    match rest.split_first() {
        None => Some(out),
        Some((b'e' | b'E', exponent)) => {
            let unsigned = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
            if unsigned.is_empty() || digits(unsigned).len() != unsigned.len() {
                return None;
            }
            out.push(b'e');
            out.extend_from_slice(exponent);
            Some(out)
        }
        Some(_) => None,
    }
}

/// The digits before the comma, and what follows them.
fn whole<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let first = digits(text);
    out.extend_from_slice(first);
    let mut rest = text.get(first.len()..)?;
    let separator = SEPARATORS.iter().find(|separator| rest.starts_with(separator));
    if let Some(separator) = separator {
        if !(1..=3).contains(&first.len()) {
            return None;
        }
        while let Some(group) = rest.strip_prefix(*separator) {
            let group = digits(group);
            if group.len() != 3 {
                return None;
            }
            out.extend_from_slice(group);
            rest = rest.get(separator.len() + 3..)?;
        }
    }
    (!first.is_empty()).then_some(rest)
}

fn digits(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_a_comma_become_numbers_with_a_point() {
        for (text, number) in [
            ("1", "1"),
            ("-1,5", "-1.5"),
            ("+0,50", "+0.50"),
            ("1 234,56", "1234.56"),
            ("1\u{a0}234\u{a0}567", "1234567"),
            ("12\u{202f}345,6", "12345.6"),
            ("1'234,5", "1234.5"),
            ("1\u{2019}234", "1234"),
            ("1.234.567,89", "1234567.89"),
            ("1.234", "1234"),
            ("1234567,8", "1234567.8"),
            ("1,5E-3", "1.5e-3"),
        ] {
            assert_eq!(point(text.as_bytes()).as_deref(), Some(number.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_number_is_refused_and_never_guessed_at() {
        for text in [
            "",
            "-",
            ",5",
            "1,",
            "1.5",
            "1,5,6",
            "1,234.5",
            "1234 567",
            "1 23",
            "1 2345",
            "12 34",
            " 1",
            "1 ",
            "1  234",
            "1.234 567",
            "1,5 €",
            "1,5e",
            "0x1",
            "1_000",
            "--1",
            "\u{a0}1",
        ] {
            assert_eq!(point(text.as_bytes()), None, "{text}");
        }
    }
}
