//! The one function that makes sessions. Everything that runs SQL runs in one of these.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    TableProvider,
};
use datafusion::error::Result;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::optimizer::Analyzer;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::DoorOptions;
use super::booleans;
use super::checked;
use super::functions::Allowed;
use super::growth;
use super::memory::SharedMemory;
use super::projections;
use super::registry::SealedOnly;
use super::spill::SealedSpill;
use super::stop;
use super::sums;
use super::thrift;

const CATALOG: &str = "polder";
const SCHEMA: &str = "public";

/// The least memory that a door works with.
pub(crate) const MEMORY_BYTES_MIN: usize = 16 << 20;
/// A query has as many threads as have this much each.
const THREAD_BYTES_MIN: usize = 32 << 20;

/// A session without tables: allowed functions, no table functions, no file formats, no stores, no catalog, sealed spill. Without a spill
/// nothing can be put aside: for who only plans.
pub(crate) fn session(options: &DoorOptions, spill: Option<SealedSpill>, allowed: &Allowed) -> Result<SessionState> {
    let threads = options.target_partitions.min(options.memory_bytes / THREAD_BYTES_MIN).max(1);
    let thread_bytes = options.memory_bytes / threads;
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        // Merging holds two batches of each run that was spilled, so little memory takes small ones.
        .with_batch_size((thread_bytes / 16_384).clamp(256, 8192))
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    let settings = config.options_mut();
    // 0.05 is exact, as in the standard: as a float, `0.06 + 0.01` would miss the rows with 0.07.
    settings.sql_parser.parse_float_as_decimal = true;
    // What each sort sets aside for merging what it spilled. The pool keeps a share for every merge, so nothing is set aside twice.
    settings.execution.sort_spill_reservation_bytes = 0;
    // Below this a sort puts its batches together before it spills them, which may take more than its share.
    let together = &mut settings.execution.sort_in_place_threshold_bytes;
    *together = (*together).min(thread_bytes / 512);
    let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(options.memory_bytes));
    let closed: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(match spill {
            Some(spill) => DiskManagerBuilder::default().with_temp_file_factory(Arc::new(spill)),
            None => DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
        })
        .with_object_store_registry(Arc::new(SealedOnly::new(closed)))
        .build_arc()?;
    let scalar = SessionStateDefaults::default_scalar_functions();
    let aggregate = SessionStateDefaults::default_aggregate_functions();
    let window = SessionStateDefaults::default_window_functions();
    let mut rules = Analyzer::new().rules;
    rules.push(checked::rule());
    rules.push(growth::rule(options.memory_bytes));
    let mut physical_rules = PhysicalOptimizer::new().rules;
    physical_rules.insert(0, thrift::rule());
    stop::yield_after_joins(&mut physical_rules);
    Ok(SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_expr_planners(expr_planners())
        .with_scalar_functions(scalar.into_iter().filter(|function| allowed.scalar(function.name())).collect())
        .with_aggregate_functions(
            aggregate
                .into_iter()
                .filter(|function| allowed.aggregate(function.name()))
                .map(|function| if function.name() == "sum" { sums::checked(function) } else { function })
                .collect(),
        )
        .with_window_functions(window.into_iter().filter(|function| allowed.window(function.name())).collect())
        .with_analyzer_rules(rules)
        .with_optimizer_rules(projections::rules())
        .with_physical_optimizer_rules(physical_rules)
        .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
        .build())
}

fn expr_planners() -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners = SessionStateDefaults::default_expr_planners();
    planners.insert(0, Arc::new(booleans::BooleanTexts));
    planners
}

/// The session with these tables and no other.
pub(crate) fn with_tables(base: &SessionState, tables: &BTreeMap<String, Arc<dyn TableProvider>>) -> Result<SessionState> {
    let schema = MemorySchemaProvider::new();
    for (name, table) in tables {
        schema.register_table(name.clone(), Arc::clone(table))?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(schema))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    let mut state = SessionStateBuilder::new_from_existing(base.clone()).with_catalog_list(Arc::new(list)).build();
    state.mark_start_execution();
    Ok(state)
}
