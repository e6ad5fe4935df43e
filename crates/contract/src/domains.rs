//! Columns that look as if they joined and cannot: one name, masked under different domains.

use crate::column::Column;
use crate::contract::Contract;
use crate::mask::Mask;
use crate::yaml::Problem;

/// Columns of one name in several contracts whose masked values are never equal, unless one of them accepts the other's domain by
/// name (`polder.acceptDomain`): a join over them would find nothing, and say nothing.
pub fn crossings(contracts: &[&Contract]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, contract) in contracts.iter().enumerate() {
        for column in &contract.columns {
            let before = contracts.iter().take(at).flat_map(|other| other.columns.iter().map(move |column| (*other, column)));
            problems.extend(before.filter_map(|(other, twin)| crossing(contract, column, other, twin)));
        }
    }
    problems
}

/// How two columns are masked, when it is so that no value of one ever equals a value of the other, and neither accepts that by name.
pub fn never_equal(column: &Column, other: &Column) -> Option<(String, String)> {
    let (here, there) = (column.mask.as_ref().and_then(Mask::link)?, other.mask.as_ref().and_then(Mask::link)?);
    let accepted = column.accepted_domains.iter().any(|domain| domain == there.domain)
        || other.accepted_domains.iter().any(|domain| domain == here.domain);
    (here != there && !accepted).then(|| (format!("{} {}", here.how, here.domain), format!("{} {}", there.how, there.domain)))
}

fn crossing(contract: &Contract, column: &Column, other: &Contract, twin: &Column) -> Option<Problem> {
    let (here, there) = never_equal(column, twin).filter(|_| column.name.eq_ignore_ascii_case(&twin.name))?;
    Some(Problem {
        file: contract.file.clone(),
        line: column.line,
        problem: format!(
            "column {} is masked by {here}, and in {}, line {}, by {there}: a join of the two finds nothing",
            column.name, other.file, twin.line
        ),
        advice: "name one domain, rename one of the columns, or accept the other's domain by name with polder.acceptDomain".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contract;

    fn table(mask: &str, more: &str) -> Contract {
        contract(&[&format!("{{name: nir, logicalType: string, customProperties: [{{property: polder.mask, value: {mask}}}{more}]}}")])
    }

    #[test]
    fn one_name_under_two_domains_is_told() {
        let patients = table("{pseudonymise: patients}", "");
        let staff = table("{pseudonymise: staff}", "");
        let sealed = table("{encrypt: patients, deterministic: true}", "");
        let accepting = table("{pseudonymise: staff}", ", {property: polder.acceptDomain, value: [patients]}");
        for (pair, problems) in [
            ([&patients, &patients], 0),
            ([&patients, &staff], 1),
            ([&staff, &patients], 1),
            ([&patients, &sealed], 1),
            ([&patients, &accepting], 0),
            ([&accepting, &patients], 0),
            ([&patients, &table("{encrypt: staff}", "")], 0),
            ([&patients, &contract(&["{name: nir, logicalType: string}"])], 0),
            (
                [
                    &patients,
                    &contract(&[
                        "{name: id, logicalType: string, customProperties: [{property: polder.mask, value: {pseudonymise: staff}}]}",
                    ]),
                ],
                0,
            ),
        ] {
            assert_eq!(crossings(&pair).len(), problems, "{:?} {:?}", pair[0].columns[0].mask, pair[1].columns[0].mask);
        }
        insta::assert_snapshot!(crossings(&[&patients, &staff])[0].to_string());
    }
}
