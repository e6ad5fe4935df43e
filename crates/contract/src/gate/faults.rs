//! Which rows of a batch broke a rule: the first rule of each, in the order of the columns.

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;

use crate::admitted::Rule;

/// One broken rule.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub row: u32,
    /// None when the record could not be split.
    pub column: Option<u32>,
    pub rule: Rule,
}

/// The faults of a batch. Free of cost while there is none.
#[derive(Debug)]
pub struct Faults {
    rows: usize,
    marked: Vec<bool>,
    list: Vec<Fault>,
}

impl Faults {
    /// None yet, over `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self { rows, marked: Vec::new(), list: Vec::new() }
    }

    /// Notes a broken rule, unless the row broke one before.
    #[cold]
    pub fn add(&mut self, row: usize, column: Option<usize>, rule: Rule) {
        if self.marked.is_empty() {
            self.marked.resize(self.rows, false);
        }
        if let Some(mark) = self.marked.get_mut(row)
            && !*mark
            && let Ok(row) = u32::try_from(row)
        {
            *mark = true;
            self.list.push(Fault { row, column: column.and_then(|column| u32::try_from(column).ok()), rule });
        }
    }

    /// Whether a row broke a rule.
    pub fn has(&self, row: usize) -> bool {
        self.marked.get(row).copied().unwrap_or(false)
    }

    /// How many rows broke a rule.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether no row broke a rule.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults by row.
    pub fn sorted(mut self) -> Vec<Fault> {
        self.list.sort_unstable_by_key(|fault| fault.row);
        self.list
    }

    /// True for the rows that stay.
    pub fn keep(&self) -> BooleanArray {
        BooleanArray::new(BooleanBuffer::collect_bool(self.rows, |row| !self.has(row)), None)
    }
}
