//! A profile as a page of its own: no script, nothing from elsewhere, and every text escaped.

use std::fmt::Write;

use polder_types::printable;

use super::{StoredColumn, StoredProfile, percent, share};
use crate::print::time;

/// Values shown of a column, at most.
const VALUES_SHOWN_MAX: usize = 8;
/// The size of a chart.
const CHART: (f64, f64) = (320.0, 72.0);

const STYLE: &str = "
:root { --ink: #1c2733; --soft: #5d6b7a; --line: #dde3ea; --card: #ffffff; --ground: #f4f6f9; --bar: #2f6fb2; --warn: #a4341f; --warnground: #fbeae6; --key: #1d6b45; --keyground: #e5f4ec; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #9aa8b7; --line: #2e3a47; --card: #1b242e; --ground: #12181f; --bar: #6aa7e6; --warn: #f2a08f; --warnground: #3a1f1a; --key: #8fd6b0; --keyground: #17301f; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .25rem; overflow-wrap: anywhere; }
p.about { color: var(--soft); margin: 0 0 1rem; max-width: 60rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.1rem; min-width: 0; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; } .kind { color: var(--soft); font-weight: 400; }
.chip { display: inline-block; border-radius: 99px; padding: .05rem .6rem; margin: .4rem .3rem 0 0; font-size: .82rem; overflow-wrap: anywhere; }
.personal { background: var(--warnground); color: var(--warn); } .key { background: var(--keyground); color: var(--key); }
dl { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: .6rem 0 .4rem; } dl div { display: flex; gap: .4rem; } dt { color: var(--soft); } dd { margin: 0; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: auto; display: block; margin-top: .4rem; } svg rect { fill: var(--bar); } .scale { display: flex; justify-content: space-between; gap: 1rem; color: var(--soft); font-size: .78rem; }
table { width: 100%; border-collapse: collapse; margin-top: .5rem; font-size: .88rem; } td { padding: .12rem 0; overflow-wrap: anywhere; } td + td { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: 1rem; }
.none { color: var(--soft); font-size: .85rem; margin: .5rem 0 0; }
";

/// The page of some profiles.
pub fn page(profiles: &[StoredProfile]) -> String {
    let title = match profiles {
        [one] => format!("{}.{}", one.source, one.dataset),
        several => several.first().map_or_else(String::new, |first| first.source.clone()),
    };
    let title = escaped(&title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Profile of {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Profile of {title}</h1>\n\
         <p class=\"about\">What columns hold, from a sample. No value that occurs fewer than 20 times stands here, and none of a personal column.</p>\n"
    );
    for profile in profiles {
        section(&mut page, profile);
    }
    page.push_str("</body>\n</html>\n");
    page
}

// Writing to a String does not fail.
macro_rules! add {
    ($page:expr, $($text:tt)*) => { let _ = writeln!($page, $($text)*); };
}

fn section(page: &mut String, profile: &StoredProfile) {
    let StoredProfile { source, dataset, table, records, files, .. } = profile;
    add!(page, "<section>\n<h2>{}</h2>", escaped(&format!("{source}.{dataset}")));
    let of = if profile.whole { "all" } else { "the first" };
    let files = if *files == 1 { "1 file".to_owned() } else { format!("the first of {files} files") };
    let when = time(profile.time_ms);
    add!(page, "<p class=\"about\">For table {}: {of} {records} records of {files}, looked at on {when}.</p>", escaped(table.as_str()));
    add!(page, "<div class=\"columns\">");
    for column in &profile.columns {
        card(page, column);
    }
    add!(page, "</div>\n</section>");
}

fn card(page: &mut String, column: &StoredColumn) {
    add!(page, "<article>\n<h3>{} <span class=\"kind\">{}</span></h3>", escaped(&column.name), escaped(&column.shown_kind()));
    for (class, chip) in [("personal", &column.personal), ("key", &column.key)] {
        if let Some(chip) = chip {
            add!(page, "<span class=\"chip {class}\">{}</span>", escaped(chip));
        }
    }
    if let Some(joins) = &column.joins {
        add!(page, "<span class=\"chip key\">joins {}</span>", escaped(joins));
    }
    let least = if column.distinct_exact { "" } else { "at least " };
    add!(page, "<dl><div><dt>missing</dt><dd>{}</dd></div>", percent(column.nulls, column.rows));
    add!(page, "<div><dt>different</dt><dd>{least}{}</dd></div>", column.distinct);
    if let Some((shortest, longest)) = column.length {
        add!(page, "<div><dt>characters</dt><dd>{shortest} to {longest}</dd></div>");
    }
    add!(page, "</dl>");
    chart(page, column);
    if !column.values.is_empty() {
        add!(page, "<table>");
        for (value, count) in column.values.iter().take(VALUES_SHOWN_MAX) {
            add!(page, "<tr><td>{}</td><td>{count} ({})</td></tr>", escaped(value), percent(*count, column.rows));
        }
        add!(page, "</table>");
    }
    if column.personal.is_some() {
        add!(page, "<p class=\"none\">No value of a personal column is kept.</p>");
    } else if column.bars.is_empty() && column.values.is_empty() {
        add!(page, "<p class=\"none\">No value occurs often enough to be shown.</p>");
    }
    add!(page, "</article>");
}

fn chart(page: &mut String, column: &StoredColumn) {
    let (Some((first, _)), Some((last, _))) = (column.bars.first(), column.bars.last()) else { return };
    let (width, height) = CHART;
    let most = column.bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let step = width * share(1, u64::try_from(column.bars.len()).unwrap_or(u64::MAX));
    add!(page, "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"distribution of {}\">", escaped(&column.name));
    let mut left = 0.0;
    for (label, count) in &column.bars {
        let tall = (share(*count, most) * height).max(1.0);
        add!(
            page,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" rx=\"1.5\"><title>{}: {count}</title></rect>",
            height - tall,
            (step - 2.0).max(step * 0.7),
            escaped(label)
        );
        left += step;
    }
    add!(page, "</svg>\n<div class=\"scale\"><span>{}</span><span>{}</span></div>", escaped(first), escaped(last));
}

/// A text in HTML, in which nothing is markup and nothing reorders what stands beside it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        let hostile = "<script>alert('x')</script>\"&\u{202e}";
        let column = StoredColumn {
            name: hostile.to_owned(),
            kind: "text".to_owned(),
            rows: 40,
            nulls: 0,
            distinct: 2,
            distinct_exact: false,
            format: Some(hostile.to_owned()),
            personal: None,
            key: Some(hostile.to_owned()),
            joins: Some(hostile.to_owned()),
            length: Some((1, 2)),
            bars: vec![(hostile.to_owned(), 20), ("b".to_owned(), 20)],
            values: vec![(hostile.to_owned(), 20)],
        };
        let profile = StoredProfile {
            format: 1,
            source: hostile.to_owned(),
            dataset: hostile.to_owned(),
            table: polder_types::TableName::new("t").unwrap(),
            time_ms: 0,
            records: 40,
            files: 2,
            whole: false,
            columns: vec![column],
        };
        let page = page(&[profile]);
        assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains("alert('"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() >= 8, "{page}");
        // Nothing is fetched, and nothing runs.
        for word in ["http:", "https:", "src=", "href", "url(", "@import", "javascript:", "onload", "onclick"] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
