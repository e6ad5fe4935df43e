//! Text in lines: with delimiters, or with columns at fixed places.

use super::{Recognised, RecognisedDataset, one};
use crate::advice::{self, LINES};
use crate::connection::{Encoding, SourceType};

/// Where the last column ends at least.
const LINE_MAX: usize = 4096;
const PLAIN: &str = "type: csv\npath: .\ndatasets: {d: {file: f}}\n";

pub(super) fn recognise(text: &[u8], encoding: Encoding, ending: &str, whole: bool) -> Recognised {
    if !matches!(ending, "csv" | "tsv") && !text.trim_ascii_end().contains(&b'\n') {
        return Recognised::Nothing("it is one line; records without line ends between them need a layout with `record_length`");
    }
    let encoded = (encoding != Encoding::Utf8).then(|| format!("encoding: {}", encoding.label()));
    let separated = advice::delimiter(text, whole);
    let places = Places::find(text, whole);
    let for_places = matches!(ending, "fwf" | "prn" | "dat" | "txt" | "");
    let is_fixed = match (separated, &places) {
        // The colon stands in times of day.
        (None | Some(b':'), Some(places)) => for_places && places.is_plain(),
        (Some(_), Some(places)) => matches!(ending, "fwf" | "prn") && places.is_plain(),
        (_, None) => false,
    };
    if let (true, Some(places)) = (is_fixed, places) {
        return one(
            SourceType::Fixed,
            RecognisedDataset {
                layout: Some(places.layout()),
                note: Some("name its columns in the layout, and split those that touch"),
                ..RecognisedDataset::with_keys(encoded)
            },
        );
    }
    if separated.is_none() && !matches!(ending, "csv" | "tsv") {
        return Recognised::Nothing("it is text without a delimiter or columns at fixed places");
    }
    let mut keys: Vec<String> = encoded.into_iter().collect();
    advice::dialect_of(text, whole, PLAIN, &mut keys);
    one(SourceType::Csv, RecognisedDataset::with_keys(keys))
}

/// Where something stands in any of the lines.
struct Places {
    lines: usize,
    /// From the first character to just behind the last one, of each column.
    columns: Vec<(usize, usize)>,
    width: usize,
    even: bool,
    /// Of each column, whether every line has something at its end and not every one at its beginning: numbers.
    rightward: Vec<bool>,
}

impl Places {
    fn find(text: &[u8], whole: bool) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        if !whole || text.ends_with('\n') {
            lines.pop();
        }
        lines.retain(|line| !line.trim().is_empty());
        lines.truncate(LINES);
        if lines.len() < 2 {
            return None;
        }
        let width = lines.iter().map(|line| line.chars().count()).max()?;
        let even = lines.iter().all(|line| line.chars().count() == width);
        let mut holds = vec![false; width + 1];
        for line in &lines {
            for (place, letter) in holds.iter_mut().zip(line.chars()) {
                *place |= letter != ' ';
            }
        }
        let mut columns: Vec<(usize, usize)> = Vec::new();
        let mut start = None;
        for (place, held) in holds.iter().enumerate() {
            match (held, start) {
                (true, None) => start = Some(place),
                (false, Some(first)) => {
                    columns.push((first, place));
                    start = None;
                }
                _ => {}
            }
        }
        let stands = |line: &&str, place: usize| line.chars().nth(place).is_some_and(|letter| letter != ' ');
        let all = |place: usize| lines.iter().all(|line| stands(line, place));
        let rightward = columns.iter().map(|(start, end)| all(end - 1) && !all(*start)).collect();
        Some(Self { lines: lines.len(), columns, width, even, rightward })
    }

    /// Whether lines of one length hold columns, or lines whose last spaces are gone hold several.
    fn is_plain(&self) -> bool {
        self.even && self.width >= 4 || self.columns.len() >= 3 && self.lines >= 5
    }

    fn layout(&self) -> String {
        let mut text = format!(
            "# Proposed from where the first {} lines hold spaces, so columns that touch are one here: name them, and split them.\nunit: characters\n",
            self.lines
        );
        // Of the last column later lines may hold more, and lines end where it does.
        text += "short_lines: pad\ncolumns:\n";
        let mut begins = 1;
        for (place, (_, end)) in self.columns.iter().enumerate() {
            // The gap belongs to a number behind it, which grows to the left, and else to the text before it.
            let ends = match self.columns.get(place + 1) {
                Some(_) if self.rightward.get(place + 1) == Some(&true) => *end,
                Some((next, _)) => *next,
                None => LINE_MAX.max(*end),
            };
            text += &format!("  - {{name: column_{}, start: {begins}, end: {ends}}}\n", place + 1);
            begins = ends + 1;
        }
        text
    }
}
