//! Files, globs, links, compressed streams and files that change.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;

use polder_types::ErrorKind;

use super::{read, read_bytes};
use crate::{Connection, Error, FileList, ReadOptions, WantedColumn, open, sample};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    // As the zstd program does; a stream without it cannot show every flipped bit.
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_look_leaves_out_what_cannot_be_looked_at_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    for name in ["a.csv", "c.csv", "sub/d.csv"] {
        fs::write(dir.path().join(name), "a\n1\n").unwrap();
    }
    symlink("nowhere", dir.path().join("b.csv")).unwrap();
    symlink(dir.path(), dir.path().join("sub/up")).unwrap();
    let yaml = "type: csv\npath: .\ndatasets: {d: {file: ['**/*.csv', 'later*.csv']}, none: {file: none.csv}}\n";
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    let options = ReadOptions::new(dir.path());
    assert!(FileList::find(&connection, "d", options).is_err());
    let (list, left_out) = FileList::look(&connection, "d", options).unwrap();
    assert_eq!(list.files().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.csv", "c.csv", "sub/d.csv"]);
    assert!(left_out.iter().any(|error| matches!(error, Error::Open { path, .. } if path.ends_with("b.csv"))));
    assert!(left_out.iter().any(|error| matches!(error, Error::LinkLoop { .. })));
    assert!(left_out.iter().any(|error| matches!(error, Error::NoFiles { pattern, .. } if pattern == "later*.csv")));
    let (list, left_out) = FileList::look(&connection, "none", options).unwrap();
    assert_eq!(list.files().len(), 0);
    assert!(left_out.iter().any(|error| matches!(error, Error::NoFiles { pattern, .. } if pattern == "none.csv")));
    assert!(FileList::look(&connection, "other", options).is_err());
}

#[test]
fn files_come_sorted_and_each_once() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("b2.csv", "a\n2\n"),
        ("b10.csv", "a\n10\n"),
        ("c/x.csv", "a\n3\n"),
        ("_SUCCESS", ""),
        (".hidden.csv", "a\n9\n"),
        ("note.md", "no"),
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    symlink(dir.path().join("b2.csv"), dir.path().join("z.csv")).unwrap();
    let files = |keys: &str| read(dir.path(), &format!("type: csv\npath: .\ndatasets: {{d: {{{keys}}}}}\n"), &["a"]).map(|read| read.files);
    assert_eq!(files("").unwrap(), ["b10.csv", "b2.csv", "c/x.csv"]);
    assert_eq!(files("file: b*.csv").unwrap(), ["b10.csv", "b2.csv"]);
    assert_eq!(files("file: [b2.csv, b*.csv]").unwrap(), ["b10.csv", "b2.csv"]);
    assert_eq!(files("file: c").unwrap(), ["c/x.csv"]);
    assert_eq!(files("file: \"**/x.csv\"").unwrap(), ["c/x.csv"]);
    let error = files("file: [b2.csv, q*.csv]").unwrap_err();
    assert!(matches!(error, Error::NoFiles { .. }) && error.kind() == ErrorKind::Unavailable);
    assert!(matches!(files("file: nothing/*.csv").unwrap_err(), Error::NoFiles { .. }));
}

#[test]
fn a_link_that_leads_upwards_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    symlink(dir.path(), dir.path().join("in/up")).unwrap();
    let error = read(dir.path(), "type: csv\npath: .\ndatasets: {d: {}}\n", &["a"]).unwrap_err();
    assert!(matches!(error, Error::LinkLoop { .. }), "{error}");
    assert!(matches!(
        read(dir.path(), "type: csv\npath: .\ndatasets: {d: {file: \"**/*.csv\"}}\n", &["a"]).unwrap_err(),
        Error::LinkLoop { .. }
    ));
}

#[test]
fn only_regular_files_are_read() {
    let error = read(std::path::Path::new("/"), "type: csv\npath: dev/zero\ndatasets: {d: {}}\n", &["a"]).unwrap_err();
    assert!(matches!(error, Error::NotAFile { .. }), "{error}");
}

#[test]
fn compressed_streams_read_as_plain_ones() {
    let text = b"a,b\n1,2\n3,4\n";
    let (head, tail) = text.split_at(7);
    for (name, bytes) in [
        ("f.csv.gz", gzip(text)),
        ("f.csv.gz", [gzip(head), gzip(tail)].concat()),
        ("f.csv.zst", zstd(text)),
        ("f.csv.zst", [zstd(head), zstd(tail)].concat()),
        // Told by the first bytes alone.
        ("f.csv", gzip(text)),
        ("f.csv", zstd(text)),
    ] {
        assert_eq!(read_bytes(name, &bytes, "", &["a", "b"]).unwrap().texts(), [["1", "2"], ["3", "4"]], "{name}");
    }
}

#[test]
fn a_truncated_stream_is_never_a_shorter_file() {
    let text = "a,b\n1,2\n".repeat(5000);
    for (name, whole) in [("f.csv.gz", gzip(text.as_bytes())), ("f.csv.zst", zstd(text.as_bytes()))] {
        for cut in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let error = read_bytes(name, &whole[..cut], "", &["a"]).unwrap_err();
            assert!(
                matches!(error, Error::Truncated { .. }) || (cut == 0 && matches!(error, Error::NoHeader { .. })),
                "{name} cut at {cut}: {error}"
            );
            assert!(cut == 0 || error.kind() == ErrorKind::Unavailable);
        }
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x55;
        assert!(read_bytes(name, &flipped, "", &["a"]).is_err(), "{name}");
        let trailing = [whole.as_slice(), b"garbage!"].concat();
        assert!(read_bytes(name, &trailing, "", &["a"]).is_err(), "{name}");
    }
    assert!(read_bytes("f.csv.gz", b"a\n1\n", "", &["a"]).is_err(), "not gzip under its name");
}

/// Writes `count` MiB of zeros through `sink`.
fn zeros(sink: &mut dyn Write, count: usize) {
    let mebibyte = vec![b'0'; 1 << 20];
    for _ in 0..count {
        sink.write_all(&mebibyte).unwrap();
    }
}

#[test]
fn a_bomb_is_refused_early() {
    let dir = tempfile::tempdir().unwrap();
    let mut encoder = zstd::stream::write::Encoder::new(File::create(dir.path().join("f.csv.zst")).unwrap(), 1).unwrap();
    encoder.write_all(b"a\n").unwrap();
    zeros(&mut encoder, 1024);
    encoder.finish().unwrap();
    let error = read(dir.path(), "type: csv\npath: .\ndatasets: {d: {}}\n", &["a"]).unwrap_err();
    assert!(matches!(error, Error::Bomb { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[test]
fn a_line_of_two_gigabytes_is_one_malformed_row_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    // Noise of a kind that compresses less than a bomb does: the stored file is small, the stream is long.
    let mut piece: Vec<u8> = Vec::new();
    let mut state = 1u32;
    while piece.len() < 1 << 20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let letter = b'a' + (state >> 28) as u8;
        piece.extend(std::iter::repeat_n(letter, 1 + (state >> 18 & 0x3ff) as usize));
    }
    piece.truncate(1 << 20);
    let mut encoder = flate2::write::GzEncoder::new(File::create(dir.path().join("f.csv.gz")).unwrap(), flate2::Compression::fast());
    encoder.write_all(b"a,b\n1,2\n").unwrap();
    for _ in 0..2048 {
        encoder.write_all(&piece).unwrap();
    }
    encoder.write_all(b",3\n4,5\n").unwrap();
    encoder.finish().unwrap();
    let before = resident_peak_kib();
    let read = read(dir.path(), "type: csv\npath: .\ndatasets: {d: {}}\n", &["a", "b"]).unwrap();
    assert_eq!(read.texts(), [vec!["1", "2"], vec!["!malformed:too_long"], vec!["4", "5"]]);
    let grown = resident_peak_kib().saturating_sub(before);
    assert!(grown < 256 << 10, "{grown} KiB");
}

fn resident_peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn connection() -> Connection {
    Connection::parse("type: csv\npath: .\ndatasets: {d: {}}\n", "sources/s.yaml").unwrap()
}

#[test]
fn a_file_that_changes_while_it_is_read_counts_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.csv");
    let row = format!("{},2\n", "1".repeat(100));
    fs::write(&path, format!("a,b\n{}", row.repeat(600_000))).unwrap();
    let wanted = [WantedColumn::new("a")];
    for replace in [false, true] {
        let mut reader = open(&connection(), "d", &wanted, ReadOptions::new(dir.path())).unwrap();
        assert!(reader.next().unwrap().is_some());
        if replace {
            let other = dir.path().join("other");
            fs::write(&other, "a,b\n1,2\n").unwrap();
            fs::rename(&other, &path).unwrap();
        } else {
            File::options().append(true).open(&path).unwrap().write_all(b"9,9\n").unwrap();
        }
        let error = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the change went unseen"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Changed { .. }), "{error}");
        assert!(reader.counted().is_none());
    }
}

#[test]
fn a_reader_can_be_dropped_in_the_middle() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f.csv"), format!("a,b\n{}", "1,2\n".repeat(500_000))).unwrap();
    let mut reader = open(&connection(), "d", &[WantedColumn::new("a")], ReadOptions::new(dir.path())).unwrap();
    assert!(reader.next().unwrap().is_some());
    drop(reader);
}

#[test]
fn the_same_files_have_the_same_identity() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.csv");
    fs::write(&path, format!("a\n{}", "1\n".repeat(200_000))).unwrap();
    let identity = || {
        let reader = open(&connection(), "d", &[WantedColumn::new("a")], ReadOptions::new(dir.path())).unwrap();
        reader.source_identity().to_owned()
    };
    let before = identity();
    assert_eq!(before, identity());
    touch(&path, 1_000_000_000);
    assert_ne!(before, identity());
}

fn touch(path: &std::path::Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn what_was_hashed_while_it_was_read_is_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("a,b\n{}", "1,2\n".repeat(200_000));
    let packed = zstd::stream::encode_all(text.as_bytes(), 1).unwrap();
    let columns: [(&str, arrow::array::ArrayRef); 2] =
        ["a", "b"].map(|name| (name, std::sync::Arc::new(arrow::array::Int64Array::from_iter_values(0..20_000)) as _));
    let batch = arrow::array::RecordBatch::try_from_iter(columns).unwrap();
    let mut parquet = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let lines = "{\"a\": 1, \"b\": 2}\n".repeat(100_000);
    for (kind, name, bytes) in [
        ("csv", "f.csv", text.as_bytes()),
        ("csv", "f.csv.zst", packed.as_slice()),
        ("ndjson", "f.ndjson", lines.as_bytes()),
        ("parquet", "f.parquet", parquet.as_slice()),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
        let source = format!("type: {kind}\npath: .\ndatasets:\n  d: {{file: {name}}}\n");
        let connection = Connection::parse(&source, "sources/s.yaml").unwrap();
        let options = ReadOptions::new(dir.path());
        let expected = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        for (options, expected) in [(options.hashing(), Some(expected.as_ref())), (options, None)] {
            let mut reader = open(&connection, "d", &[WantedColumn::new("a")], options).unwrap();
            while reader.next().unwrap().is_some() {}
            assert_eq!(reader.files()[0].sha256.as_ref().map(<[u8; 32]>::as_slice), expected, "{name}");
        }
        let mut list = FileList::find(&connection, "d", options).unwrap();
        assert_eq!(list.sha256(0).unwrap(), expected.as_ref(), "{name}");
        let mut list = FileList::find(&connection, "d", options).unwrap();
        touch(&dir.path().join(name), 1_000_000_000);
        assert!(matches!(list.sha256(0), Err(Error::Changed { .. })), "{name}");
    }
}

#[test]
fn a_sample_shows_names_and_kinds() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f.csv"), "id,n,x,day,at,ok,none,t\n007,1,1.5,2013-01-02,2013-01-02T03:04:05Z,true,NA,é\n008,-2,NA,2013-02-03,2013-01-02 03:04:05+01:00,false,,\"NA\"\n").unwrap();
    fs::write(dir.path().join("f.ndjson"), "{\"a\": 1, \"b\": {\"c\": 2}}\n{\"a\": 2.5, \"d\": \"2013-01-01\"}\n").unwrap();
    let show = |yaml: &str| {
        let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
        let sample = sample(&connection, "d", ReadOptions::new(dir.path())).unwrap();
        let column =
            |column: &crate::SampledColumn| format!("{} {:?} {:?} {}", column.name, column.kind, column.null_tokens, column.always_present);
        (sample.records, sample.columns.iter().map(column).collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(
        show("type: csv\npath: .\ndatasets: {d: {}}\n"),
        (
            2,
            "id Text [] true\nn Integer [] true\nx Number [\"NA\"] false\nday Date [] true\nat Timestamp [] true\nok Boolean [] true\nnone Unknown [\"NA\"] false\nt Text [] true".to_owned()
        )
    );
    assert_eq!(
        show("type: ndjson\npath: .\ndatasets: {d: {}}\n"),
        (2, "a Number [] true\nb.c Integer [] false\nd Date [] false".to_owned())
    );
}
