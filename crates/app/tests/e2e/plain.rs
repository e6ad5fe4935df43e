//! The control of law 1's search: the same work as a plain store would keep it. Each object of the store is unsealed to the path
//! that it has, and what sorts and joins spill is spilled by the same engine without sealing: the search must find the values there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use object_store::path::Path as ObjectPath;
use polder_app::installation::Installation;
use polder_app::search::{Report, Search};
use polder_store::FileKind;

use crate::harness::Project;
use crate::law_one::{ASKED, JOIN, LEFT_OUT, LOADED, REFUSED, SORT, SPILLED, many, project, search};

/// Every object of the store, as its plaintext, at its own path under a new directory.
pub fn unsealed(project: &Project, name: &str) -> PathBuf {
    let into = project.beside(name);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let found = polder_app::project::Project::find(Some(&project.dir()), "default").unwrap();
        let installation = Installation::open_read_only(found).await.unwrap();
        let mut objects = 0;
        for file in installation.store.backend().every_file().unwrap() {
            let FileKind::Object(..) = file.kind else { continue };
            let plain = installation.store.read(&ObjectPath::from(file.path.as_str())).await.unwrap();
            let to = into.join(&file.path);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::write(to, plain).unwrap();
            objects += 1;
        }
        assert!(objects > 3);
    });
    into
}

/// The areas of a store in which each value was found.
fn areas(report: &Report, root: &Path) -> BTreeSet<(String, String)> {
    let area = |path: &Path| path.strip_prefix(root).unwrap().iter().next().unwrap().to_str().unwrap().to_owned();
    report.findings.iter().map(|found| (area(&found.path), found.value.clone())).collect()
}

#[track_caller]
fn found(project: &Project, name: &str, wanted: &[(&str, &str)]) {
    assert_eq!(search().directory(&project.store()).unwrap().findings, [], "{name}: values in the clear");
    let plain = unsealed(project, name);
    let found = areas(&search().directory(&plain).unwrap(), &plain);
    for (area, value) in wanted {
        assert!(found.contains(&((*area).to_owned(), (*value).to_owned())), "{name}: no {value} in {area}: {found:?}");
    }
    // What no contract admits would not even lie in a plain store.
    assert!(found.iter().all(|(_, value)| value != LEFT_OUT), "{name}: {found:?}");
}

#[test]
fn a_plain_store_would_hold_what_is_loaded_refused_and_asked() {
    let project = project();
    project.run(&["run"]).ok();
    found(&project, "loaded", &[("tables", LOADED), ("quarantine", REFUSED)]);
    project.run(&["sql", &format!("select count(*) from people where name = '{ASKED}'")]).ok();
    found(&project, "asked", &[("tables", LOADED), ("quarantine", REFUSED), ("private", ASKED)]);
    project.run(&["keys", "rotate", "--table", "people"]).ok();
    project.run(&["keys", "reencrypt"]).ok();
    project.admit_ages(1_000);
    project.run(&["quarantine", "replay", "people"]).ok();
    found(&project, "replayed", &[("tables", LOADED), ("tables", REFUSED), ("quarantine", REFUSED), ("private", ASKED)]);
}

#[test]
fn a_plain_store_would_hold_what_a_killed_load_left() {
    for (point, wanted) in [
        ("lake.staged", &[("tables", LOADED)][..]),
        ("quarantine-after", &[("quarantine", REFUSED)]),
        ("lake.after_intent#2", &[("tables", LOADED), ("quarantine", REFUSED)]),
        ("lake.after_commit#2", &[("tables", LOADED), ("quarantine", REFUSED)]),
    ] {
        let project = project();
        project.run(&["run", "--kill-at", point]).killed();
        found(&project, "killed", wanted);
    }
}

#[test]
fn the_engine_would_spill_the_values_in_the_clear() {
    let project = many();
    let plain = unsealed(&project, "plain");
    let tables = std::fs::read_dir(plain.join("tables")).unwrap().map(|entry| entry.unwrap().path());
    let table = tables.max_by_key(|dir| walk_bytes(dir)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (name, query) in [("sort", SORT[1]), ("join", JOIN[1])] {
        let spills = project.beside(name);
        std::fs::create_dir(&spills).unwrap();
        runtime.block_on(async {
            let environment = RuntimeEnvBuilder::new()
                .with_temp_file_path(&spills)
                .with_memory_pool(std::sync::Arc::new(FairSpillPool::new(16 << 20)))
                .build_arc()
                .unwrap();
            let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(1024);
            config.options_mut().optimizer.prefer_hash_join = false;
            config.options_mut().execution.sort_spill_reservation_bytes = 4 << 20;
            // Views hold the whole page that they were read from, and a sort counts it again for every batch.
            config.options_mut().execution.parquet.schema_force_view_types = false;
            let context = SessionContext::new_with_config_rt(config, environment);
            context.register_parquet("people", table.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
            let mut rows = context.sql(query).await.unwrap().execute_stream().await.unwrap();
            assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
            // It waits for us to ask for more, so what it spilled still lies there.
            let report = Search::new(&[SPILLED]).unwrap().directory(&spills).unwrap();
            assert!(report.bytes > 1 << 20, "{name}: only {} bytes were spilled", report.bytes);
            assert!(!report.findings.is_empty(), "{name}: nothing found in {} bytes", report.bytes);
        });
    }
}

fn walk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.path().is_dir() { walk_bytes(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}
