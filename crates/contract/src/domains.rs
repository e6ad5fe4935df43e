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

/// Why equal stored values of two columns do not mean equal values, or different ones different values; none where they do.
pub fn not_comparable(column: &Column, other: &Column) -> Option<String> {
    let masked = |column: &Column| column.mask.as_ref().map_or("as it is".to_owned(), |mask| format!("by the mask {mask}"));
    let same = match (&column.mask, &other.mask) {
        (None, None) => true,
        (Some(here), Some(there)) => here.link().is_some_and(|here| there.link().is_some_and(|there| here == there)),
        _ => false,
    };
    if !same {
        return Some(format!("{} is stored {}, {} is stored {}", column.name, masked(column), other.name, masked(other)));
    }
    let (here, there) = (column.stored()?, other.stored()?);
    (here != there).then(|| format!("{} is stored as {here}, {} as {there}", column.name, other.name))
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
    fn only_what_is_stored_whole_and_alike_can_be_compared() {
        let of = |ty: &str, mask: &str| {
            let mask =
                if mask.is_empty() { String::new() } else { format!(", customProperties: [{{property: polder.mask, value: {mask}}}]") };
            contract(&[&format!("{{name: v, logicalType: {ty}{mask}}}")]).columns.remove(0)
        };
        for (here, there, comparable) in [
            (("string", ""), ("string", ""), true),
            (("integer", ""), ("string", ""), false),
            (("string", "{pseudonymise: a}"), ("string", "{pseudonymise: a}"), true),
            (("integer", "{pseudonymise: a}"), ("string", "{pseudonymise: a}"), true),
            (("string", "{pseudonymise: a}"), ("string", "{pseudonymise: b}"), false),
            (("string", "{pseudonymise: a}"), ("string", ""), false),
            (("string", "{truncate: 2}"), ("string", "{truncate: 2}"), false),
            (("string", "{encrypt: a}"), ("string", "{encrypt: a}"), false),
            (("string", "{encrypt: a, deterministic: true}"), ("string", "{encrypt: a, deterministic: true}"), true),
        ] {
            let found = not_comparable(&of(here.0, here.1), &of(there.0, there.1));
            assert_eq!(found.is_none(), comparable, "{here:?} {there:?}: {found:?}");
        }
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
