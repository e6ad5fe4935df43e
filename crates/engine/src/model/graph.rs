//! The order of models: each after those that it reads.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::TableName;

use super::{Model, ModelProblem};

/// Orders the models; among those that could come next, by name.
pub(super) fn order(models: &BTreeMap<TableName, Model>) -> Result<Vec<TableName>, ModelProblem> {
    let mut order: Vec<TableName> = Vec::new();
    let mut done: BTreeSet<&TableName> = BTreeSet::new();
    while done.len() < models.len() {
        let next = models.values().find(|model| {
            !done.contains(&model.name) && model.inputs.iter().all(|input| !models.contains_key(input) || done.contains(input))
        });
        match next {
            Some(model) => {
                done.insert(&model.name);
                order.push(model.name.clone());
            }
            None => return Err(cycle(models, &done)),
        }
    }
    Ok(order)
}

/// Every model that is not done reads one that is not done, so following them comes back to one already seen.
fn cycle(models: &BTreeMap<TableName, Model>, done: &BTreeSet<&TableName>) -> ModelProblem {
    let mut path: Vec<&Model> = Vec::new();
    let mut next = models.values().find(|model| !done.contains(&model.name));
    while let Some(model) = next {
        if let Some(start) = path.iter().position(|seen| seen.name == model.name) {
            path.drain(..start);
            break;
        }
        path.push(model);
        next = model.inputs.iter().filter(|input| !done.contains(input)).find_map(|input| models.get(input));
    }
    // Told from its first model by name, so that the text does not depend on where the search began.
    let first = path.iter().enumerate().min_by_key(|(_, model)| &model.name).map_or(0, |(index, _)| index);
    path.rotate_left(first);
    let mut names: Vec<&str> = path.iter().map(|model| model.name.as_str()).collect();
    names.extend(names.first().copied());
    ModelProblem {
        file: path.first().map_or_else(String::new, |model| model.file.clone()),
        line: None,
        message: format!("models read each other in a circle: {}; take one of these steps out", names.join(" -> ")),
    }
}
