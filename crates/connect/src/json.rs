//! JSON documents: the elements of one list become records, found as the document passes and never held together.

pub(crate) mod count;
pub(crate) mod fields;
pub(crate) mod path;
pub(crate) mod shape;
pub(crate) mod split;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use polder_contract::Malformed;
use polder_types::limit::{COLUMNS_MAX, RECORD_MAX_BYTES};

use self::count::JsonCounter;
use self::shape::Shape;
use self::split::{Broken, Splitter};
use crate::batch::BatchWriter;
use crate::block::{BlockReader, Pool};
use crate::cells::Place;
use crate::connection::{Dataset, SourceType};
use crate::error::Error;
use crate::input::KnownFile;
use crate::ndjson;
use crate::output::{Message, Output, Stop};
use crate::stream::Stream;

/// Reads one document to its end. Returns the wanted values that no record held.
pub(crate) fn decode(
    file: &KnownFile,
    dataset: &Dataset,
    wanted: &[String],
    pool: &Pool,
    place: &mut Place,
    out: &Output,
) -> Result<Vec<String>, Stop> {
    let broken = |broken, record| Stop::Failed(explain(&file.path, dataset, broken, record));
    let mut reader = document(file, dataset, pool)?;
    let mut shape = Shape::new(wanted, dataset);
    let mut splitter = Splitter::new(&dataset.records);
    let (mut read, mut at, mut dropped) = (0u64, 0, false);
    let mut writer = BatchWriter::new(wanted.len(), place, out);
    while let Some(block) = reader.read()? {
        let mut records = Vec::new();
        let fed = splitter.feed(block.bytes(), at, &mut records);
        read += u64::try_from(records.len()).unwrap_or(u64::MAX);
        fed.map_err(|why| broken(why, read))?;
        let last = block.last;
        let len = block.bytes().len();
        let keep = splitter.begun().unwrap_or(len);
        let too_long = len.saturating_sub(keep) > RECORD_MAX_BYTES;
        // Of a record that is too long only the splitter's state goes on.
        let bytes = reader.share(block, if too_long { len } else { keep }, !too_long);
        writer.begin(&bytes)?;
        for (from, to) in records {
            if std::mem::take(&mut dropped) {
                writer.end_malformed(Malformed::TooLong)?;
                continue;
            }
            shape.record(&mut writer, bytes.get(from..to).unwrap_or_default(), from)?;
        }
        dropped |= too_long;
        splitter.moved(if too_long { len } else { keep });
        at = if too_long { 0 } else { len - keep };
        if last {
            break;
        }
    }
    splitter.finish().map_err(|why| broken(why, read))?;
    writer.flush()?;
    let counted = (!shape.explodes()).then(|| reader.counted());
    let (missing, left_out) = shape.finish();
    out.send(Message::LeftOut(left_out))?;
    out.send(Message::FileEnd { counted, sha256: reader.sha256() })?;
    Ok(missing)
}

fn document(file: &KnownFile, dataset: &Dataset, pool: &Pool) -> Result<BlockReader, Error> {
    let stream = Stream::open(file, dataset.compression)?;
    Ok(BlockReader::new(stream, pool.clone(), Box::new(JsonCounter::new(&dataset.records)), Arc::new(file.path.clone())))
}

fn explain(path: &Path, dataset: &Dataset, broken: Broken, records: u64) -> Error {
    let at = dataset.records.keys().iter().map(|key| path::escaped(key)).collect::<Vec<_>>().join(".");
    let list = if at.is_empty() { "at its top".to_owned() } else { format!("at {at}") };
    let after = if records == 0 { "before its first record ends".to_owned() } else { format!("after record {records}") };
    let (problem, advice) = match broken {
        Broken::Syntax => (format!("it is not JSON, {after}"), "correct it at the source"),
        Broken::Ends => (format!("it ends in the middle, {after}"), "deliver the whole file"),
        Broken::TooDeep => (format!("it is nested too deeply, {after}"), "deliver it flatter"),
        Broken::Trailing => {
            ("something stands behind the document".to_owned(), "deliver one document, or set `type: ndjson` for an object a line")
        }
        Broken::NoList => (format!("there is no list {list}"), "set `records` to the path of the list of records"),
        Broken::NotAList => {
            (format!("what stands {list} is no list"), "set `records` to the path of the list of records, such as result.items")
        }
        Broken::Twice => (format!("the list {list} stands there twice"), "correct it at the source"),
    };
    Error::Format { path: path.to_path_buf(), format: "JSON", problem, advice }
}

/// The names of columns that the first records offer, in the order in which they first appear; objects by their values.
pub(crate) fn first_names(file: &KnownFile, dataset: &Dataset, source_type: SourceType, records: u64) -> Result<Vec<String>, Error> {
    let records = usize::try_from(records).unwrap_or(usize::MAX);
    let mut names = Names::new(dataset);
    if source_type == SourceType::Ndjson {
        let mut reader = ndjson::lines(file, dataset, &Pool::new())?;
        let Some(block) = reader.read()? else { return Ok(names.finish()) };
        block.bytes().split(|byte| *byte == b'\n').take(records).for_each(|line| names.record(line));
        return Ok(names.finish());
    }
    let mut reader = document(file, dataset, &Pool::new())?;
    let Some(block) = reader.read()? else { return Ok(names.finish()) };
    let mut found = Vec::new();
    let fed = Splitter::new(&dataset.records).feed(block.bytes(), 0, &mut found);
    let whole = u64::try_from(found.len()).unwrap_or(u64::MAX);
    fed.map_err(|why| explain(&file.path, dataset, why, whole))?;
    for (from, to) in found.into_iter().take(records) {
        names.record(block.bytes().get(from..to).unwrap_or_default());
    }
    Ok(names.finish())
}

/// Names that records offer.
struct Names<'a> {
    dataset: &'a Dataset,
    outer: shape::Elements,
    seen: BTreeSet<String>,
    names: Vec<String>,
}

impl<'a> Names<'a> {
    fn new(dataset: &'a Dataset) -> Self {
        let names: Vec<String> = dataset.parent.iter().map(|(name, _)| name.clone()).collect();
        Self { dataset, outer: shape::Elements::new(dataset), seen: names.iter().cloned().collect(), names }
    }

    /// A record that is none has nothing to offer; the reader reports it.
    fn record(&mut self, record: &[u8]) {
        if self.dataset.explode.is_none() {
            self.object(record);
            return;
        }
        for element in self.outer.of(record).unwrap_or_default() {
            match element.first() {
                Some(b'{') => self.object(element),
                _ => self.name(shape::SCALAR.to_owned()),
            }
        }
    }

    fn object(&mut self, record: &[u8]) {
        let _ = ndjson::each_key(record, &mut Vec::new(), &mut |name| self.name(name));
    }

    fn name(&mut self, name: String) {
        if self.names.len() < COLUMNS_MAX && self.seen.insert(name.clone()) {
            self.names.push(name);
        }
    }

    fn finish(self) -> Vec<String> {
        self.names
    }
}
