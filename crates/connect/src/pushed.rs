//! What a program sent: a body in memory, decoded as a file of its format would be, and counted by the same means beside the decoder.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use polder_contract::RawBatch;
use polder_types::ErrorKind;

use crate::connection::{Connection, PushFormat, SourceType};
use crate::error::Error;
use crate::files::{At, FoundFile};
use crate::input::{FileSeen, KnownFile};
use crate::objects::{Fault, ObjectSeen, Objects};
use crate::reader::{FileReader, ReadOptions, SourceReader, WantedColumn};

/// What a body is called in reports.
const NAME: &str = "body";
/// With what an Arrow IPC file begins, which is no stream.
const ARROW_FILE: &[u8] = b"ARROW1";

/// Opens a body for the wanted columns. `identity` names this push and no other.
///
/// # Errors
/// When the dataset is not declared, does not take the format, or the body is longer than it may be.
pub fn open_pushed(
    connection: &Connection,
    dataset: &str,
    columns: &[WantedColumn],
    format: PushFormat,
    body: Bytes,
    identity: &str,
    options: ReadOptions<'_>,
) -> Result<Box<dyn SourceReader>, Error> {
    let declared = connection.dataset(dataset)?;
    let wrong =
        |problem: &str, advice| Error::Format { path: PathBuf::from(NAME), format: format.name(), problem: problem.to_owned(), advice };
    if connection.source_type != SourceType::Push || !declared.push.formats.contains(&format) {
        return Err(wrong("the dataset does not take this format", "send another one, or name it in `format` of the source"));
    }
    if body.len() > declared.push.bytes_max {
        return Err(wrong("it is longer than the dataset takes", "send it in parts, or raise `max_bytes` in the source"));
    }
    if format == PushFormat::Arrow && body.starts_with(ARROW_FILE) {
        return Err(wrong("it is an Arrow IPC file, and no stream", "send it as a stream"));
    }
    let read_as = match format {
        PushFormat::Ndjson => SourceType::Ndjson,
        PushFormat::Csv => SourceType::Csv,
        PushFormat::Arrow => SourceType::Arrow,
        PushFormat::Cloudevents => SourceType::Json,
    };
    let size_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let object = ObjectSeen { key: NAME.to_owned(), tag: identity.to_owned(), size_bytes, modified_ms: 0 };
    let at = At::Bucket(Arc::new(Body(body)), object);
    let known = KnownFile::look(&FoundFile { path: PathBuf::from(NAME), name: NAME.to_owned(), at })?;
    let rows_max = declared.push.rows_max;
    let of_format = Connection { source_type: read_as, ..connection.clone() };
    let reader = FileReader::open_files(&of_format, dataset, Some(columns.to_vec()), vec![known], options)?;
    Ok(Box::new(Pushed { reader, rows: 0, rows_max }))
}

/// Bytes that are there already, behind the port through which objects come.
struct Body(Bytes);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("bytes", &self.0.len()).finish()
    }
}

impl Objects for Body {
    fn list(&self, _: &str) -> Result<Vec<ObjectSeen>, Fault> {
        let (problem, advice) = ("a body has no listing".to_owned(), "report this as a defect".to_owned());
        Err(Fault { problem, advice, kind: ErrorKind::Internal })
    }

    fn read(&self, _: &ObjectSeen, range: Range<u64>) -> Result<Option<Bytes>, Fault> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let (from, to) = (place(range.start), place(range.end));
        Ok((from <= to && to <= self.0.len()).then(|| self.0.slice(from..to)))
    }

    fn read_max_bytes(&self) -> u64 {
        u64::MAX
    }
}

/// A body being read. It is no file that the table would have to remember.
struct Pushed {
    reader: FileReader,
    rows: u64,
    rows_max: u64,
}

impl SourceReader for Pushed {
    fn next(&mut self) -> Result<Option<RawBatch>, Error> {
        let batch = self.reader.next()?;
        let rows = batch.as_ref().map_or(0, |batch| u64::try_from(batch.rows).unwrap_or(u64::MAX));
        self.rows = self.rows.saturating_add(rows);
        if self.rows > self.rows_max {
            return Err(Error::PushedRows { path: PathBuf::from(NAME), rows_max: self.rows_max });
        }
        Ok(batch)
    }

    fn left_out(&self) -> &[String] {
        self.reader.left_out()
    }

    fn never_seen(&self) -> &[String] {
        self.reader.never_seen()
    }

    fn counted(&self) -> Option<u64> {
        self.reader.counted()
    }

    fn files(&self) -> Vec<FileSeen> {
        Vec::new()
    }

    fn source_identity(&self) -> &str {
        self.reader.source_identity()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use arrow::ipc::writer::{FileWriter, StreamWriter};

    use super::*;
    use crate::reader::FileList;

    fn connection(keys: &str) -> Result<Connection, Error> {
        Connection::parse(&format!("type: push\ndatasets: {{d: {{{keys}}}}}\n"), "sources/s.yaml")
    }

    /// Rows that came of a body, and how many the independent count finds.
    fn read(keys: &str, format: PushFormat, body: &[u8]) -> Result<(u64, Option<u64>), Error> {
        let (columns, body) = ([WantedColumn::new("a")], Bytes::copy_from_slice(body));
        let options = ReadOptions::new(Path::new("."));
        let mut reader = open_pushed(&connection(keys)?, "d", &columns, format, body, "one", options)?;
        let mut rows = 0;
        while let Some(batch) = reader.next()? {
            assert_eq!(&*batch.file, NAME);
            rows += batch.rows as u64;
        }
        assert!(reader.files().is_empty(), "a body is no file that is remembered");
        Ok((rows, reader.counted()))
    }

    fn arrow(rows: Vec<i64>) -> (Vec<u8>, Vec<u8>) {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(rows)) as ArrayRef)]).unwrap();
        let mut stream = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        stream.write(&batch).unwrap();
        stream.finish().unwrap();
        let mut file = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        file.write(&batch).unwrap();
        file.finish().unwrap();
        (stream.into_inner().unwrap(), file.into_inner().unwrap())
    }

    #[test]
    fn each_format_is_read_and_counted_apart() {
        let (stream, _) = arrow(vec![1, 2]);
        for (format, body) in [
            (PushFormat::Ndjson, &b"{\"a\": 1}\n\n{\"a\": 2}"[..]),
            (PushFormat::Csv, b"a\n1\n2\n"),
            (PushFormat::Arrow, &stream),
            (PushFormat::Cloudevents, b"[{\"a\": 1}, {\"a\": 2}]"),
        ] {
            assert_eq!(read("", format, body).unwrap(), (2, Some(2)), "{format:?}");
        }
        assert_eq!(read("", PushFormat::Cloudevents, b"[]").unwrap(), (0, Some(0)));
        // What is compressed is what it is announced as, and no record of that.
        assert_eq!(read("", PushFormat::Ndjson, &[0x1f, 0x8b, 8, 0]).unwrap(), (1, Some(1)));
    }

    #[test]
    fn what_the_source_does_not_let_in_is_refused() {
        let (stream, file) = arrow(vec![1]);
        let three = b"{\"a\": 1}\n{\"a\": 2}\n{\"a\": 3}\n";
        for (keys, format, body, told) in [
            ("format: ndjson", PushFormat::Csv, &b"a\n1\n"[..], "does not take this format"),
            ("format: [ndjson, csv]", PushFormat::Arrow, &stream, "does not take this format"),
            ("max_bytes: 26", PushFormat::Ndjson, three, "longer than the dataset takes"),
            ("max_rows: 2", PushFormat::Ndjson, three, "more than 2 rows"),
            ("", PushFormat::Arrow, &file, "no stream"),
            ("", PushFormat::Cloudevents, b"{\"a\": 1}", "JSON"),
            ("", PushFormat::Csv, b"", "holds no record"),
        ] {
            let error = read(keys, format, body).unwrap_err();
            assert!(error.to_string().contains(told), "{keys} {format:?}: {error}");
            assert_eq!(error.kind(), ErrorKind::Rejected, "{keys} {format:?}: {error}");
        }
        assert_eq!(read("max_bytes: 27, max_rows: 3", PushFormat::Ndjson, three).unwrap(), (3, Some(3)));
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_is_refused() {
        let (stream, _) = arrow(vec![1, 2, 3]);
        for length in 0..stream.len() {
            let error = read("", PushFormat::Arrow, &stream[..length]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected, "{length}: {error}");
        }
    }

    #[test]
    fn nothing_is_read_of_a_source_that_is_pushed_to() {
        let error = FileList::find(&connection("").unwrap(), "d", ReadOptions::new(Path::new("."))).unwrap_err();
        assert!(error.to_string().contains("POST /v1/ingest/s/d"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn keys_that_mean_nothing_for_it_are_refused() {
        for keys in ["file: x.csv", "header: false", "format: xml", "format: []", "max_bytes: 0", "max_rows: 10000001", "max_row: 1"] {
            assert_eq!(connection(keys).unwrap_err().kind(), ErrorKind::Invalid, "{keys}");
        }
        for yaml in ["type: push\n", "type: push\npath: data\ndatasets: {d: {}}\n", "type: push\ndatasets: {}\n"] {
            assert_eq!(Connection::parse(yaml, "sources/s.yaml").unwrap_err().kind(), ErrorKind::Invalid, "{yaml}");
        }
        let dataset = connection("null: [NA], delimiter: ';', max_bytes: 5").unwrap().dataset("d").unwrap().clone();
        assert_eq!((dataset.delimiter, dataset.push.bytes_max, dataset.push.rows_max), (b';', 5, 1_000_000));
        assert_eq!(dataset.push.formats, PushFormat::ALL);
    }
}
