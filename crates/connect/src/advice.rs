//! What a text file looks like, where that is not what its source says: for `source check`, which suggests it. Nothing is ever read by a
//! guess, and no suggestion tells a value.

use polder_types::limit::COLUMNS_MAX;

use crate::connection::{Connection, Dataset, Encoding, SourceType};
use crate::error::Error;
use crate::files;
use crate::input::KnownFile;
use crate::reader::ReadOptions;
use crate::stream::Stream;
use crate::transcode::{Transcode, reads_as};

/// How much of a file is looked at.
pub(crate) const LOOK_BYTES: usize = 256 << 10;
/// Lines that are looked at.
pub(crate) const LINES: usize = 200;
const DELIMITERS: [u8; 5] = [b',', b';', b'\t', b'|', b':'];

/// Keys that would fit the first file of a dataset better than those that its source has; none where nothing speaks against it.
///
/// # Errors
/// When the file cannot be opened or decompressed.
pub fn advice(connection: &Connection, dataset: &str, options: ReadOptions<'_>) -> Result<Vec<String>, Error> {
    let declared = connection.dataset(dataset)?;
    if !matches!(connection.source_type, SourceType::Csv | SourceType::Fixed) {
        return Ok(Vec::new());
    }
    let found = files::find(connection, dataset, declared, options)?;
    let Some(first) = found.first() else { return Ok(Vec::new()) };
    let known = KnownFile::look(first)?;
    let mut stream = Stream::open(&known, declared.compression)?;
    let bytes = stream.peek(LOOK_BYTES)?.to_vec();
    let mut advice = Vec::new();
    let encoding = encoding(&bytes);
    if encoding != declared.encoding {
        let fits = match declared.encoding {
            Encoding::Other(other) => reads_as(other, &bytes) && encoding == Encoding::Utf8 && bytes.is_ascii(),
            Encoding::Latin1 => encoding != Encoding::Utf8 && !is_wide(encoding) || bytes.is_ascii(),
            Encoding::Utf8 => false,
        };
        if !fits {
            advice.push(format!("encoding: {}", encoding.label()));
        }
    }
    if connection.source_type == SourceType::Csv {
        dialect(&text(&bytes, encoding), bytes.len() < LOOK_BYTES, declared, &mut advice);
    }
    Ok(advice)
}

fn is_wide(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::Other(other) if !other.is_ascii_compatible())
}

/// What the bytes are in all likelihood: what a mark says, UTF-8 where they are, and else what Western Europe writes.
pub(crate) fn encoding(bytes: &[u8]) -> Encoding {
    match bytes {
        [0xff, 0xfe, ..] => return Encoding::Other(encoding_rs::UTF_16LE),
        [0xfe, 0xff, ..] => return Encoding::Other(encoding_rs::UTF_16BE),
        [_, 0, _, 0, ..] => return Encoding::Other(encoding_rs::UTF_16LE),
        [0, _, 0, _, ..] => return Encoding::Other(encoding_rs::UTF_16BE),
        _ => {}
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => Encoding::Utf8,
        // The last character may only be cut.
        Err(error) if error.error_len().is_none() => Encoding::Utf8,
        Err(_) => Encoding::Other(encoding_rs::WINDOWS_1252),
    }
}

pub(crate) fn text(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    use crate::stream::Stage;
    let Some(mut stage) = Transcode::new(encoding) else { return bytes.to_vec() };
    let mut out = Vec::new();
    // Decoding never fails.
    let _ = stage.push(bytes, &mut out);
    out
}

/// A line without what stands in quotes.
struct Line {
    bare: Vec<u8>,
    quoted: usize,
}

/// The lines of a text; without the last one where it may be cut.
fn lines(text: &[u8], whole: bool) -> Vec<&[u8]> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    if !whole || text.ends_with(b"\n") {
        lines.pop();
    }
    lines
}

/// The delimiter that most lines have the same number of times, if there is one.
pub(crate) fn delimiter(text: &[u8], whole: bool) -> Option<u8> {
    let bare: Vec<Line> = lines(text, whole).into_iter().take(LINES).map(|line| without_quotes(line, b'"')).collect();
    best_delimiter(&bare).map(|(delimiter, _)| delimiter)
}

/// The keys of a CSV dataset whose source file, `plain`, says nothing of its dialect.
pub(crate) fn dialect_of(text: &[u8], whole: bool, plain: &str, advice: &mut Vec<String>) {
    let connection = Connection::parse(plain, "plain.yaml");
    if let Some(declared) = connection.ok().as_ref().and_then(|connection| connection.datasets.values().next()) {
        dialect(text, whole, declared, advice);
    }
}

fn dialect(text: &[u8], whole: bool, declared: &Dataset, advice: &mut Vec<String>) {
    let lines = lines(text, whole);
    if lines.len() < 2 {
        return;
    }
    let first = lines.first().copied().unwrap_or_default();
    let from = usize::try_from(declared.skip_rows).unwrap_or(usize::MAX);
    let is_comment = |line: &&[u8]| line.first().is_some_and(|byte| Some(*byte) == declared.comment || *byte == b'#');
    let kept: Vec<&[u8]> = lines.iter().copied().skip(from).filter(|line| !is_comment(line)).take(LINES).collect();
    let quote = declared.quote.unwrap_or(b'"');
    let bare: Vec<Line> = kept.iter().map(|line| without_quotes(line, quote)).collect();
    let (best, fields) = match best_delimiter(&bare) {
        Some(found) => found,
        None => return,
    };
    let in_line = |line: &[u8]| without_quotes(line, quote).bare.iter().filter(|byte| **byte == best).count() + 1;
    // A header may begin with the sign, too: it has as many fields as the rows.
    let is_comment_like = first.starts_with(b"#") && in_line(first) * 2 <= fields;
    if declared.comment.is_none() && is_comment_like {
        advice.push("comment: \"#\"".to_owned());
    }
    let own = columns(&bare, declared.delimiter, true);
    if best != declared.delimiter && own.is_none_or(|own| own < fields) {
        let shown = if best == b'\t' { "\\t".to_owned() } else { char::from(best).to_string() };
        advice.push(format!("delimiter: \"{shown}\""));
    }
    let count = |line: &Line| line.bare.iter().filter(|byte| **byte == best).count() + 1;
    let before = bare.iter().take_while(|line| count(line) < fields).count();
    if declared.skip_rows == 0
        && before > 0
        && before + 1 < bare.len()
        && bare.iter().skip(before).all(|line| count(line) == fields || line.bare.is_empty())
        // A header that is short of a name or two is no title.
        && bare.iter().take(before).all(|line| count(line) * 2 <= fields)
    {
        advice.push(format!("skip_rows: {before}"));
    }
    let body = || bare.iter().zip(&kept).skip(before).filter(|(line, _)| !line.bare.is_empty());
    if !declared.trailing_delimiter && fields > 2 && body().all(|(line, _)| line.bare.last() == Some(&best)) {
        advice.push("trailing_delimiter: true".to_owned());
    }
    let escaped = body().filter(|(_, line)| memchr::memmem::find(line, b"\\\"").is_some()).count();
    if declared.escape.is_none() && declared.quote == Some(b'"') && escaped > 0 {
        advice.push("escape: \"\\\\\"".to_owned());
    }
    let single = body().filter(|(line, raw)| line.quoted == 0 && is_single_quoted(raw, best)).count();
    if declared.quote == Some(b'"') && single > 0 && single + 1 >= body().count() {
        advice.push("quote: \"'\"".to_owned());
    }
    if !declared.decimal_comma && best != b',' && commas(body().skip(1).map(|(_, raw)| raw), best) {
        advice.push("decimal: \",\"".to_owned());
    }
}

fn without_quotes(line: &[u8], quote: u8) -> Line {
    let (mut bare, mut inside, mut quoted) = (Vec::with_capacity(line.len()), false, 0);
    for byte in line {
        if *byte == quote {
            inside = !inside;
            quoted += 1;
        } else if !inside {
            bare.push(*byte);
        }
    }
    Line { bare, quoted }
}

/// The number of fields that most lines have. `strict`: at least four of five have it; else all but one, or all but the first ones.
fn columns(lines: &[Line], delimiter: u8, strict: bool) -> Option<usize> {
    let counts: Vec<usize> =
        lines.iter().filter(|line| !line.bare.is_empty()).map(|line| line.bare.iter().filter(|byte| **byte == delimiter).count()).collect();
    let usual = counts.iter().copied().max_by_key(|count| counts.iter().filter(|other| *other == count).count())?;
    let same = counts.iter().filter(|count| **count == usual).count();
    let table = counts.iter().skip_while(|count| **count != usual).count();
    let is_table =
        same * 5 >= counts.len() * 4 || (!strict && same >= 2 && (same + 1 >= counts.len() || (same == table && same * 2 > counts.len())));
    (usual > 0 && usual < COLUMNS_MAX && is_table).then_some(usual + 1)
}

fn best_delimiter(lines: &[Line]) -> Option<(u8, usize)> {
    let best = |strict| {
        let found = DELIMITERS.iter().filter_map(|delimiter| columns(lines, *delimiter, strict).map(|fields| (*delimiter, fields)));
        // The first of those that give most fields: `,` and `;` before what stands in times of day.
        found.rev().max_by_key(|(_, fields)| *fields)
    };
    best(true).or_else(|| best(false))
}

fn is_single_quoted(line: &[u8], delimiter: u8) -> bool {
    line.split(|byte| *byte == delimiter).any(|field| field.len() > 1 && field.starts_with(b"'") && field.ends_with(b"'"))
}

/// Whether a column looks like numbers with a comma: never a point, and a comma in some.
fn commas<'a>(lines: impl Iterator<Item = &'a &'a [u8]>, delimiter: u8) -> bool {
    let (mut with_comma, mut with_point) = (0, 0);
    for line in lines {
        for field in line.split(|byte| *byte == delimiter) {
            let field = field.trim_ascii();
            let number = |mark: u8| {
                let mut parts = field.strip_prefix(b"-").unwrap_or(field).split(|byte| *byte == mark);
                let digits = |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
                digits(parts.next()) && digits(parts.next()) && parts.next().is_none()
            };
            with_comma += usize::from(number(b','));
            with_point += usize::from(number(b'.'));
        }
    }
    with_comma > 0 && with_point == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is suggested for a file of these bytes.
    fn suggested(keys: &str, bytes: &[u8]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f.csv"), bytes).unwrap();
        let yaml = format!("type: csv\npath: .\ndatasets:\n  f: {{file: f.csv{keys}}}\n");
        advice(&Connection::parse(&yaml, "s.yaml").unwrap(), "f", ReadOptions::new(dir.path())).unwrap()
    }

    #[test]
    fn what_a_file_looks_like_is_suggested_where_the_source_says_otherwise() {
        let wide: Vec<u8> = "a;b\n1;2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (keys, bytes, keys_suggested) in [
            ("", &b"a;b\n1;2\n3;4\n"[..], &["delimiter: \";\""][..]),
            ("", b"a\tb\n1\t2\n3\t4\n", &["delimiter: \"\\t\""]),
            ("", b"nom;prix\nL\xe9a;1,50\nMax;2,25\n", &["encoding: windows-1252", "delimiter: \";\"", "decimal: \",\""]),
            (", delimiter: \";\", encoding: latin-1", b"nom;prix\nL\xe9a;2\nMax;2\n", &[]),
            ("", &wide, &["encoding: utf-16le", "delimiter: \";\""]),
            ("", b"Report of May\n\na,b,c\n1,2,3\n4,5,6\n", &["skip_rows: 2"]),
            ("", b"# made by x\na,b\n1,2\n", &["comment: \"#\""]),
            ("", b"a,b,\n1,2,\n3,4,\n", &["trailing_delimiter: true"]),
            ("", b"a,b\n\"x\\\"y\",2\n3,4\n", &["escape: \"\\\\\""]),
            ("", b"a,b\n'x','y'\n'z','q'\n", &["quote: \"'\""]),
        ] {
            assert_eq!(suggested(keys, bytes), keys_suggested, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn nothing_is_suggested_for_a_file_that_is_as_its_source_says() {
        for (keys, bytes) in [
            ("", &b"a,b\n1,2\n3,4\n"[..]),
            ("", b"a,b\n2013-01-01T10:00:00,\"x;y;z\"\n2013-01-01T11:00:00,p\n"),
            ("", "a,b\né,2\n".as_bytes()),
            ("", b"\xef\xbb\xbfa,b\n1,2\n"),
            ("", b"a\n1\n2\n"),
            ("", b""),
            ("", b"#nom,prenom\nDupont,Marie\nMartin,Luc\n"),
            ("", b"name,town,street\nr1,a,b,c\nr2,d,e,f\nr3,g,h,i\nr4,j,k,l\nr5,m,n,o\n"),
            (", delimiter: \";\", decimal: \",\"", b"a;b\n1,5;2\n2,5;3\n"),
            (", delimiter: \"|\"", b"a|b\n1|2\n"),
        ] {
            assert_eq!(suggested(keys, bytes), [""; 0], "{}", String::from_utf8_lossy(bytes));
        }
    }
}
