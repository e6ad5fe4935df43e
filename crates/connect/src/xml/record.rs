//! The values of one XML record that are wanted.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use polder_contract::Malformed;
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use super::REPEATED;
use super::path::{ColumnPath, Step};
use crate::connection::Dataset;
use crate::error::Error;

/// Longest name that is told.
const NAME_SHOWN_MAX_BYTES: usize = 256;

/// What a record holds at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Absent,
    /// An element that says that it holds no value.
    Nil,
    /// Elements, where a text is wanted.
    Nested,
    Text(Vec<u8>),
}

/// An element that leads to something wanted.
#[derive(Debug, Default)]
struct Node {
    children: Vec<(Step, usize)>,
    text: Vec<usize>,
    attributes: Vec<(Step, usize)>,
}

/// An element of the record that is open.
#[derive(Debug, Default)]
struct Open {
    /// None when nothing below it is wanted.
    node: Option<usize>,
    /// How long the path of the element around it is.
    around: usize,
    nil: bool,
    children: bool,
}

/// Gathers the wanted values of the record that is being read.
pub(crate) struct Fields {
    nodes: Vec<Node>,
    cells: Vec<Cell>,
    seen: Vec<bool>,
    open: Vec<Open>,
    /// Of the open element, in the record.
    path: String,
    bytes: usize,
    fault: Option<Malformed>,
    /// Names of all values that were met, where all are wanted.
    all: Option<Vec<String>>,
    left_out: BTreeSet<String>,
}

impl Fields {
    pub(crate) fn new(file: &Path, wanted: &[String]) -> Result<Self, Error> {
        let mut nodes = vec![Node::default()];
        for (slot, name) in wanted.iter().enumerate() {
            let path = Dataset::xml_column(name).ok_or_else(|| Error::Format {
                path: file.to_path_buf(),
                format: "XML",
                problem: format!("the column {name} that the contract names is no path in a record"),
                advice: "write one such as name, address/city, @id or address/@kind",
            })?;
            place(&mut nodes, slot, path);
        }
        Ok(Self::over(nodes, wanted.len(), None))
    }

    /// Gathers the names of all values, and no value.
    pub(crate) fn all() -> Self {
        Self::over(vec![Node::default()], 0, Some(Vec::new()))
    }

    fn over(nodes: Vec<Node>, width: usize, all: Option<Vec<String>>) -> Self {
        let (cells, seen) = (vec![Cell::Absent; width], vec![false; width]);
        let (open, path) = (Vec::new(), String::new());
        Self { nodes, cells, seen, open, path, bytes: 0, fault: None, all, left_out: BTreeSet::new() }
    }

    pub(crate) fn begin(&mut self) {
        self.cells.fill(Cell::Absent);
        (self.bytes, self.fault) = (0, None);
        self.open.clear();
        self.path.clear();
        self.open.push(Open { node: Some(0), ..Open::default() });
        self.expect_text(0);
    }

    /// An element of the record begins.
    pub(crate) fn enter(&mut self, name: &[u8]) {
        let Some(above) = self.open.last_mut() else { return };
        above.children = true;
        let parent = above.node;
        if let Some(parent) = parent.and_then(|node| self.nodes.get(node)) {
            // A text in which an element stands is none.
            for slot in &parent.text {
                if let Some(cell) = self.cells.get_mut(*slot) {
                    *cell = Cell::Nested;
                }
            }
        }
        let node = parent.and_then(|node| self.nodes.get(node)).and_then(|node| node.children.iter().find(|(step, _)| step.fits(name)));
        let node = node.map(|(_, node)| *node);
        let around = self.descend("", name);
        if node.is_none() && parent.is_some() {
            self.leave_out();
        }
        self.open.push(Open { node, around, ..Open::default() });
        if let Some(node) = node {
            self.expect_text(node);
        }
    }

    /// The text of this element is wanted: it is there, though it may be empty.
    fn expect_text(&mut self, node: usize) {
        let slots = self.nodes.get(node).map(|node| node.text.clone()).unwrap_or_default();
        for slot in slots {
            self.set(slot, Cell::Text(Vec::new()));
        }
    }

    fn set(&mut self, slot: usize, value: Cell) {
        if let Some(seen) = self.seen.get_mut(slot) {
            *seen = true;
        }
        match self.cells.get_mut(slot) {
            Some(cell @ Cell::Absent) => *cell = value,
            Some(_) => self.fault = self.fault.or(Some(REPEATED)),
            None => {}
        }
    }

    /// Adds a name to the path; how long the path was.
    fn descend(&mut self, mark: &str, name: &[u8]) -> usize {
        let around = self.path.len();
        if around > 0 {
            self.path.push('/');
        }
        self.path.push_str(mark);
        self.path.push_str(&shown(name));
        around
    }

    /// Nobody wants what stands at the path.
    fn leave_out(&mut self) {
        if self.left_out.len() < COLUMNS_MAX && self.all.is_none() && !self.left_out.contains(&self.path) {
            self.left_out.insert(self.path.clone());
        }
    }

    /// An element of the record ends.
    pub(crate) fn leave(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if open.nil
            && let Some(node) = open.node.and_then(|node| self.nodes.get(node))
        {
            for slot in &node.text {
                if let Some(cell) = self.cells.get_mut(*slot)
                    && let Cell::Text(text) = &*cell
                {
                    // What holds a text all the same says two things: neither is taken for the other.
                    *cell = if text.trim_ascii().is_empty() { Cell::Nil } else { Cell::Nested };
                }
            }
        }
        if !open.children {
            self.name();
        }
        self.path.truncate(open.around);
    }

    /// A value stands at the path.
    fn name(&mut self) {
        if let Some(all) = &mut self.all
            && all.len() < COLUMNS_MAX
            && !self.path.is_empty()
            && !all.contains(&self.path)
        {
            all.push(self.path.clone());
        }
    }

    /// `xsi:nil`: the element holds no value.
    pub(crate) fn nil(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.nil = true;
        }
    }

    pub(crate) fn wants_attribute(&mut self, name: &[u8]) -> bool {
        let Some(node) = self.open.last().map(|open| open.node) else { return false };
        // Declarations and hints of the format are no values.
        let is_value = !name.starts_with(b"xmlns") && !name.starts_with(b"xsi:");
        if self.all.is_some() {
            if is_value {
                let around = self.descend("@", name);
                self.name();
                self.path.truncate(around);
            }
            return false;
        }
        let node = node.and_then(|node| self.nodes.get(node));
        let wanted = node.is_some_and(|node| node.attributes.iter().any(|(step, _)| step.fits(name)));
        if !wanted && is_value && node.is_some() {
            let around = self.descend("@", name);
            self.leave_out();
            self.path.truncate(around);
        }
        wanted
    }

    pub(crate) fn attribute(&mut self, name: &[u8], value: &[u8]) {
        let node = self.open.last().and_then(|open| open.node).and_then(|node| self.nodes.get(node));
        let slots: Vec<usize> =
            node.iter().flat_map(|node| &node.attributes).filter(|(step, _)| step.fits(name)).map(|(_, slot)| *slot).collect();
        for slot in slots {
            if self.room(value.len()) {
                self.set(slot, Cell::Text(value.to_vec()));
            }
        }
    }

    pub(crate) fn text(&mut self, text: &[u8]) {
        let Some(node) = self.open.last().and_then(|open| open.node).and_then(|node| self.nodes.get(node)) else { return };
        for slot in node.text.clone() {
            if self.room(text.len())
                && let Some(Cell::Text(cell)) = self.cells.get_mut(slot)
            {
                cell.extend_from_slice(text);
            }
        }
    }

    /// Whether the record may hold so much more.
    fn room(&mut self, len: usize) -> bool {
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes > RECORD_MAX_BYTES {
            self.fault = Some(Malformed::TooLong);
        }
        self.bytes <= RECORD_MAX_BYTES
    }

    pub(crate) fn fault(&self) -> Option<Malformed> {
        self.fault
    }

    pub(crate) fn cell(&self, slot: usize) -> Cell {
        self.cells.get(slot).cloned().unwrap_or(Cell::Absent)
    }

    pub(crate) fn never_seen(&self, wanted: &[String]) -> Vec<String> {
        wanted.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn left_out(&self) -> Vec<String> {
        self.left_out.iter().cloned().collect()
    }

    pub(crate) fn names(self) -> Vec<String> {
        self.all.unwrap_or_default()
    }
}

/// A name for reports and paths.
fn shown(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name.get(..NAME_SHOWN_MAX_BYTES).unwrap_or(name))
}

/// Hangs a wanted path into the tree of elements.
fn place(nodes: &mut Vec<Node>, slot: usize, path: ColumnPath) {
    let mut at = 0;
    for step in path.steps {
        let known = nodes.get(at).and_then(|node| node.children.iter().find(|(other, _)| *other == step)).map(|(_, node)| *node);
        at = known.unwrap_or_else(|| {
            nodes.push(Node::default());
            let new = nodes.len() - 1;
            if let Some(node) = nodes.get_mut(at) {
                // Names with a prefix first: they are the narrower ones.
                let first = if step.as_str().contains(':') { 0 } else { node.children.len() };
                node.children.insert(first, (step, new));
            }
            new
        });
    }
    if let Some(node) = nodes.get_mut(at) {
        match path.attribute {
            Some(name) => node.attributes.push((name, slot)),
            None => node.text.push(slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with `@k`, `a/@z`, twice `a/b` with an attribute and `a/q` with an element in it.
    fn pass(fields: &mut Fields) {
        fields.begin();
        fields.wants_attribute(b"k");
        fields.enter(b"a");
        fields.wants_attribute(b"z");
        for _ in 0..2 {
            fields.enter(b"b");
            fields.wants_attribute(b"xmlns:x");
            fields.leave();
        }
        fields.enter(b"q");
        fields.enter(b"r");
        fields.wants_attribute(b"s");
        fields.leave();
        fields.leave();
        fields.leave();
        fields.enter(b"v");
        fields.leave();
    }

    #[test]
    fn what_nobody_wants_is_told_by_its_path_and_once() {
        let mut fields = Fields::new(Path::new("f"), &["v".to_owned(), "a/b".to_owned()]).unwrap();
        pass(&mut fields);
        pass(&mut fields);
        assert_eq!(fields.left_out(), ["@k", "a/@z", "a/q"]);
        let mut fields = Fields::all();
        pass(&mut fields);
        pass(&mut fields);
        assert_eq!(fields.names(), ["@k", "a/@z", "a/b", "a/q/r/@s", "a/q/r", "v"]);
    }
}
