//! Proposed columns that stand in a contract's text as comments: a line `# - {...}`, and lines `#   ...` that go on with it.

use crate::yaml::{self, Value};

/// How the line over a column that is left out, or is new, begins: it goes when the column is admitted.
pub(super) const REASONS: [&str; 2] = ["# left out:", "# new in the source"];

/// A proposed column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its first and last line, from 0; the line that says why it is left out belongs to it.
    pub first: usize,
    pub last: usize,
    /// The lines of the property without the signs of comments, the first at column 0.
    pub lines: Vec<String>,
    pub name: String,
    pub physical_name: String,
}

/// All of a text, in its order.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        match block(&lines, at, line) {
            Some(block) => {
                at = block.last + 1;
                blocks.push(block);
            }
            None => at += 1,
        }
    }
    blocks
}

fn block(lines: &[&str], at: usize, line: &str) -> Option<Block> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let opening = line.trim_start_matches(' ').strip_prefix('#')?;
    let content = opening.trim_start_matches(' ');
    let shift = opening.len() - content.len();
    if !content.starts_with("- ") {
        return None;
    }
    let mut kept = vec![content.trim_end().to_owned()];
    for line in lines.iter().skip(at + 1) {
        // A line that goes on stands under the text behind the dash, not under the dash.
        let own = line.get(..indent).is_some_and(|before| before.bytes().all(|byte| byte == b' '));
        let inside = line.get(indent..).and_then(|rest| rest.strip_prefix('#')).and_then(|rest| rest.get(shift..));
        match inside.filter(|inside| own && inside.starts_with("  ") && !inside.trim().is_empty()) {
            Some(inside) => kept.push(inside.trim_end().to_owned()),
            None => break,
        }
    }
    let (name, physical_name) = column(&kept)?;
    let reason = at.checked_sub(1).filter(|above| {
        lines.get(*above).is_some_and(|line| REASONS.iter().any(|reason| line.trim_start_matches(' ').starts_with(reason)))
    });
    Some(Block { first: reason.unwrap_or(at), last: at + kept.len() - 1, lines: kept, name, physical_name })
}

/// The names of a column, when the lines are a property with a type.
fn column(lines: &[String]) -> Option<(String, String)> {
    let text = format!("properties:\n{}\n", lines.join("\n"));
    let Value::Map(document) = yaml::parse(&text, "proposal").ok()?.value else { return None };
    let [(_, properties)] = document.as_slice() else { return None };
    let Value::List(items) = &properties.value else { return None };
    let [item] = items.as_slice() else { return None };
    let Value::Map(entries) = &item.value else { return None };
    let text = |key: &str| match entries.iter().find(|(name, _)| name.name == key).map(|(_, node)| &node.value) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    text("logicalType")?;
    let name = text("name")?;
    let physical_name = text("physicalName").unwrap_or_else(|| name.clone());
    Some((name, physical_name))
}
