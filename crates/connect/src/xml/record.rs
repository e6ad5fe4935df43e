//! The values of one XML record that are wanted.

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
    /// Its path in the record.
    path: String,
    nil: bool,
    children: bool,
}

/// Gathers the wanted values of the record that is being read.
pub(crate) struct Fields {
    nodes: Vec<Node>,
    cells: Vec<Cell>,
    seen: Vec<bool>,
    open: Vec<Open>,
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
        Self { nodes, cells, seen, open: Vec::new(), bytes: 0, fault: None, all, left_out: BTreeSet::new() }
    }

    pub(crate) fn begin(&mut self) {
        self.cells.fill(Cell::Absent);
        (self.bytes, self.fault) = (0, None);
        self.open.clear();
        self.open.push(Open { node: Some(0), ..Open::default() });
        self.expect_text(0);
    }

    /// An element of the record begins.
    pub(crate) fn enter(&mut self, name: &[u8]) {
        let Some(above) = self.open.last_mut() else { return };
        above.children = true;
        let (parent, path) = (above.node, above.path.clone());
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
        if node.is_none() && parent.is_some() {
            self.leave_out(&path, name, "");
        }
        let path = joined(&path, &shown(name));
        self.open.push(Open { node, path, ..Open::default() });
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

    fn leave_out(&mut self, path: &str, name: &[u8], mark: &str) {
        if self.left_out.len() < COLUMNS_MAX && self.all.is_none() {
            let name = format!("{mark}{}", shown(name));
            self.left_out.insert(joined(path, &name));
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
            self.name(open.path);
        }
    }

    fn name(&mut self, name: String) {
        if let Some(all) = &mut self.all
            && all.len() < COLUMNS_MAX
            && !name.is_empty()
            && !all.contains(&name)
        {
            all.push(name);
        }
    }

    /// `xsi:nil`: the element holds no value.
    pub(crate) fn nil(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.nil = true;
        }
    }

    pub(crate) fn wants_attribute(&mut self, name: &[u8]) -> bool {
        let Some(open) = self.open.last() else { return false };
        let (node, path) = (open.node, open.path.clone());
        // Declarations and hints of the format are no values.
        let is_value = !name.starts_with(b"xmlns") && !name.starts_with(b"xsi:");
        if self.all.is_some() {
            if is_value {
                self.name(joined(&path, &format!("@{}", shown(name))));
            }
            return false;
        }
        let node = node.and_then(|node| self.nodes.get(node));
        let wanted = node.is_some_and(|node| node.attributes.iter().any(|(step, _)| step.fits(name)));
        if !wanted && is_value && node.is_some() {
            self.leave_out(&path, name, "@");
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
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..NAME_SHOWN_MAX_BYTES).unwrap_or(name)).into_owned()
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
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
