//! A reading in ranges, so that connections share it. Together the ranges hold each row once, whatever the statistics say that they were
//! made from: the first takes all below its end and what has no value, the last all from its beginning on.

use super::sql::{literal, name};

/// Connections that read at once.
pub(super) const CONNECTIONS: usize = 2;
/// Most ranges of a reading: a few for each connection, so that one of them with more rows than the others does not leave it alone at
/// the end.
const RANGES_MAX: u64 = 16;
/// Ranges of a view or a query: one for each connection.
pub(super) const RANGES_OF_QUERY: u64 = 2;
/// Fewest blocks (of 8 KiB, as a rule) of a range, and of a table that is split at all: below that another connection costs more than
/// it brings.
const RANGE_BLOCKS_MIN: u64 = 512;

/// The number of ranges for a table of so many blocks.
pub(super) fn ranges_of(blocks: u64) -> u64 {
    match blocks / RANGE_BLOCKS_MIN {
        0 | 1 => 1,
        ranges => ranges.min(RANGES_MAX) / 2 * 2,
    }
}

/// Ranges of blocks, where the largest part of a table has so many. Blocks that are added meanwhile hold no row of the snapshot, and would
/// be in the last range.
pub(super) fn by_blocks(ranges: u64, most: u64) -> Vec<String> {
    let tid = |block: u64| format!("'({block},0)'::tid");
    let cut = |range: u64| u128::from(most) * u128::from(range) / u128::from(ranges.max(1));
    let cuts = (1..ranges).map(|range| tid(u64::try_from(cut(range)).unwrap_or(u64::MAX))).collect();
    between("ctid", cuts, None)
}

/// Ranges of a column's values by bounds between which about as many rows lie, of which some are taken.
pub(super) fn by_bounds(column: &str, ranges: u64, bounds: &[String]) -> Vec<String> {
    let ranges = usize::try_from(ranges).unwrap_or(1).min(bounds.len().saturating_sub(1)).max(1);
    // The first and the last bound are the least and the greatest value that were seen.
    let place = |range: usize| (bounds.len() - 1) * range / ranges;
    let mut cuts: Vec<String> = (1..ranges).filter_map(|range| bounds.get(place(range))).map(|bound| literal(bound)).collect();
    cuts.dedup();
    let column = name(column);
    between(&column, cuts, Some(&column))
}

/// Ranges of whole numbers that are as wide as each other.
pub(super) fn by_ends(column: &str, ranges: u64, least: i64, greatest: i64) -> Vec<String> {
    let width = i128::from(greatest) - i128::from(least);
    let cut = |range: u64| i128::from(least) + width * i128::from(range) / i128::from(ranges.max(1));
    let mut cuts: Vec<String> = (1..ranges).map(|range| format!("'{}'::int8", cut(range))).collect();
    cuts.dedup();
    let column = name(column);
    between(&column, cuts, Some(&column))
}

/// The ranges between cuts, which rise. Without a cut there is one range of all.
fn between(value: &str, cuts: Vec<String>, nullable: Option<&str>) -> Vec<String> {
    let Some(first) = cuts.first() else { return vec!["true".to_owned()] };
    let below = match nullable {
        Some(column) => format!("{value} < {first} OR {column} IS NULL"),
        None => format!("{value} < {first}"),
    };
    let mut ranges = vec![below];
    ranges.extend(cuts.iter().zip(cuts.iter().skip(1)).map(|(from, until)| format!("{value} >= {from} AND {value} < {until}")));
    ranges.extend(cuts.last().map(|last| format!("{value} >= {last}")));
    ranges
}

/// The ranges of each connection: every so many-th one, so that each reads from all over the table and none alone at its end.
pub(super) fn shares(ranges: &[String]) -> Vec<Vec<&str>> {
    let connections = CONNECTIONS.min(ranges.len());
    (0..connections).map(|first| ranges.iter().skip(first).step_by(connections.max(1)).map(String::as_str).collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cases;

    #[test]
    fn small_tables_are_read_in_one_and_large_ones_in_even_numbers() {
        let ranges: Vec<u64> = [0, 511, 512, 1_023, 1_024, 2_000, 4_000, 8_191, 8_192, 1 << 40].into_iter().map(ranges_of).collect();
        assert_eq!(ranges, [1, 1, 1, 1, 2, 2, 6, 14, 16, 16]);
        assert_eq!(by_blocks(1, 9), ["true"]);
        assert_eq!(by_blocks(2, 9), ["ctid < '(4,0)'::tid", "ctid >= '(4,0)'::tid"]);
        let three = ["ctid < '(3,0)'::tid", "ctid >= '(3,0)'::tid AND ctid < '(6,0)'::tid", "ctid >= '(6,0)'::tid"];
        assert_eq!(by_blocks(3, 9), three);
        assert_eq!(by_blocks(2, u64::from(u32::MAX)).len(), 2);
    }

    #[test]
    fn bounds_are_taken_evenly_and_quoted() {
        let bounds: Vec<String> = ["a", "b'", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(by_bounds("x", 2, &bounds), [r#""x" < 'c' OR "x" IS NULL"#, r#""x" >= 'c'"#]);
        let all = by_bounds("x\"", 16, &bounds);
        assert_eq!(all.len(), 4);
        assert_eq!(all[1], r#""x""" >= 'b''' AND "x""" < 'c'"#);
        assert_eq!(by_bounds("x", 4, &[]), ["true"]);
        assert_eq!(by_bounds("x", 4, &bounds[..1]), ["true"]);
        assert_eq!(by_ends("x", 4, 7, 7), [r#""x" < '7'::int8 OR "x" IS NULL"#, r#""x" >= '7'::int8"#]);
    }

    #[test]
    fn connections_take_turns() {
        let ranges: Vec<String> = (0..5).map(|range| range.to_string()).collect();
        assert_eq!(shares(&ranges), [vec!["0", "2", "4"], vec!["1", "3"]]);
        assert_eq!(shares(&ranges[..1]), [vec!["0"]]);
    }

    /// The numbers at which ranges are cut, as they stand in their conditions, and whether these fit each other.
    fn cuts(ranges: &[String]) -> Vec<i128> {
        let number = |text: &str| text.trim_start_matches(['\'', '(']).split(['\'', ',']).next().unwrap().parse::<i128>().unwrap();
        let until = |range: &String| range.split(" < ").nth(1).map(number);
        let from = |range: &String| range.split(" >= ").nth(1).map(number);
        assert!(from(&ranges[0]).is_none() && until(ranges.last().unwrap()).is_none());
        ranges
            .windows(2)
            .map(|pair| {
                assert_eq!(until(&pair[0]), from(&pair[1]));
                until(&pair[0]).unwrap()
            })
            .collect()
    }

    proptest! {
        #![proptest_config(cases(256))]
        #[test]
        fn ranges_leave_no_gap_and_do_not_overlap(ranges in 2u64..20, one in any::<i64>(), other in any::<i64>(), most in 0u64..=u64::MAX) {
            let (least, greatest) = (one.min(other), one.max(other));
            let found = cuts(&by_ends("x", ranges, least, greatest));
            prop_assert!(found.is_sorted_by(|one, other| one < other));
            prop_assert!(found.iter().all(|cut| (i128::from(least)..=i128::from(greatest)).contains(cut)));
            prop_assert!(cuts(&by_blocks(ranges, most)).is_sorted());
            let bounds: Vec<String> = (0..ranges * 3).map(|bound| bound.to_string()).collect();
            prop_assert_eq!(cuts(&by_bounds("x", ranges, &bounds)).len() as u64, ranges - 1);
        }
    }
}
