//! What `manifest.yaml` holds; the corpus's page says what the keys mean.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub why: String,
    source: String,
    contract: String,
    pub input: Content,
    #[serde(default)]
    pub files: BTreeMap<String, Content>,
    #[serde(default = "approve_typed")]
    pub approve: Vec<String>,
    #[serde(default = "run")]
    pub command: Vec<String>,
    pub expect: Expect,
}

/// Where the bytes of a file come from.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Content {
    File(String),
    Generated { generator: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub error: Option<String>,
    pub exit: Option<i32>,
    pub loaded: Option<u64>,
    pub rejected: Option<u64>,
    pub refused: Option<BTreeMap<String, u64>>,
    pub query: Option<String>,
    pub rows: Option<String>,
}

fn approve_typed() -> Vec<String> {
    vec!["typed".to_owned()]
}

fn run() -> Vec<String> {
    ["run", "--output", "json"].map(str::to_owned).into()
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(super::corpus().join("manifest.yaml")).unwrap();
    serde_saphyr::from_str::<Manifest>(&text).unwrap().cases
}

impl Case {
    pub fn source_file(&self) -> String {
        format!("common/sources/{}.yaml", self.source)
    }

    pub fn contract_file(&self) -> String {
        format!("common/contracts/{}.odcs.yaml", self.contract)
    }

    /// Every file that the case lays into its project beside the source and the contract.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        std::iter::once(&self.input).chain(self.files.values())
    }
}
