//! Contracts that were parsed before: a run asks for all of them again for each of its tables.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use polder_contract::{Contract, Problems};

/// Contracts by their files, each with the text that it was parsed from. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Parsed(Arc<Mutex<HashMap<PathBuf, (String, Contract)>>>);

impl Parsed {
    /// The contract that a file's text is; `shown` is the file's name in errors.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn contract(&self, path: &Path, text: String, shown: &str) -> Result<Contract, Problems> {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, contract)) = before.get(path).filter(|(before, _)| *before == text) {
            return Ok(contract.clone());
        }
        let contract = Contract::parse(&text, shown)?;
        before.insert(path.to_owned(), (text, contract.clone()));
        Ok(contract)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &str) -> String {
        format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: {table}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, \
             value: files}}\nschema:\n  - name: {table}\n    properties:\n      - {{name: id, logicalType: integer}}\n"
        )
    }

    #[test]
    fn a_text_is_parsed_once_and_a_changed_one_anew() {
        let parsed = Parsed::default();
        let path = Path::new("contracts/t.odcs.yaml");
        let first = parsed.contract(path, text("t"), "first").unwrap();
        assert_eq!((first.table.as_str(), first.file.as_str()), ("t", "first"));
        // The name that is shown tells which call parsed it.
        assert_eq!(parsed.clone().contract(path, text("t"), "second").unwrap().file, "first");
        assert_eq!(parsed.contract(path, text("u"), "third").unwrap().table.as_str(), "u");
        assert!(parsed.contract(path, "kind: [".to_owned(), "fourth").is_err());
        assert_eq!(parsed.contract(Path::new("contracts/u.odcs.yaml"), text("u"), "fifth").unwrap().file, "fifth");
    }
}
