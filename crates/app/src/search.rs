//! Looks for planted values in the clear under a directory, the way someone who stole the disk would: raw, UTF-16, base64,
//! hexadecimal, and inside whatever there is compressed (gzip, zlib, zstd, snappy) or columnar (Parquet).
//!
//! A search that finds nothing proves nothing unless the same search finds the values in a plain copy: callers run both.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use bytes::Bytes;
use parquet::column::page::Page;
use parquet::file::reader::{FileReader, SerializedFileReader};

/// At most this many bytes come out of one compressed stream.
const UNPACKED_MAX_BYTES: u64 = 256 << 20;
/// Compressed streams inside compressed streams, this deep.
const DEPTH_MAX: u8 = 3;

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// The value.
    pub value: String,
    /// How it was written: `raw`, `gzip > raw`, `parquet > utf-16le`.
    pub form: String,
}

/// What a search went through.
#[derive(Debug, Default)]
pub struct Report {
    /// Files read.
    pub files: u64,
    /// Their bytes, before unpacking.
    pub bytes: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

struct Needle {
    value: String,
    form: &'static str,
    finder: memchr::memmem::Finder<'static>,
}

/// A search for values.
pub struct Search {
    needles: Vec<Needle>,
}

impl Search {
    /// Prepares each form of each value. Values shorter than eight characters would be found by chance and are refused.
    ///
    /// # Errors
    /// Names the rule when a value is too short.
    pub fn new(values: &[&str]) -> Result<Self, &'static str> {
        let mut needles = Vec::new();
        for value in values {
            if value.len() < 8 {
                return Err("search for a planted value: it must have at least 8 bytes, or chance finds it");
            }
            for (form, bytes) in forms(value) {
                needles.push(Needle { value: (*value).to_owned(), form, finder: memchr::memmem::Finder::new(&bytes).into_owned() });
            }
        }
        Ok(Self { needles })
    }

    /// Searches every file under a directory.
    ///
    /// # Errors
    /// When a directory or file cannot be read.
    pub fn directory(&self, root: &Path) -> std::io::Result<Report> {
        let mut report = Report::default();
        let mut todo = vec![root.to_path_buf()];
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(&dir)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    todo.push(entry.path());
                } else if kind.is_file() {
                    self.file(&entry.path(), &mut report)?;
                }
                if self.needles.iter().any(|n| n.form == "raw" && entry.file_name().to_string_lossy().contains(&n.value)) {
                    report.findings.push(Finding { path: entry.path(), value: String::new(), form: "file name".to_owned() });
                }
            }
        }
        report.findings.sort();
        report.findings.dedup();
        Ok(report)
    }

    fn file(&self, path: &Path, report: &mut Report) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        report.files += 1;
        report.bytes += bytes.len() as u64;
        for (value, form) in self.bytes(&Bytes::from(bytes)) {
            report.findings.push(Finding { path: path.to_path_buf(), value, form });
        }
        Ok(())
    }

    /// Searches bytes: (value, form) of what was found.
    pub fn bytes(&self, bytes: &Bytes) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.look(bytes, "", 0, &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn look(&self, bytes: &Bytes, via: &str, depth: u8, found: &mut Vec<(String, String)>) {
        for needle in &self.needles {
            if needle.finder.find(bytes).is_some() {
                found.push((needle.value.clone(), format!("{via}{}", needle.form)));
            }
        }
        if depth == DEPTH_MAX {
            return;
        }
        for (format, magic) in STREAMS {
            for at in memchr::memmem::find_iter(bytes, magic) {
                if let Some(unpacked) = unpack(format, bytes.slice(at..)) {
                    self.look(&Bytes::from(unpacked), &format!("{via}{format} > "), depth + 1, found);
                }
            }
        }
        if bytes.starts_with(b"PAR1") {
            for page in parquet_pages(bytes) {
                self.look(&page, &format!("{via}parquet > "), depth + 1, found);
            }
        }
    }
}

/// Beginnings of compressed streams, looked for at every offset.
const STREAMS: [(&str, &[u8]); 6] = [
    ("gzip", &[0x1f, 0x8b, 0x08]),
    ("zlib", &[0x78, 0x01]),
    ("zlib", &[0x78, 0x9c]),
    ("zlib", &[0x78, 0xda]),
    ("zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
    ("snappy", &[0xff, 0x06, 0x00, 0x00, b's', b'N', b'a', b'P', b'p', b'Y']),
];

/// What comes out of a stream, even when it breaks off: chance beginnings give nothing or a few bytes.
fn unpack(format: &str, bytes: Bytes) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let input = bytes.as_ref();
    let mut reader: Box<dyn Read + '_> = match format {
        "gzip" => Box::new(flate2::read::GzDecoder::new(input)),
        "zlib" => Box::new(flate2::read::ZlibDecoder::new(input)),
        "zstd" => Box::new(zstd::stream::read::Decoder::with_buffer(input).ok()?.single_frame()),
        _ => Box::new(snap::read::FrameDecoder::new(input)),
    };
    let mut buffer = vec![0u8; 64 << 10];
    while (out.len() as u64) < UNPACKED_MAX_BYTES {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => out.extend_from_slice(buffer.get(..read)?),
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Every page of a Parquet file, decompressed (its statistics and schema lie in the footer, which is searched raw).
fn parquet_pages(bytes: &Bytes) -> Vec<Bytes> {
    let mut pages = Vec::new();
    let Ok(file) = SerializedFileReader::new(bytes.clone()) else { return pages };
    for group in 0..file.num_row_groups() {
        let Ok(group) = file.get_row_group(group) else { continue };
        for column in 0..group.num_columns() {
            let Ok(mut reader) = group.get_column_page_reader(column) else { continue };
            while let Ok(Some(page)) = reader.get_next_page() {
                pages.push(match page {
                    Page::DataPage { buf, .. } | Page::DataPageV2 { buf, .. } | Page::DictionaryPage { buf, .. } => buf,
                });
            }
        }
    }
    pages
}

/// The forms in which a value may lie on a disk.
fn forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let raw = value.as_bytes().to_vec();
    let utf16 = |encode: fn(u16) -> [u8; 2]| value.encode_utf16().flat_map(encode).collect::<Vec<u8>>();
    let hex = hex::encode(&raw);
    let mut forms = vec![
        ("utf-16le", utf16(u16::to_le_bytes)),
        ("utf-16be", utf16(u16::to_be_bytes)),
        ("hex", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
    ];
    // Base64 depends on where the value begins within a group of three bytes; the characters that its neighbours share are cut off.
    for shift in 0..3usize {
        let padded: Vec<u8> = std::iter::repeat_n(0u8, shift).chain(raw.iter().copied()).collect();
        for (form, engine) in [
            ("base64", &base64::engine::general_purpose::STANDARD_NO_PAD),
            ("base64url", &base64::engine::general_purpose::URL_SAFE_NO_PAD),
        ] {
            let text = engine.encode(&padded).into_bytes();
            let head = (shift * 8).div_ceil(6);
            let tail = usize::from(!padded.len().is_multiple_of(3));
            if let Some(inner) = text.get(head..text.len() - tail) {
                forms.push((form, inner.to_vec()));
            }
        }
    }
    forms.push(("raw", raw));
    forms
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use arrow::array::{RecordBatch, StringArray};

    use super::*;

    const VALUE: &str = "Zwanenburgwal-1911";

    fn found(bytes: Vec<u8>) -> Vec<String> {
        let search = Search::new(&[VALUE]).unwrap();
        search.bytes(&Bytes::from(bytes)).into_iter().map(|(_, form)| form).collect()
    }

    #[test]
    fn each_form_is_found() {
        assert_eq!(found(format!("xx{VALUE}yy").into_bytes()), ["raw"]);
        assert_eq!(found(VALUE.encode_utf16().flat_map(u16::to_le_bytes).collect()), ["utf-16le"]);
        assert_eq!(found(hex::encode(VALUE).into_bytes()), ["hex"]);
        for before in ["", "a", "ab", "abc"] {
            let text = base64::engine::general_purpose::STANDARD.encode(format!("{before}{VALUE}z"));
            assert_eq!(found(text.into_bytes()), ["base64", "base64url"], "{before}");
        }
    }

    #[test]
    fn compressed_streams_are_opened_at_any_offset() {
        let text = "filler ".repeat(50) + VALUE;
        let mut gzip = flate2::write::GzEncoder::new(b"head".to_vec(), flate2::Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        assert!(found(gzip.finish().unwrap()).contains(&"gzip > raw".to_owned()));
        assert!(found(zstd::encode_all(text.as_bytes(), 3).unwrap()).contains(&"zstd > raw".to_owned()));
        let mut snappy = snap::write::FrameEncoder::new(Vec::new());
        snappy.write_all(text.as_bytes()).unwrap();
        let snappy = snappy.into_inner().unwrap();
        assert!(found(snappy).contains(&"snappy > raw".to_owned()));
    }

    #[test]
    fn parquet_pages_are_opened() {
        use parquet::basic::{Compression, ZstdLevel};
        let filler = (0..2000).map(|i| format!("row {}", i % 7)).chain([VALUE.to_owned()]);
        let column = StringArray::from_iter_values(filler);
        let batch = RecordBatch::try_from_iter([("a", Arc::new(column) as _)]).unwrap();
        for compression in [Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())] {
            let properties = parquet::file::properties::WriterProperties::builder()
                .set_compression(compression)
                .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
                .build();
            let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            let forms = found(writer.into_inner().unwrap());
            assert!(forms.contains(&"parquet > raw".to_owned()), "{forms:?}");
        }
    }

    #[test]
    fn random_bytes_hold_nothing() {
        use polder_types::Rng;
        let mut bytes = vec![0u8; 1 << 20];
        polder_types::SeededRng::new(1).fill(&mut bytes).unwrap();
        assert!(found(bytes).is_empty());
        assert!(Search::new(&["short"]).is_err());
    }
}
