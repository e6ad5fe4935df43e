//! TPC-H data, queries and published answers, from pinned programs, made once per scale factor.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::judges::environment;
use crate::process::{announce, command};
use crate::workspace;

/// The peers, all in one environment.
pub(super) const PEERS: [&str; 6] =
    ["tpchgen-cli==4.0.0", "polars==2.1.0", "datafusion==55.0.0", "duckdb==1.5.5", "duckdb-extension-tpch==1.5.5", "pyarrow==26.0.1"];

/// Where everything lies.
pub struct Tpch {
    pub python: PathBuf,
    pub csv: PathBuf,
    pub parquet: PathBuf,
    /// `q01.sql` to `q22.sql`.
    pub queries: PathBuf,
    /// `q01.csv` to `q22.csv`, as published where they are.
    pub answers: PathBuf,
    /// Scripts and project files of the benchmark.
    pub scripts: PathBuf,
}

/// Generates what is missing under `work`.
pub fn prepare(work: &Path, scale: &str) -> Result<Tpch> {
    if scale.parse::<f64>().is_err() {
        bail!("the scale factor `{scale}` is no number; use 1, 3 or 0.01");
    }
    let python = environment(&workspace::cache()?.join("peers"), (3, 10), (3, 13), &PEERS).context("prepare the peers")?;
    let generator = python.with_file_name("tpchgen-cli");
    let scripts = workspace::root().join("xtask/peers");
    let base = work.join(format!("sf{scale}"));
    let tpch = Tpch {
        csv: base.join("csv"),
        parquet: base.join("parquet"),
        queries: work.join("queries"),
        answers: base.join("answers"),
        python,
        scripts,
    };
    for (format, folder) in [("csv", &tpch.csv), ("parquet", &tpch.parquet)] {
        let done = base.join(format!("{format}.done"));
        if !done.exists() {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
            let output = format!("--output-dir={}", folder.display());
            announce(command(&generator).args([format, "-s", scale, "--overwrite", &output]))?;
            mark(&done)?;
        }
    }
    let done = base.join("queries.done");
    if !done.exists() {
        announce(
            command(&tpch.python)
                .arg(tpch.scripts.join("tpch_texts.py"))
                .arg(scale)
                .arg(&tpch.parquet)
                .arg(&tpch.queries)
                .arg(&tpch.answers),
        )?;
        mark(&done)?;
    }
    Ok(tpch)
}

/// Says that a step was finished, so that one that was cut off is done again.
pub(super) fn mark(file: &Path) -> Result<()> {
    std::fs::write(file, "").with_context(|| format!("write {}", file.display()))
}
