//! Which values of a JSON record are wanted, and where they stand in its bytes. Nothing else of it is decoded.

use std::collections::{BTreeSet, HashMap};

use polder_contract::{CellKind, TextColumnBuilder};
use polder_types::limit::COLUMNS_MAX;

use super::path::{JsonPath, escaped};
use crate::ndjson::scan::{Fault, Scanner, Token, TokenKind, unescape};

/// Longest key that is named in a report.
const KEY_NAME_MAX_BYTES: usize = 256;
const ROOT: usize = 0;

/// A key on the way to a wanted value.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Vec<u8>, usize>,
    /// Places of the wanted values that stand here.
    slots: Vec<usize>,
    /// Its path, for reports.
    path: String,
}

/// What a key at some place of a record meant last time: most records have the same keys in the same order.
struct Guess {
    raw: Vec<u8>,
    node: Option<usize>,
}

/// Finds the wanted values of records.
pub(crate) struct Fields {
    nodes: Vec<Node>,
    guesses: Vec<Guess>,
    found: Vec<Option<Token>>,
    /// Nodes that the record held.
    held: Vec<bool>,
    seen: Vec<bool>,
    left_out: BTreeSet<String>,
}

impl Fields {
    pub(crate) fn new(paths: &[JsonPath]) -> Self {
        let mut nodes = vec![Node::default()];
        for (slot, path) in paths.iter().enumerate() {
            let mut at = ROOT;
            for key in path.keys() {
                at = child(&mut nodes, at, key);
            }
            if let Some(node) = nodes.get_mut(at) {
                node.slots.push(slot);
            }
        }
        let held = vec![false; nodes.len()];
        let (found, seen) = (vec![None; paths.len()], vec![false; paths.len()]);
        Self { nodes, guesses: Vec::new(), found, held, seen, left_out: BTreeSet::new() }
    }

    /// Where the wanted values of the last record stand in it.
    pub(crate) fn found(&self) -> &[Option<Token>] {
        &self.found
    }

    /// Wanted values that no record held.
    pub(crate) fn seen(&self) -> &[bool] {
        &self.seen
    }

    pub(crate) fn left_out(&self) -> impl Iterator<Item = &String> {
        self.left_out.iter()
    }

    /// Finds the wanted values of one record.
    pub(crate) fn read(&mut self, record: &[u8]) -> Result<(), Fault> {
        self.found.fill(None);
        self.held.fill(false);
        let mut scanner = Scanner::new(record);
        scanner.space();
        if !scanner.eat(b'{') {
            return Err(scanner.not_an_object());
        }
        self.object(&mut scanner, ROOT)?;
        scanner.space();
        if scanner.at_end() { Ok(()) } else { Err(Fault::Invalid) }
    }

    /// Reads an object after its brace.
    fn object(&mut self, scanner: &mut Scanner<'_>, parent: usize) -> Result<(), Fault> {
        scanner.space();
        if scanner.eat(b'}') {
            return Ok(());
        }
        let mut place = 0;
        loop {
            scanner.space();
            if !scanner.eat(b'"') {
                return Err(Fault::Invalid);
            }
            let key = scanner.string()?;
            let raw = scanner.slice(key);
            let escaped = key.kind == TokenKind::Escaped;
            let node = if parent == ROOT { self.guess(place, raw, escaped)? } else { self.resolve(parent, raw, escaped)? };
            place += 1;
            scanner.space();
            if !scanner.eat(b':') {
                return Err(Fault::Invalid);
            }
            scanner.space();
            match node {
                None => scanner.skip()?,
                Some(node) => self.value(scanner, node)?,
            }
            scanner.space();
            if scanner.eat(b',') {
                continue;
            }
            return if scanner.eat(b'}') { Ok(()) } else { Err(Fault::Invalid) };
        }
    }

    /// Reads a value that is wanted, or holds one that is.
    fn value(&mut self, scanner: &mut Scanner<'_>, node: usize) -> Result<(), Fault> {
        match self.held.get_mut(node) {
            Some(true) => return Err(Fault::DuplicateKey),
            Some(held) => *held = true,
            None => {}
        }
        let (leaf, wanted) = self.nodes.get(node).map_or((true, false), |node| (node.children.is_empty(), !node.slots.is_empty()));
        let mut inside = *scanner;
        if leaf || wanted {
            let token = scanner.value()?;
            let slots = self.nodes.get(node).map(|node| node.slots.as_slice()).unwrap_or_default();
            for slot in slots {
                if let Some(found) = self.found.get_mut(*slot) {
                    *found = Some(token);
                }
            }
            if leaf {
                return Ok(());
            }
        }
        let deeper = if wanted { &mut inside } else { scanner };
        if deeper.eat(b'{') {
            return self.object(deeper, node);
        }
        // Nothing stands in a null; in a text or a list nothing can.
        match deeper.value()?.kind {
            TokenKind::Null => Ok(()),
            _ => Err(Fault::NotAnObject),
        }
    }

    /// [`Self::resolve`] for keys of the record itself, which mostly are where they were before.
    fn guess(&mut self, place: usize, raw: &[u8], escaped: bool) -> Result<Option<usize>, Fault> {
        if let Some(guess) = self.guesses.get(place)
            && guess.raw == raw
        {
            return Ok(guess.node);
        }
        let node = self.resolve(ROOT, raw, escaped)?;
        if raw.len() <= KEY_NAME_MAX_BYTES {
            let guess = Guess { raw: raw.to_vec(), node };
            if let Some(old) = self.guesses.get_mut(place) {
                *old = guess;
            } else if place == self.guesses.len() && place < COLUMNS_MAX {
                self.guesses.push(guess);
            }
        }
        Ok(node)
    }

    /// What a key of an object leads to.
    fn resolve(&mut self, parent: usize, raw: &[u8], is_escaped: bool) -> Result<Option<usize>, Fault> {
        let mut text = Vec::new();
        let name: &[u8] = if is_escaped {
            unescape(raw, &mut text)?;
            &text
        } else {
            raw
        };
        let Some(above) = self.nodes.get(parent) else { return Ok(None) };
        let node = above.children.get(name).copied();
        if node.is_none() && self.left_out.len() < COLUMNS_MAX {
            let shown = name.get(..KEY_NAME_MAX_BYTES).unwrap_or(name);
            self.left_out.insert(joined(&above.path, &escaped(&String::from_utf8_lossy(shown))));
        }
        Ok(node)
    }

    /// Adds the value of a slot as the next cell of a column. `start` says where the record begins in the column's bytes.
    pub(crate) fn cell(&mut self, slot: usize, column: &mut TextColumnBuilder, record: &[u8], start: usize) -> Result<(), Fault> {
        let Some(Some(token)) = self.found.get(slot).copied() else {
            column.push_null();
            return Ok(());
        };
        if let Some(seen) = self.seen.get_mut(slot) {
            *seen = true;
        }
        push_token(token, column, record, start)
    }
}

/// Adds a value as the next cell of a column.
pub(crate) fn push_token(token: Token, column: &mut TextColumnBuilder, record: &[u8], start: usize) -> Result<(), Fault> {
    let kind = match token.kind {
        TokenKind::Text => CellKind::String,
        TokenKind::Number => CellKind::Number,
        TokenKind::Bool => CellKind::Bool,
        TokenKind::Nested => CellKind::Nested,
        TokenKind::Null => {
            column.push_null();
            return Ok(());
        }
        TokenKind::Escaped => {
            let raw = record.get(token.start..token.end).unwrap_or_default();
            let mut result = Ok(());
            column.push_with(CellKind::String, |out| result = unescape(raw, out));
            return result;
        }
    };
    column.push_span(start + token.start, start + token.end, kind);
    Ok(())
}

fn child(nodes: &mut Vec<Node>, at: usize, key: &str) -> usize {
    if let Some(known) = nodes.get(at).and_then(|node| node.children.get(key.as_bytes())) {
        return *known;
    }
    let new = nodes.len();
    let path = joined(nodes.get(at).map(|node| node.path.as_str()).unwrap_or_default(), &escaped(key));
    nodes.push(Node { path, ..Node::default() });
    if let Some(node) = nodes.get_mut(at) {
        node.children.insert(key.as_bytes().to_vec(), new);
    }
    new
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
