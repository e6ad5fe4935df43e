//! Objects of a bucket, through the port: read as files of a directory are, from one version of each, wholly or not at all.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use polder_contract::Cells;
use polder_types::ErrorKind;

use crate::{
    Bucket, Buckets, Connection, Error, Fault, FileList, ObjectSeen, Objects, ReadOptions, Recognised, WantedColumn, files_of,
    folder_in_bucket, open, recognise, sample,
};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Play {
    /// Another object bears the key by now.
    Change,
    /// The storage gives fewer bytes than it promised.
    Cut,
    /// It cannot be reached.
    Down,
    /// It says no.
    Refuse,
}

/// A bucket whose storage does what a test says at the reading of a number.
#[derive(Debug, Default)]
struct Fake {
    objects: BTreeMap<String, Vec<u8>>,
    plays: BTreeMap<usize, Play>,
    list_fails: Option<Play>,
    asked: Mutex<Vec<Range<u64>>>,
    listed: Mutex<Vec<String>>,
    read_max: u64,
}

fn fault(play: Play) -> Fault {
    let (problem, kind) = match play {
        Play::Refuse => ("the storage answered 403 (AccessDenied)", ErrorKind::Denied),
        _ => ("the storage answered 503 (SlowDown)", ErrorKind::Unavailable),
    };
    Fault { problem: problem.to_owned(), advice: "do this".to_owned(), kind }
}

impl Fake {
    fn of(objects: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Self {
        let objects = objects.into_iter().map(|(key, bytes)| (key.to_owned(), bytes)).collect();
        Self { objects, read_max: 8 << 20, ..Self::default() }
    }

    fn reads(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Objects for Fake {
    fn list(&self, prefix: &str) -> Result<Vec<ObjectSeen>, Fault> {
        self.listed.lock().unwrap().push(prefix.to_owned());
        if let Some(play) = self.list_fails {
            return Err(fault(play));
        }
        let seen = |(key, bytes): (&String, &Vec<u8>)| ObjectSeen {
            key: key.clone(),
            tag: format!("\"{}\"", bytes.iter().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))),
            size_bytes: bytes.len() as u64,
            modified_ms: 1_700_000_000_000,
        };
        Ok(self.objects.iter().filter(|(key, _)| key.starts_with(prefix)).map(seen).collect())
    }

    fn read(&self, object: &ObjectSeen, range: Range<u64>) -> Result<Option<Bytes>, Fault> {
        let bytes = &self.objects[&object.key];
        assert!(range.start < range.end && range.end <= object.size_bytes && range.end - range.start <= self.read_max, "{range:?}");
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(range.clone());
            asked.len() - 1
        };
        let whole = &bytes[range.start as usize..range.end as usize];
        match self.plays.get(&number) {
            None => Ok(Some(Bytes::copy_from_slice(whole))),
            Some(Play::Change) => Ok(None),
            Some(Play::Cut) => Ok(Some(Bytes::copy_from_slice(&whole[..whole.len() - 1]))),
            Some(play) => Err(fault(*play)),
        }
    }

    fn read_max_bytes(&self) -> u64 {
        self.read_max
    }
}

struct Lake(Arc<Fake>);

impl Buckets for Lake {
    fn open(&self, bucket: &Bucket) -> Result<Arc<dyn Objects>, Fault> {
        assert_eq!(bucket.name, "lake");
        Ok(Arc::clone(&self.0) as Arc<dyn Objects>)
    }
}

const S3: &str = "s3: {region: eu-west-3, access_key_id: 'env:A', secret_access_key: 'env:B'}";

fn connection(ty: &str, keys: &str) -> Connection {
    Connection::parse(&format!("type: {ty}\npath: s3://lake/in\n{S3}\ndatasets: {{d: {{{keys}}}}}\n"), "sources/s.yaml").unwrap()
}

/// The rows of dataset `d`, as texts.
fn rows(connection: &Connection, columns: &[&str], options: ReadOptions<'_>) -> Result<Vec<Vec<String>>, Error> {
    let columns: Vec<WantedColumn> = columns.iter().map(|name| WantedColumn::new(*name)).collect();
    let mut reader = open(connection, "d", &columns, options)?;
    let mut rows = Vec::new();
    while let Some(batch) = reader.next()? {
        for row in 0..batch.rows {
            let cell = |cells: &Cells| match cells {
                Cells::Text(texts) => texts.get(row).map(|cell| String::from_utf8_lossy(cell.bytes).into_owned()).unwrap_or_default(),
                Cells::Typed(array) => arrow::util::display::array_value_to_string(array, row).unwrap(),
            };
            rows.push(batch.columns.iter().map(cell).collect());
        }
    }
    if let Some(counted) = reader.counted() {
        assert_eq!(counted, rows.len() as u64);
    }
    Ok(rows)
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/formats")
}

/// Type, file, keys and column of a file of each kind.
const FORMATS: [(&str, &str, &str, &str); 13] = [
    ("csv", "people.csv", "", "note"),
    ("csv", "people-cp1252.csv", ", encoding: windows-1252, delimiter: ';'", "note"),
    ("fixed", "people-characters.txt", ", layout: layout-characters.yaml", "note"),
    ("ndjson", "people.ndjson", "", "note"),
    ("json", "people.json", "", "note"),
    ("xml", "people.xml", ", record: export/people/person", "p:note"),
    ("excel", "people.xlsx", "", "note"),
    ("excel", "people.xlsb", ", sheet: 1", "note"),
    ("excel", "people.xls", "", "note"),
    ("excel", "people.ods", ", sheet: people", "note"),
    ("avro", "people-deflate.avro", "", "note"),
    ("arrow", "people.arrow", "", "note"),
    ("arrow", "people.arrows", "", "note"),
];

/// A number of small requests, and of large ones, gives what the file on a disk gives; and whatever goes wrong with one of them is an error
/// that says so, whichever decoder was at work.
#[test]
fn every_format_is_read_from_a_bucket_as_from_a_disk_or_not_at_all() {
    for (ty, file, keys, column) in FORMATS {
        let bytes = std::fs::read(corpus().join(file)).unwrap();
        let on_disk = format!("type: {ty}\npath: .\ndatasets: {{d: {{file: {file}{keys}}}}}\n");
        let on_disk = Connection::parse(&on_disk, "sources/s.yaml").unwrap();
        let corpus = corpus();
        let options = ReadOptions::new(&corpus);
        let wanted = rows(&on_disk, &[column], options).unwrap();
        assert!(wanted.len() > 50, "{file}");
        let key: &'static str = format!("in/{file}").leak();
        let in_bucket = connection(ty, &format!("file: {file}{keys}"));
        let mut reads = 0;
        for read_max in [bytes.len() as u64 / 5 + 1, 8 << 20] {
            let lake = Lake(Arc::new(Fake { read_max, ..Fake::of([(key, bytes.clone())]) }));
            let read = rows(&in_bucket, &[column], options.with_buckets(&lake)).unwrap();
            assert_eq!(read, wanted, "{file} by {read_max} bytes");
            reads = reads.max(lake.0.reads());
        }
        assert!(reads >= 3, "{file}: {reads}");
        for at in 0..reads {
            for play in [Play::Change, Play::Cut, Play::Down, Play::Refuse] {
                let (read_max, plays) = (bytes.len() as u64 / 5 + 1, BTreeMap::from([(at, play)]));
                let lake = Lake(Arc::new(Fake { read_max, plays, ..Fake::of([(key, bytes.clone())]) }));
                let error = rows(&in_bucket, &[column], options.with_buckets(&lake)).unwrap_err();
                let text = error.to_string();
                assert!(text.contains(&format!("s3://lake/in/{file}")), "{text}");
                match play {
                    Play::Change | Play::Cut => assert!(matches!(error, Error::Changed { .. }), "{file} at {at}: {text}"),
                    Play::Down => assert!(text.contains("503") && error.kind() == ErrorKind::Unavailable, "{file} at {at}: {text}"),
                    Play::Refuse => assert!(text.contains("403") && error.kind() == ErrorKind::Denied, "{file} at {at}: {text}"),
                }
            }
        }
    }
}

#[test]
fn compressed_objects_are_no_shorter_for_an_answer_that_is() {
    let text: String = std::iter::once("a\n".to_owned()).chain((0..40_000).map(|row| format!("{}\n", row * 7919 % 40_009))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let objects = [("in/a.csv.gz", gzip.finish().unwrap()), ("in/b.csv.zst", zstd::encode_all(text.as_bytes(), 1).unwrap())];
    let options = ReadOptions::new(Path::new("."));
    for (key, bytes) in objects {
        let source = connection("csv", "");
        let read_max = bytes.len() as u64 / 4;
        let lake = Lake(Arc::new(Fake { read_max, ..Fake::of([(key, bytes.clone())]) }));
        assert_eq!(rows(&source, &["a"], options.with_buckets(&lake)).unwrap().len(), 40_000);
        for at in 0..lake.0.reads() {
            let plays = BTreeMap::from([(at, if at % 2 == 0 { Play::Cut } else { Play::Down })]);
            let lake = Lake(Arc::new(Fake { read_max, plays, ..Fake::of([(key, bytes.clone())]) }));
            let error = rows(&source, &["a"], options.with_buckets(&lake)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{key} at {at}: {error}");
        }
    }
}

fn parquet() -> Vec<u8> {
    let rows = 0..60_000i64;
    let numbers: ArrayRef = Arc::new(rows.clone().collect::<Int64Array>());
    let text = |seed: i64| -> ArrayRef {
        Arc::new(rows.clone().map(|row| Some(format!("{seed}-{}", row * 31 % 60_013))).collect::<StringArray>())
    };
    let batch = RecordBatch::try_from_iter([("before", text(1)), ("n", numbers), ("after", text(2))]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(20_000))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn of_parquet_only_the_named_columns_are_asked_for() {
    let bytes = parquet();
    let metadata = ArrowReaderMetadata::load(&Bytes::from(bytes.clone()), ArrowReaderOptions::new()).unwrap();
    assert_eq!(metadata.metadata().num_row_groups(), 3);
    let chunks = |column: usize| metadata.metadata().row_groups().iter().map(move |group| group.column(column).byte_range());
    let options = ReadOptions::new(Path::new("."));
    for read_max in [10_000, 8 << 20] {
        let lake = Lake(Arc::new(Fake { read_max, ..Fake::of([("in/a.parquet", bytes.clone())]) }));
        let read = rows(&connection("parquet", ""), &["n"], options.with_buckets(&lake)).unwrap();
        assert_eq!((read.len(), read[41].as_slice()), (60_000, &["41".to_owned()][..]));
        let asked = lake.0.asked.lock().unwrap().clone();
        let touches = |column: usize| {
            let overlaps = |(start, length): (u64, u64)| asked.iter().any(|range| range.start < start + length && start < range.end);
            chunks(column).filter(|chunk| overlaps(*chunk)).count()
        };
        assert_eq!((touches(0), touches(1), touches(2)), (0, 3, 0), "{asked:?}");
        for at in 0..asked.len().min(30) {
            let plays = BTreeMap::from([(at, Play::Down)]);
            let lake = Lake(Arc::new(Fake { read_max, plays, ..Fake::of([("in/a.parquet", bytes.clone())]) }));
            let error = rows(&connection("parquet", ""), &["n"], options.with_buckets(&lake)).unwrap_err();
            assert!(matches!(error, Error::Bucket { kind: ErrorKind::Unavailable, .. }), "at {at}: {error}");
        }
    }
}

#[test]
fn a_listing_tells_what_an_object_is_and_copies_alone_are_read_for_it() {
    let two = b"a\n1\n2\n".to_vec();
    let lake = Lake(Arc::new(Fake::of([
        ("in/a.csv", two.clone()),
        ("in/copy.csv", two.clone()),
        ("in/long.csv", b"a\n1\n2\n3\n".to_vec()),
        ("in/other.csv", b"a\n1\n3\n".to_vec()),
        ("in/_SUCCESS", Vec::new()),
        ("in/d/", Vec::new()),
        ("inside.csv", two),
    ])));
    let options = ReadOptions::new(Path::new(".")).with_buckets(&lake);
    let source = connection("csv", "file: '*.csv'");
    let mut list = FileList::find(&source, "d", options).unwrap();
    let seen: Vec<_> = list.files().map(|file| (file.path.clone(), file.size_bytes, file.tag.is_some())).collect();
    assert_eq!(
        seen,
        [("a.csv", 6, true), ("copy.csv", 6, true), ("long.csv", 8, true), ("other.csv", 6, true)].map(|(name, size, tag)| (
            name.to_owned(),
            size,
            tag
        ))
    );
    assert_eq!((lake.0.reads(), lake.0.listed.lock().unwrap().as_slice()), (0, &["in/".to_owned()][..]));
    list.edges(2).unwrap();
    assert_eq!(lake.0.reads(), 0, "no other object has its size");
    let edges: Vec<_> = (0..4).map(|place| list.edges(place).unwrap()).collect();
    assert!(edges[0] == edges[1] && edges[0] != edges[3] && lake.0.reads() == 3);
    assert_eq!(list.sha256(0).unwrap(), list.sha256(1).unwrap());
    assert_ne!(list.sha256(0).unwrap(), list.sha256(3).unwrap());
    assert_eq!(files_of(&source, options).len(), 4);
    // Other bytes under the same names are another batch of files.
    let identity = |lake: &Lake| {
        let reader = open(&source, "d", &[WantedColumn::new("a")], ReadOptions::new(Path::new(".")).with_buckets(lake)).unwrap();
        reader.source_identity().to_owned()
    };
    let one = Lake(Arc::new(Fake::of([("in/a.csv", b"a\n1\n".to_vec())])));
    let other = Lake(Arc::new(Fake::of([("in/a.csv", b"a\n2\n".to_vec())])));
    assert_eq!(identity(&one), identity(&one));
    assert_ne!(identity(&one), identity(&other));
}

#[test]
fn what_cannot_be_listed_or_named_is_told_and_left_out_of_a_look() {
    let lake = Lake(Arc::new(Fake::of([
        ("in/a.csv", b"a\n1\n".to_vec()),
        ("in//b.csv", b"a\n1\n".to_vec()),
        ("in/../c.csv", b"a\n1\n".to_vec()),
    ])));
    let options = ReadOptions::new(Path::new(".")).with_buckets(&lake);
    let source = connection("csv", "file: ['**/*.csv', later.csv]");
    let (list, left_out) = FileList::look(&source, "d", options).unwrap();
    assert_eq!(list.files().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.csv"]);
    let texts: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    assert!(texts.iter().any(|text| text.contains("nothing matches later.csv in s3://lake/in")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("open s3://lake/in//b.csv: its key has an empty part")), "{texts:?}");
    for (play, kind) in [(Play::Down, ErrorKind::Unavailable), (Play::Refuse, ErrorKind::Denied)] {
        let lake = Lake(Arc::new(Fake { list_fails: Some(play), ..Fake::of([]) }));
        let options = ReadOptions::new(Path::new(".")).with_buckets(&lake);
        let error = FileList::find(&source, "d", options).unwrap_err();
        assert_eq!((error.kind(), error.to_string().starts_with("list s3://lake/in/")), (kind, true), "{error}");
        assert_eq!(FileList::look(&source, "d", options).unwrap().1.len(), 2);
    }
    // Without a port nothing is opened.
    let error = FileList::find(&source, "d", ReadOptions::new(Path::new("."))).unwrap_err();
    assert!(matches!(error, Error::Bucket { kind: ErrorKind::Internal, .. }), "{error}");
}

#[test]
fn objects_are_recognised_and_sampled() {
    let read = |file: &str| std::fs::read(corpus().join(file)).unwrap();
    let lake = Lake(Arc::new(Fake::of([
        ("in/people.csv", read("people.csv")),
        ("in/people.ndjson", read("people.ndjson")),
        ("in/people.xlsx", read("people.xlsx")),
        ("in/sub/people.avro", read("people-deflate.avro")),
        ("in/_hidden.csv", read("people.csv")),
    ])));
    let options = ReadOptions::new(Path::new(".")).with_buckets(&lake);
    let bucket = connection("csv", "").bucket.unwrap();
    let (files, failed) = folder_in_bucket(&bucket, options).unwrap();
    assert!(failed.is_empty());
    let told: Vec<(&str, &str)> = files
        .iter()
        .map(|file| match recognise(file).unwrap() {
            Recognised::As(ty, _) => (file.name(), ty.as_str()),
            Recognised::Nothing(why) => (file.name(), why),
        })
        .collect();
    assert_eq!(told, [("people.csv", "csv"), ("people.ndjson", "ndjson"), ("people.xlsx", "excel"), ("sub/people.avro", "avro")]);
    assert_eq!(files[0].real().unwrap(), Path::new("s3://lake/in/people.csv"));
    for (ty, file) in [("csv", "people.csv"), ("ndjson", "people.ndjson"), ("avro", "sub/people.avro")] {
        let sample = sample(&connection(ty, &format!("file: {file}")), "d", options).unwrap();
        assert!(sample.columns.iter().any(|column| column.name == "note") && sample.records > 50, "{file}");
    }
    // What the storage does not give is no damage of the file.
    for ty in ["csv", "ndjson", "avro", "excel"] {
        let file = files.iter().find(|file| matches!(recognise(file).unwrap(), Recognised::As(of, _) if of.as_str() == ty)).unwrap();
        let plays = (0..50).map(|at| (at, Play::Down)).collect();
        let down = Lake(Arc::new(Fake { objects: lake.0.objects.clone(), plays, read_max: 8 << 20, ..Fake::default() }));
        let options = ReadOptions::new(Path::new(".")).with_buckets(&down);
        let error = sample(&connection(ty, &format!("file: {}", file.name())), "d", options).unwrap_err();
        assert!(matches!(error, Error::Bucket { kind: ErrorKind::Unavailable, .. }), "{ty}: {error}");
        let (files, _) = folder_in_bucket(&bucket, options).unwrap();
        let same = files.iter().find(|other| other.name() == file.name()).unwrap();
        assert!(matches!(recognise(same), Err(Error::Bucket { kind: ErrorKind::Unavailable, .. })), "{ty}");
    }
    let object = Connection::parse(&format!("type: csv\npath: s3://lake/in/people.csv\n{S3}\ndatasets: {{d: {{}}}}\n"), "s.yaml").unwrap();
    assert_eq!(FileList::find(&object, "d", options).unwrap().files().next().unwrap().path, "people.csv");
    let error = folder_in_bucket(&object.bucket.unwrap(), options).unwrap_err();
    assert!(error.to_string().contains("it is an object, and not a directory of them"), "{error}");
}
