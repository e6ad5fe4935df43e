//! A door whose optimizer applies its rules in another order, for tests of what must hold in any.

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::optimizer::OptimizerRule;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use polder_types::SeededRng;

use super::Door;

/// Rules over physical plans that keep their places among each other: the engine says of each that it comes before or after another one, and
/// a plan that was made otherwise cannot run. The second pushing of filters, which hands dynamic filters to scans, comes after all that
/// change the plan.
const PINNED: [&str; 15] = [
    "sorting_joins",
    "OutputRequirements",
    "join_selection",
    "LimitedDistinctAggregation",
    "FilterPushdown",
    "WindowTopN",
    "EnsureRequirements",
    "CombinePartialFinalAggregate",
    "LimitPushPastWindows",
    "LimitPushdown",
    "TopKRepartition",
    "EnsureCooperative",
    "yield_after_joins",
    "FilterPushdown(Post)",
    "SanityCheckPlan",
];

impl Door {
    /// The same door with the rules over logical plans in any order, and those over physical plans in any that the engine allows.
    pub(crate) fn shuffled(&self, seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let mut door = self.clone();
        door.session = SessionStateBuilder::new_from_existing(self.session.clone())
            .with_optimizer_rules(logical(self.session.optimizers(), &rng))
            .with_physical_optimizer_rules(physical(self.session.physical_optimizers(), &rng))
            .build();
        door
    }
}

/// Any order; but what mends a rule stays before it.
fn logical(rules: &[Arc<dyn OptimizerRule + Send + Sync>], rng: &SeededRng) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut units: Vec<Vec<Arc<dyn OptimizerRule + Send + Sync>>> = Vec::new();
    for rule in rules {
        match units.last_mut() {
            Some(unit) if unit.iter().all(|mender| mender.name() == "tell_projections_apart") => unit.push(Arc::clone(rule)),
            _ => units.push(vec![Arc::clone(rule)]),
        }
    }
    for place in (1..units.len()).rev() {
        units.swap(place, below(rng, place + 1));
    }
    units.into_iter().flatten().collect()
}

/// The pinned ones in their order, and the others anywhere before the two last of them.
fn physical(rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>], rng: &SeededRng) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let (mut order, free): (Vec<_>, Vec<_>) = rules.iter().cloned().partition(|rule| PINNED.contains(&rule.name()));
    assert!(free.len() >= 6, "the engine calls its rules by other names: {:?}", rules.iter().map(|rule| rule.name()).collect::<Vec<_>>());
    for rule in free {
        order.insert(below(rng, order.len() - 1), rule);
    }
    order
}

fn below(rng: &SeededRng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}
