//! An Avro schema as far as it must be known: which columns there are, and how many bytes each value takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_types::limit::{COLUMNS_MAX, JSON_DEPTH_MAX};
use serde_json::{Map, Value};

/// Most types in a schema, each counted as often as it is used.
const NODES_MAX: u64 = 100_000;

/// How a value lies in the bytes.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Null,
    Boolean,
    /// `int`, `long`, or an `enum`.
    Varint,
    Fixed(usize),
    /// `bytes` or `string`: a length before them.
    Bytes,
    Array(Arc<Node>),
    Map(Arc<Node>),
    Union(Vec<Arc<Node>>),
    /// Its fields, and the least bytes that all of them take: lists ask for it at each of their blocks.
    Record(Vec<Arc<Node>>, usize),
}

impl Node {
    /// Least bytes that a value takes.
    pub(crate) fn least(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Fixed(size) => *size,
            Self::Record(_, least) => *least,
            _ => 1,
        }
    }
}

/// A column: a field of the outermost record.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub name: String,
    /// What it is, where it is no plain value.
    pub unreadable: Option<&'static str>,
}

/// What a schema says.
#[derive(Debug)]
pub(crate) struct Schema {
    pub root: Arc<Node>,
    pub columns: Vec<Column>,
}

/// Why a schema is not read.
pub(crate) type Wrong = &'static str;

struct Types {
    named: BTreeMap<String, (Arc<Node>, u64)>,
    /// Names of the records around what is being read.
    open: Vec<String>,
}

impl Schema {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Wrong> {
        let schema: Value = serde_json::from_slice(json).map_err(|_| "its schema is not JSON")?;
        let Value::Object(record) = &schema else { return Err("its schema is no record") };
        if record.get("type") != Some(&Value::String("record".to_owned())) {
            return Err("its schema is no record");
        }
        let mut types = Types { named: BTreeMap::new(), open: Vec::new() };
        let (root, _) = types.node(&schema, "", 0)?;
        if root.least() == 0 {
            return Err("its records take no bytes");
        }
        let fields = record.get("fields").and_then(Value::as_array).ok_or("its schema is no record")?;
        let columns = fields.iter().map(|field| {
            let name = field.get("name").and_then(Value::as_str).ok_or("a field of its schema has no name")?;
            let unreadable = field.get("type").map_or(Some("of no type"), |kind| unreadable(kind, 0));
            Ok(Column { name: name.to_owned(), unreadable })
        });
        let columns: Vec<Column> = columns.collect::<Result<_, Wrong>>()?;
        if columns.len() > COLUMNS_MAX { Err("it has more than 4096 columns") } else { Ok(Self { root, columns }) }
    }
}

/// What a field is that is no plain value, or a plain value or null.
fn unreadable(kind: &Value, depth: usize) -> Option<&'static str> {
    match kind {
        Value::Array(branches) => {
            let mut others = branches.iter().filter(|branch| branch.as_str() != Some("null"));
            match (others.next(), others.next(), branches.len()) {
                (Some(only), None, 1 | 2) if depth == 0 => unreadable(only, 1),
                (None, _, _) => Some("always null"),
                _ => Some("a union"),
            }
        }
        Value::Object(object) => match object.get("type") {
            Some(Value::String(name)) => match (name.as_str(), object.get("logicalType").and_then(Value::as_str)) {
                ("record", _) => Some("a record"),
                ("array", _) => Some("an array"),
                ("map", _) => Some("a map"),
                (_, Some("duration")) => Some("a duration"),
                ("null", _) => Some("always null"),
                _ => None,
            },
            Some(inner) => unreadable(inner, depth),
            None => Some("of no type"),
        },
        Value::String(name) => match name.as_str() {
            "null" => Some("always null"),
            "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string" => None,
            // Named before: a record, an enum or a fixed; the decoder knows which.
            _ => None,
        },
        _ => Some("of no type"),
    }
}

impl Types {
    /// A type, and how many types it is made of.
    fn node(&mut self, value: &Value, space: &str, depth: usize) -> Result<(Arc<Node>, u64), Wrong> {
        if depth > JSON_DEPTH_MAX {
            return Err("its schema is nested too deeply");
        }
        let (node, size) = match value {
            Value::String(name) => self.named(name, space)?,
            Value::Array(branches) => {
                let mut nodes = Vec::with_capacity(branches.len().min(1024));
                let mut size = 1u64;
                for branch in branches {
                    let (node, inner) = self.node(branch, space, depth + 1)?;
                    size = size.saturating_add(inner);
                    nodes.push(node);
                }
                if nodes.is_empty() {
                    return Err("a union of its schema is empty");
                }
                (Arc::new(Node::Union(nodes)), size)
            }
            Value::Object(object) => self.complex(object, space, depth)?,
            _ => return Err("its schema holds something that is no type"),
        };
        if size > NODES_MAX { Err("its schema grows beyond 100000 types") } else { Ok((node, size)) }
    }

    fn named(&self, name: &str, space: &str) -> Result<(Arc<Node>, u64), Wrong> {
        let node = match name {
            "null" => Node::Null,
            "boolean" => Node::Boolean,
            "int" | "long" => Node::Varint,
            "float" => Node::Fixed(4),
            "double" => Node::Fixed(8),
            "bytes" | "string" => Node::Bytes,
            other => {
                let full = full_name(other, space);
                if self.open.contains(&full) {
                    return Err("a type of its schema holds itself");
                }
                return self.named.get(&full).cloned().ok_or("its schema uses a type that it does not define");
            }
        };
        Ok((Arc::new(node), 1))
    }

    fn complex(&mut self, object: &Map<String, Value>, space: &str, depth: usize) -> Result<(Arc<Node>, u64), Wrong> {
        let kind = object.get("type").ok_or("a type of its schema has no name")?;
        let Value::String(kind) = kind else { return self.node(kind, space, depth + 1) };
        match kind.as_str() {
            "array" | "map" => {
                let inside = object.get(if kind == "array" { "items" } else { "values" }).ok_or("a list of its schema has no items")?;
                let (node, size) = self.node(inside, space, depth + 1)?;
                let node = if kind == "array" { Node::Array(node) } else { Node::Map(node) };
                Ok((Arc::new(node), size.saturating_add(1)))
            }
            "record" | "error" => self.record(object, space, depth),
            "enum" => self.define(object, space, Node::Varint, 1),
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                let size = size
                    .filter(|size| *size <= polder_types::limit::RECORD_MAX_BYTES)
                    .ok_or("a fixed of its schema has no possible size")?;
                self.define(object, space, Node::Fixed(size), 1)
            }
            other => self.named(other, space),
        }
    }

    fn record(&mut self, object: &Map<String, Value>, space: &str, depth: usize) -> Result<(Arc<Node>, u64), Wrong> {
        let name = own_name(object, space)?;
        let inner_space = name.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
        let fields = object.get("fields").and_then(Value::as_array).ok_or("a record of its schema has no fields")?;
        self.open.push(name);
        let (mut nodes, mut size, mut least) = (Vec::with_capacity(fields.len().min(1024)), 1u64, 0usize);
        for field in fields {
            let kind = field.get("type").ok_or("a field of its schema has no type")?;
            let (node, inner) = self.node(kind, &inner_space, depth + 1)?;
            size = size.saturating_add(inner);
            least = least.saturating_add(node.least());
            nodes.push(node);
        }
        self.open.pop();
        self.define(object, space, Node::Record(nodes, least), size)
    }

    fn define(&mut self, object: &Map<String, Value>, space: &str, node: Node, size: u64) -> Result<(Arc<Node>, u64), Wrong> {
        let name = own_name(object, space)?;
        let defined = (Arc::new(node), size);
        if self.named.insert(name, defined.clone()).is_some() {
            return Err("its schema defines a type twice");
        }
        Ok(defined)
    }
}

fn own_name(object: &Map<String, Value>, space: &str) -> Result<String, Wrong> {
    let name = object.get("name").and_then(Value::as_str).ok_or("a type of its schema has no name")?;
    let own = object.get("namespace").and_then(Value::as_str).unwrap_or(space);
    Ok(full_name(name, own))
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}
