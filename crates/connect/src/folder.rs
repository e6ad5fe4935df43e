//! What the files of a folder are, for `source propose`: the type that reads each, and its keys. A suggestion for a source file, which
//! people read before anything is read by it. Of the files' inside it tells names only: of sheets, elements and keys, never a value.

mod columns;
mod json;
mod xml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use polder_contract::edit::quoted;

use crate::advice::{self, LOOK_BYTES};
use crate::connection::{Bucket, Compression, Connection, Encoding, SourceType};
use crate::error::Error;
use crate::excel;
use crate::files::{self, FILES_MAX, FoundFile};
use crate::input::KnownFile;
use crate::proposal::names_somebody;
use crate::reader::ReadOptions;
use crate::stream::Stream;

/// A file of a folder.
#[derive(Debug, Clone)]
pub struct FolderFile {
    found: FoundFile,
}

impl FolderFile {
    /// Its name under the folder, with `/` between directories.
    pub fn name(&self) -> &str {
        &self.found.name
    }

    /// Where it lies, links followed; none when it is gone. Of an object `s3://bucket/key`.
    pub fn real(&self) -> Option<PathBuf> {
        self.found.real()
    }
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// A type reads it: as one dataset, or as one for each of its sheets.
    As(SourceType, Vec<RecognisedDataset>),
    /// No type does, and why.
    Nothing(&'static str),
}

/// How a file, or a part of it, is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecognisedDataset {
    /// The part's name, where there are several.
    pub part: Option<String>,
    /// Keys of the dataset besides `file`, each as `key: value` in YAML.
    pub keys: Vec<String>,
    /// The text of a layout file.
    pub layout: Option<String>,
    /// What is for people to look at.
    pub note: Option<&'static str>,
}

impl RecognisedDataset {
    fn with_keys(keys: impl IntoIterator<Item = String>) -> Self {
        Self { keys: keys.into_iter().collect(), ..Self::default() }
    }
}

/// The files of a directory with all below it, sorted by name, and what of it cannot be listed. Nothing is opened.
///
/// # Errors
/// When it holds more than 100,000 files.
pub fn folder(dir: &Path) -> Result<(Vec<FolderFile>, Vec<Error>), Error> {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    let mut take = |name, path| found.push(FolderFile { found: FoundFile::on_disk(path, name) });
    let mut fails = |error| {
        failed.push(error);
        Ok(())
    };
    files::walk_but(dir, dir, &mut BTreeSet::new(), &mut take, &mut fails)?;
    if found.len() > FILES_MAX {
        return Err(Error::TooManyFiles { dataset: dir.display().to_string(), max: FILES_MAX });
    }
    found.sort_by(|a, b| a.found.name.cmp(&b.found.name));
    Ok((found, failed))
}

/// The objects below the prefix of a bucket, sorted by name, and what of it cannot be read. No object is opened.
///
/// # Errors
/// When they cannot be listed, there are more than 100,000, or the prefix is itself an object.
pub fn folder_in_bucket(bucket: &Bucket, options: ReadOptions<'_>) -> Result<(Vec<FolderFile>, Vec<Error>), Error> {
    let objects = files::in_bucket::opened(bucket, options)?;
    let (found, failed) = files::in_bucket::below(bucket, &objects)?;
    if found.len() > FILES_MAX {
        return Err(Error::TooManyFiles { dataset: bucket.location(), max: FILES_MAX });
    }
    Ok((found.into_iter().map(|found| FolderFile { found }).collect(), failed))
}

/// The files that a connection reads now, links followed. A dataset without files has none.
pub fn files_of(connection: &Connection, options: ReadOptions<'_>) -> BTreeSet<PathBuf> {
    let of = |(name, dataset)| files::find(connection, name, dataset, options).unwrap_or_default();
    connection.datasets.iter().map(|(name, dataset)| (name.as_str(), dataset)).flat_map(of).filter_map(|file| file.real()).collect()
}

/// Looks at the beginning of a file.
///
/// # Errors
/// When it cannot be opened, decompressed or, as a workbook, decoded.
pub fn recognise(file: &FolderFile) -> Result<Recognised, Error> {
    let known = KnownFile::look(&file.found)?;
    recognised(file, &known).map_err(|error| known.explained(error))
}

fn recognised(file: &FolderFile, known: &KnownFile) -> Result<Recognised, Error> {
    let lower = file.name().to_lowercase();
    let plain = lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst")).unwrap_or(&lower);
    let ending = plain.rsplit_once('.').map_or("", |(_, ending)| ending);
    let mut stream = Stream::open(known, Compression::Auto)?;
    let bytes = stream.peek(LOOK_BYTES)?.to_vec();
    let typed = |ty| {
        // Types with a compression of their own take none around it.
        let wrapped = plain.len() < lower.len();
        if wrapped {
            Recognised::Nothing("it is compressed as a whole, which its type does not take")
        } else {
            one(ty, RecognisedDataset::default())
        }
    };
    Ok(match bytes.as_slice() {
        [] => Recognised::Nothing("it is empty"),
        [b'P', b'A', b'R', b'1', ..] => typed(SourceType::Parquet),
        [b'O', b'b', b'j', 1, ..] => typed(SourceType::Avro),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => typed(SourceType::Arrow),
        [0xff, 0xff, 0xff, 0xff, ..] if matches!(ending, "arrow" | "arrows" | "feather" | "ipc") => typed(SourceType::Arrow),
        [b'P', b'K', 3 | 5, 4 | 6, ..] | [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => {
            if matches!(ending, "xlsx" | "xlsm" | "xlsb" | "xls" | "ods") && plain.len() == lower.len() {
                workbook(known)?
            } else {
                Recognised::Nothing("it is an archive or an office document; unpack it")
            }
        }
        bytes => text(bytes, ending),
    })
}

fn one(ty: SourceType, dataset: RecognisedDataset) -> Recognised {
    Recognised::As(ty, vec![dataset])
}

fn workbook(known: &KnownFile) -> Result<Recognised, Error> {
    let sheets = excel::outline(known)?;
    if sheets.iter().any(|sheet| names_somebody(&sheet.name)) {
        return Ok(Recognised::Nothing("the name of a sheet is itself personal data; rename it"));
    }
    let alone = sheets.len() == 1;
    let datasets: Vec<RecognisedDataset> = sheets
        .into_iter()
        .map(|sheet| {
            let mut keys = Vec::new();
            if !(alone && sheet.only) {
                keys.push(format!("sheet: {}", quoted(&sheet.name)));
            }
            if sheet.skip_rows > 0 {
                keys.push(format!("skip_rows: {}", sheet.skip_rows));
            }
            RecognisedDataset { part: (!alone).then_some(sheet.name), ..RecognisedDataset::with_keys(keys) }
        })
        .collect();
    Ok(if datasets.is_empty() {
        Recognised::Nothing("none of its sheets that can be seen holds a table")
    } else {
        Recognised::As(SourceType::Excel, datasets)
    })
}

fn text(bytes: &[u8], ending: &str) -> Recognised {
    let mut encoding = advice::encoding(bytes);
    if let (true, Some(label)) = (encoding != Encoding::Utf8 || bytes.is_ascii(), crate::xml::declared(bytes)) {
        encoding = Encoding::of_label(&label).unwrap_or(encoding);
    }
    let utf8 = advice::text(bytes, encoding);
    let utf8 = utf8.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&utf8);
    let is_control = |byte: &&u8| **byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0xc);
    if utf8.contains(&0) || utf8.iter().filter(is_control).count() * 100 > utf8.len() {
        return Recognised::Nothing("it is no text, and no format that is known");
    }
    let whole = bytes.len() < LOOK_BYTES;
    match utf8.trim_ascii_start() {
        [] => Recognised::Nothing("it holds white space alone"),
        [b'<', ..] => xml::recognise(utf8),
        [b'{' | b'[', ..] => {
            if encoding == Encoding::Utf8 {
                json::recognise(utf8, ending, whole)
            } else {
                Recognised::Nothing("it is JSON, but not UTF-8; deliver it as UTF-8")
            }
        }
        _ => columns::recognise(utf8, encoding, ending, whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file of that name and these bytes is, as its type and keys.
    fn seen(name: &str, bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), bytes).unwrap();
        told(&folder(dir.path()).unwrap().0[0])
    }

    fn told(file: &FolderFile) -> String {
        match recognise(file).unwrap() {
            Recognised::As(ty, datasets) => {
                let keys: Vec<String> = datasets.iter().map(|dataset| dataset.keys.join(", ")).collect();
                format!("{} {}", ty.as_str(), keys.join(" | ")).trim_end().to_owned()
            }
            Recognised::Nothing(why) => format!("nothing: {why}"),
        }
    }

    #[test]
    fn text_is_told_by_what_it_holds_and_not_by_its_name() {
        for (name, bytes, wanted) in [
            ("a.csv", &b"a,b\n1,2\n"[..], "csv"),
            ("a.txt", b"nom;prix\nL\xe9a;1,50\nMax;2,25\n", "csv encoding: windows-1252, delimiter: \";\", decimal: \",\""),
            ("a.csv", b"a\n1\n2\n", "csv"),
            ("a.txt", b"0001pen       36\n0002desk      85\n0003lamp       7\n", "fixed layout"),
            ("a.dat", b"0001 10:00:00 pen\n0002 11:30:00 ink\n", "fixed layout"),
            ("a.json", b"[{\"a\":1},{\"a\":2}]", "json"),
            (
                "a.json",
                b"{\"page\":1,\"links\":[],\"data\":{\"items\":[{\"a\":1},{\"a\":2}]},\"tags\":[{\"x\":1}]}",
                "json records: data.items",
            ),
            ("a.json", b"{\"a.b\":[{\"a\":1}]}", "json records: \"a\\\\.b\""),
            (
                "a.json",
                b"{\"ann@example.org\":[{\"a\":1}]}",
                "nothing: a key in it is itself personal data; name it otherwise at the source",
            ),
            ("a.json", b"{\"a\":1}\n{\"a\":2}\n", "ndjson"),
            ("a.jsonl", b"{\"a\":[{\"b\":1}]}\n", "ndjson"),
            ("a.json", b"{\"a\":1}", "nothing: it is one JSON object without a list of objects in it"),
            ("a.json", b"[1,2]", "nothing: it is a JSON list of what are no objects"),
            (
                "a.xml",
                b"<?xml version=\"1.0\"?><export><meta>x</meta><people><person id=\"1\"/><person id=\"2\"/></people></export>",
                "xml record: \"export/people/person\"",
            ),
            ("a.xml", b"<r xmlns:p=\"u\"><p:x><y/></p:x></r>", "xml record: \"r/x\""),
            ("a.html", b"<!DOCTYPE html><html></html>", "nothing: it is a page for a browser"),
            ("a.bin", b"\x01\x02\x00\x03", "nothing: it is no text, and no format that is known"),
            ("a.zip", b"PK\x03\x04xxxx", "nothing: it is an archive or an office document; unpack it"),
            ("a.csv", b"", "nothing: it is empty"),
            ("a.txt", b"  \n", "nothing: it holds white space alone"),
            (
                "a.dat",
                b"0001pen0002ink",
                "nothing: it is one line; records without line ends between them need a layout with `record_length`",
            ),
            ("a.txt", b"Dear all,\nthis is a letter.\nBye\n", "nothing: it is text without a delimiter or columns at fixed places"),
        ] {
            let wanted = if wanted == "fixed layout" { "fixed" } else { wanted };
            assert_eq!(seen(name, bytes), wanted, "{name}: {}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_hostile_file_is_looked_at_in_little_time_and_memory() {
        let name = "a".repeat(100_000);
        let elements: String = (0..20_000).map(|n| format!("<e{n}/>")).collect();
        assert_eq!(
            seen("a.xml", format!("<{name}>{elements}</{name}>").as_bytes()),
            "nothing: it is XML without an element inside its root"
        );
        assert_eq!(seen("b.xml", format!("<r>{elements}</r>").as_bytes()), "xml record: \"r/e0\"");
        let deep = format!("{}{}", "{\"a\":".repeat(26_000), "[],".repeat(40_000));
        assert!(seen("a.json", deep.as_bytes()).starts_with("nothing: "));
    }

    #[test]
    fn every_file_of_the_corpus_of_formats_is_known() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/formats");
        let files = folder(&corpus).unwrap().0;
        let lines: Vec<String> =
            files.iter().filter(|file| file.name().starts_with("people")).map(|file| format!("{}: {}", file.name(), told(file))).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
