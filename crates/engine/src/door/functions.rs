//! The functions that a query may call. `functions.txt` lists every function that the query engine brings, allowed or not;
//! a test fails when the engine brings one that the list does not name.

use std::collections::BTreeSet;

const LIST: &str = include_str!("functions.txt");

/// The allowed functions, by kind.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    scalar: BTreeSet<&'static str>,
    aggregate: BTreeSet<&'static str>,
    window: BTreeSet<&'static str>,
    denied: BTreeSet<&'static str>,
}

impl Allowed {
    /// Reads the list. A line is `[section]`, `# comment` or names.
    pub(crate) fn new() -> Self {
        let mut allowed = Self::default();
        let mut section = "";
        for line in LIST.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
                continue;
            }
            let names = line.split_whitespace();
            match section {
                "scalar" => allowed.scalar.extend(names),
                "aggregate" => allowed.aggregate.extend(names),
                "window" => allowed.window.extend(names),
                _ => allowed.denied.extend(names),
            }
        }
        allowed
    }

    pub(crate) fn scalar(&self, name: &str) -> bool {
        self.scalar.contains(name)
    }

    pub(crate) fn aggregate(&self, name: &str) -> bool {
        self.aggregate.contains(name)
    }

    /// An aggregate may also be computed over a window.
    pub(crate) fn window(&self, name: &str) -> bool {
        self.window.contains(name) || self.aggregate.contains(name)
    }

    /// Whether the list says no to it, rather than nothing.
    #[cfg(test)]
    pub(crate) fn denied(&self, name: &str) -> bool {
        self.denied.contains(name)
    }
}
