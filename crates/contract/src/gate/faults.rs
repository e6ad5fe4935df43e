//! Which rows of a batch broke a rule: the first rule of each, in the order of the columns.

use crate::admitted::Rule;

/// One broken rule.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub row: u32,
    /// None when the record could not be split.
    pub column: Option<u32>,
    pub rule: Rule,
    /// The pattern that was found, for a finding of that kind.
    pub pattern: Option<&'static str>,
}

/// The faults of a batch. Free of cost while there is none.
#[derive(Debug, Clone)]
pub struct Faults {
    rows: usize,
    /// For each row the place of its fault in the list, from 1; 0 for none.
    marked: Vec<u32>,
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
        if !self.has(row) {
            self.note(row, column, rule, None);
        }
    }

    /// Notes a finding of content inspection, which is told before any other rule that the row broke: whoever looks at refused rows
    /// must know which of them are a risk.
    #[cold]
    pub fn add_risk(&mut self, row: usize, column: usize, rule: Rule, pattern: Option<&'static str>) {
        let known = self.marked.get(row).and_then(|place| usize::try_from(place.checked_sub(1)?).ok());
        let column = u32::try_from(column).ok();
        match known.and_then(|place| self.list.get_mut(place)) {
            None => self.note(row, column.and_then(|column| usize::try_from(column).ok()), rule, pattern),
            Some(fault) if !matches!(fault.rule, Rule::Content(_) | Rule::Malformed(_)) => {
                (fault.column, fault.rule, fault.pattern) = (column, rule, pattern);
            }
            Some(_) => {}
        }
    }

    fn note(&mut self, row: usize, column: Option<usize>, rule: Rule, pattern: Option<&'static str>) {
        if self.marked.is_empty() {
            self.marked.resize(self.rows, 0);
        }
        let place = u32::try_from(self.list.len() + 1);
        if let (Some(mark), Ok(row), Ok(place)) = (self.marked.get_mut(row), u32::try_from(row), place) {
            *mark = place;
            self.list.push(Fault { row, column: column.and_then(|column| u32::try_from(column).ok()), rule, pattern });
        }
    }

    /// Whether a row broke a rule.
    pub fn has(&self, row: usize) -> bool {
        self.marked.get(row).is_some_and(|place| *place != 0)
    }

    /// Whether no row broke a rule.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// Adds the faults to others, which keep the first of each row.
    pub fn copy_to(&self, others: &mut Self) {
        for fault in &self.list {
            let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
            others.add(place(fault.row), fault.column.map(place), fault.rule);
        }
    }

    /// Takes back the faults of rows.
    pub fn forgive(&mut self, forgiven: impl Fn(usize) -> bool) {
        self.list.retain(|fault| !forgiven(usize::try_from(fault.row).unwrap_or(usize::MAX)));
        // The places in the list are others now.
        self.marked.fill(0);
        for (place, fault) in (1..).zip(&self.list) {
            if let Some(mark) = usize::try_from(fault.row).ok().and_then(|row| self.marked.get_mut(row)) {
                *mark = place;
            }
        }
    }

    /// The faults by row.
    pub fn sorted(mut self) -> Vec<Fault> {
        self.list.sort_unstable_by_key(|fault| fault.row);
        self.list
    }
}
