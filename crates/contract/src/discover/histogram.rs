//! A distribution without single values: bars with rounded edges, none of which stands for fewer rows than may be shown.

use chrono::{DateTime, Datelike};

use super::{Bar, REPEATED_MIN};

/// About as many bars as a distribution has.
const BARS: f64 = 12.0;

/// From an edge (none: from the smallest value) to before another (none: to the largest).
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Option<f64>,
    to: Option<f64>,
    count: u64,
}

/// Bars of numbers with their counts. `whole` numbers have whole edges.
pub fn of_numbers(values: impl Iterator<Item = (f64, u64)>, whole: bool) -> Vec<Bar> {
    let mut values: Vec<(f64, u64)> = values.filter(|(value, _)| value.is_finite()).collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: u64 = values.iter().map(|(_, count)| count).sum();
    let (Some(low), Some(high)) = (quantile(&values, total, 2), quantile(&values, total, 98)) else { return Vec::new() };
    // The outermost values stand in the outermost bars, so that no edge tells where one of them lies.
    let step = round_step((high - low) / BARS, whole);
    let start = (low / step).floor() * step;
    let mut edges = vec![start];
    while edges.last().is_some_and(|edge| *edge <= high) && edges.len() < 32 {
        edges.push(start + step * f64::from(u32::try_from(edges.len()).unwrap_or(0)));
    }
    let last = edges.last().copied().unwrap_or(start);
    let mut spans: Vec<Span> =
        edges.windows(2).map(|pair| Span { from: pair.first().copied(), to: pair.last().copied(), count: 0 }).collect();
    for (value, count) in &values {
        let place = edges.iter().skip(1).position(|edge| value < edge).unwrap_or(spans.len().saturating_sub(1));
        if let Some(span) = spans.get_mut(place) {
            span.count += count;
            if *value < start {
                span.from = None;
            }
            if *value >= last {
                span.to = None;
            }
        }
    }
    let decimals = if whole || step >= 1.0 { 0 } else { usize::try_from(decimals_of(step)).unwrap_or(0) };
    merged(spans).iter().map(|span| Bar { label: label(span, step, whole, decimals), count: span.count }).collect()
}

/// Bars of days since 1970-01-01, by month, year or decade.
pub fn of_days(values: impl Iterator<Item = (i64, u64)>) -> Vec<Bar> {
    let months: Vec<(i64, u64)> = values
        .filter_map(|(days, count)| {
            let day = DateTime::from_timestamp(days.checked_mul(86_400)?, 0)?;
            Some((i64::from(day.year()) * 12 + i64::from(day.month0()), count))
        })
        .collect();
    let (Some(first), Some(last)) = (months.iter().map(|(month, _)| month).min(), months.iter().map(|(month, _)| month).max()) else {
        return Vec::new();
    };
    let width = match last - first {
        0..=36 => 1,
        37..=720 => 12,
        _ => 120,
    };
    let mut bars: std::collections::BTreeMap<i64, u64> = std::collections::BTreeMap::new();
    for (month, count) in &months {
        *bars.entry(month.div_euclid(width) * width).or_default() += count;
    }
    let name = |month: i64| {
        if width == 1 { format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1) } else { month.div_euclid(12).to_string() }
    };
    let mut named: Vec<(i64, i64, u64)> = Vec::new();
    for (month, count) in bars {
        match named.last_mut() {
            Some((_, to, before)) if *before < REPEATED_MIN => {
                *to = month + width;
                *before += count;
            }
            _ => named.push((month, month + width, count)),
        }
    }
    join_last(&mut named, |before, last| (before.0, last.1, before.2 + last.2), |bar| bar.2);
    let unit = width.min(12);
    let text = |from: i64, to: i64| {
        let until = to - unit;
        if until <= from { name(from) } else { format!("{} to {}", name(from), name(until)) }
    };
    named.into_iter().map(|(from, to, count)| Bar { label: text(from, to), count }).collect()
}

/// The value below which so many hundredths of the rows lie; none of fewer rows than may be shown.
fn quantile(values: &[(f64, u64)], total: u64, hundredths: u64) -> Option<f64> {
    if total < REPEATED_MIN {
        return None;
    }
    let rank = total.saturating_mul(hundredths) / 100;
    let mut before = 0;
    for (value, count) in values {
        before += count;
        if before > rank {
            return Some(*value);
        }
    }
    values.last().map(|(value, _)| *value)
}

/// 1, 2 or 5 times a power of ten, at least `raw`.
fn round_step(raw: f64, whole: bool) -> f64 {
    if !raw.is_normal() || raw <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= raw * 0.999_999).unwrap_or(power * 10.0);
    if whole || !step.is_normal() { step.max(1.0) } else { step }
}

/// Decimals that a step below one needs.
fn decimals_of(step: f64) -> u32 {
    (1..=12u32)
        .find(|places| {
            (step * 10f64.powf(f64::from(*places))).fract() < 1e-6 || (step * 10f64.powf(f64::from(*places))).fract() > 1.0 - 1e-6
        })
        .unwrap_or(12)
}

/// Leaves out empty bars and merges small ones with the next.
fn merged(spans: Vec<Span>) -> Vec<Span> {
    let mut merged: Vec<Span> = Vec::new();
    for span in spans.into_iter().filter(|span| span.count > 0) {
        match merged.last_mut() {
            Some(before) if before.count < REPEATED_MIN => {
                before.to = span.to;
                before.count += span.count;
            }
            _ => merged.push(span),
        }
    }
    join_last(&mut merged, |before, last| Span { from: before.from, to: last.to, count: before.count + last.count }, |span| span.count);
    merged
}

/// A last bar that is too small joins the one before it, or goes when there is none.
fn join_last<T>(bars: &mut Vec<T>, join: impl Fn(&T, &T) -> T, count: impl Fn(&T) -> u64) {
    let Some(last) = bars.pop_if(|last| count(last) < REPEATED_MIN) else { return };
    if let Some(before) = bars.pop() {
        bars.push(join(&before, &last));
    }
}

fn label(span: &Span, step: f64, whole: bool, decimals: usize) -> String {
    let edge = |value: f64| {
        let value = if value == 0.0 { 0.0 } else { value };
        format!("{value:.decimals$}")
    };
    match (span.from, span.to) {
        (None, None) => "all".to_owned(),
        (None, Some(to)) => format!("below {}", edge(to)),
        (Some(from), None) => format!("{} or more", edge(from)),
        (Some(from), Some(to)) if whole && to - from <= 1.0 && step <= 1.0 => edge(from),
        (Some(from), Some(to)) => format!("{} to below {}", edge(from), edge(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bars: &[Bar]) -> Vec<String> {
        bars.iter().map(|bar| format!("{}: {}", bar.label, bar.count)).collect()
    }

    #[test]
    fn numbers_have_bars_with_rounded_edges() {
        let bars = of_numbers((0..1000).map(|number| (f64::from(number), 1)), true);
        assert_eq!(shown(&bars)[..2], ["0 to below 100: 100", "100 to below 200: 100"]);
        assert_eq!(bars.last().unwrap().label, "900 to below 1000");
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), 1000);
        let few = of_numbers([(0.0, 30), (1.0, 70)].into_iter(), true);
        assert_eq!(shown(&few), ["0: 30", "1: 70"]);
        let decimals = of_numbers((0..100).map(|number| (f64::from(number) / 100.0, 3)), false);
        assert_eq!(decimals[1].label, "0.1 to below 0.2");
    }

    #[test]
    fn no_bar_stands_for_few_rows_and_no_edge_shows_an_outlier() {
        let values = (0..400).map(|number| (f64::from(number % 7) * 3.0, 1)).chain([(987_654.0, 1), (-123_456.0, 1)]);
        let bars = of_numbers(values, true);
        assert!(bars.iter().all(|bar| bar.count >= REPEATED_MIN), "{bars:?}");
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), 402);
        assert!(bars.iter().all(|bar| !bar.label.contains("987") && !bar.label.contains("123")), "{bars:?}");
        assert!(of_numbers((0..19).map(|number| (f64::from(number), 1)), true).is_empty());
        assert!(of_numbers([(f64::NAN, 100)].into_iter(), false).is_empty());
        for extreme in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e300] {
            let bars = of_numbers([(extreme, 30), (0.0, 30), (-extreme, 30)].into_iter(), false);
            assert!(bars.iter().all(|bar| bar.count >= REPEATED_MIN));
        }
    }

    #[test]
    fn days_have_bars_by_month_year_or_decade() {
        let by_month = of_days((0..365).map(|day| (15_706 + day, 1)));
        assert_eq!((by_month[0].label.as_str(), by_month[0].count, by_month.len()), ("2013-01", 31, 12));
        let by_year = of_days((0..3650).map(|day| (15_706 + day, 1)));
        assert_eq!((by_year[0].label.as_str(), by_year[0].count), ("2013", 365));
        let by_decade = of_days((0..40_000).map(|day| (day - 20_000, 1)));
        assert_eq!(by_decade[1].label, "1920 to 1929");
        let sparse = of_days((0..40).map(|day| (day * 30, 1)));
        assert!(sparse.iter().all(|bar| bar.count >= REPEATED_MIN), "{sparse:?}");
        assert!(of_days([(i64::MAX, 30), (i64::MIN, 30)].into_iter()).is_empty());
        assert!(of_days([(0, 3)].into_iter()).is_empty());
    }
}
