//! A dataset opened for reading: files in order, decoded on a thread of their own, a bounded number of batches ahead.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use aws_lc_rs::digest;
use crossbeam_channel::Receiver;
use polder_contract::{ColumnType, RawBatch};

use crate::block::Pool;
use crate::cells::Place;
use crate::connection::{Connection, Dataset, SourceType};
use crate::database::{Increment, Settled};
use crate::error::Error;
use crate::input::{FileSeen, KnownFile};
use crate::layout::Layout;
use crate::objects::{Buckets, NoBuckets};
use crate::output::{Message, Output, Stop};
use crate::secrets::{NoSecrets, Secrets};
use crate::{arrow_file, avro, csv, excel, files, fixed, json, ndjson, parquet_file, xml};

/// Batches that wait for the reader at most.
const BATCHES_AHEAD: usize = 4;

/// A column that a contract authorises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedColumn {
    /// The column's name in the source (the contract's `physicalName`).
    pub name: String,
    /// The type that the contract gives it. A spreadsheet's midnight is a date or a moment, and only this tells which.
    pub ty: Option<ColumnType>,
}

impl WantedColumn {
    /// Wants the column of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ty: None }
    }

    /// The same, of that type.
    pub fn of_type(self, ty: ColumnType) -> Self {
        Self { ty: Some(ty), ..self }
    }
}

/// How a dataset is opened.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// The project's directory: a connection's path is relative to it.
    pub root: &'a Path,
    /// Whether each file is hashed while it is read, so that a copy of it can be told later.
    pub hash: bool,
    /// Resolves references to secrets, which only databases have.
    pub secrets: &'a dyn Secrets,
    /// Opens buckets.
    pub buckets: &'a dyn Buckets,
}

impl<'a> ReadOptions<'a> {
    /// Reads under a project's directory, without any secret and no bucket.
    pub fn new(root: &'a Path) -> Self {
        Self { root, hash: false, secrets: &NoSecrets, buckets: &NoBuckets }
    }

    /// The same, with secrets.
    pub fn with_secrets(self, secrets: &'a dyn Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// The same, with buckets.
    pub fn with_buckets(self, buckets: &'a dyn Buckets) -> Self {
        Self { buckets, ..self }
    }

    /// The same, and hashes each file.
    pub fn hashing(self) -> Self {
        Self { hash: true, ..self }
    }
}

/// A dataset being read. The order of files and rows is the same each time.
pub trait SourceReader: Send {
    /// The next batch, of one file; `None` after the last. Blocks until a batch is decoded.
    ///
    /// # Errors
    /// When the source cannot be read to its end as it was when it was opened: then nothing of it counts.
    fn next(&mut self) -> Result<Option<RawBatch>, Error>;
    /// Columns that stand in the source and are not authorised: no byte of them was decoded. Complete at the end.
    fn left_out(&self) -> &[String];
    /// Authorised columns that no record of the source held (NDJSON, JSON and XML; other types refuse at once). Known at the end.
    fn never_seen(&self) -> &[String];
    /// How many records the source holds, counted by a means that is not the decoder. Known at the end.
    fn counted(&self) -> Option<u64>;
    /// The files, in the order in which they are read; with their hashes at the end, where these were asked for.
    fn files(&self) -> Vec<FileSeen>;
    /// Names this batch of files: the same files give the same identity. 64 hexadecimal digits. Of a database each reading has one of its
    /// own.
    fn source_identity(&self) -> &str;
    /// What an increment came to, where one was read. Known at the end.
    fn increment(&self) -> Option<Increment> {
        None
    }
}

/// Opens a dataset of files for the wanted columns.
///
/// # Errors
/// When the dataset is not declared, no file matches, or a file cannot be looked at.
pub fn open(
    connection: &Connection,
    dataset: &str,
    columns: &[WantedColumn],
    options: ReadOptions<'_>,
) -> Result<Box<dyn SourceReader>, Error> {
    FileList::find(connection, dataset, options)?.open(connection, dataset, columns, options)
}

/// The files of a dataset, looked at and not read yet.
#[derive(Debug, Clone)]
pub struct FileList {
    files: Vec<KnownFile>,
    /// How many of them there are of each size, in bytes: `edges` is asked of each.
    of_size: HashMap<u64, usize>,
}

impl FileList {
    fn of(files: Vec<KnownFile>) -> Self {
        let mut of_size = HashMap::new();
        for file in &files {
            *of_size.entry(file.seen.size_bytes).or_default() += 1;
        }
        Self { files, of_size }
    }

    /// Finds the files of a dataset, in the order in which they are read.
    ///
    /// # Errors
    /// When the dataset is not declared, no file matches, or a file cannot be looked at.
    pub fn find(connection: &Connection, dataset: &str, options: ReadOptions<'_>) -> Result<Self, Error> {
        let found = files::find(connection, dataset, connection.dataset(dataset)?, options)?;
        Ok(Self::of(found.iter().map(KnownFile::look).collect::<Result<_, _>>()?))
    }

    /// Finds the files of a dataset that can be looked at, and says what is left out: files that cannot, patterns that match nothing.
    ///
    /// # Errors
    /// When the dataset is not declared, or too many files match.
    pub fn look(connection: &Connection, dataset: &str, options: ReadOptions<'_>) -> Result<(Self, Vec<Error>), Error> {
        let mut left_out = Vec::new();
        let mut fails = |error: Error| -> Result<(), Error> {
            left_out.push(error);
            Ok(())
        };
        let found = files::find_but(connection, dataset, connection.dataset(dataset)?, options, &mut fails)?;
        let mut files = Vec::with_capacity(found.len());
        for found in &found {
            match KnownFile::look(found) {
                Ok(known) => files.push(known),
                Err(error) => left_out.push(error),
            }
        }
        Ok((Self::of(files), left_out))
    }

    /// What was seen of them.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &FileSeen> {
        self.files.iter().map(|file| &file.seen)
    }

    /// The SHA-256 of the file at this place: reads it whole, once.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or it changed since it was looked at.
    pub fn sha256(&mut self, place: usize) -> Result<[u8; 32], Error> {
        let file = self.files.get_mut(place).ok_or(Error::Internal { step: "hash a file that is not in the list" })?;
        if let Some(known) = file.seen.sha256 {
            return Ok(known);
        }
        let mut opened = file.open()?;
        let digest = file.sha256(&mut opened)?;
        file.check(&opened)?;
        file.seen.sha256 = Some(digest);
        Ok(digest)
    }

    /// The size of the file at this place and a hash of both its ends: files of the list that differ in these are not the same. Of an object
    /// the ends are read here, where another file of the list has its size.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn edges(&self, place: usize) -> Result<(u64, [u8; 32]), Error> {
        let file = self.files.get(place).ok_or(Error::Internal { step: "look at a file that is not in the list" })?;
        let size = file.seen.size_bytes;
        let alone = !file.is_on_disk() && self.of_size.get(&size) == Some(&1);
        Ok((size, if alone { [0; 32] } else { file.edges()? }))
    }

    /// Drops the files that are not named.
    pub fn keep(&mut self, names: &BTreeSet<String>) {
        let mut files = std::mem::take(&mut self.files);
        files.retain(|file| names.contains(&file.seen.path));
        *self = Self::of(files);
    }

    /// Opens them for the wanted columns.
    ///
    /// # Errors
    /// When the dataset is not declared, or no thread can be started.
    pub fn open(
        self,
        connection: &Connection,
        dataset: &str,
        columns: &[WantedColumn],
        options: ReadOptions<'_>,
    ) -> Result<Box<dyn SourceReader>, Error> {
        Ok(Box::new(FileReader::open_files(connection, dataset, Some(columns.to_vec()), self.files, options)?))
    }
}

pub(crate) struct FileReader {
    receiver: Option<Receiver<Message>>,
    thread: Option<JoinHandle<()>>,
    files: Vec<FileSeen>,
    /// Files that were read to their ends.
    ended: usize,
    identity: String,
    names: Vec<String>,
    left_out: Vec<String>,
    left_out_set: BTreeSet<String>,
    never_seen: Vec<String>,
    counted: Option<u64>,
    done: Option<Option<u64>>,
    settled: Option<Settled>,
}

/// What the decoding thread owns.
struct Job {
    source_type: SourceType,
    dataset: Dataset,
    layout: Option<Layout>,
    wanted: Option<Vec<String>>,
    types: Vec<Option<ColumnType>>,
    files: Vec<KnownFile>,
}

impl FileReader {
    /// Opens files that were found and looked at.
    pub(crate) fn open_files(
        connection: &Connection,
        name: &str,
        wanted: Option<Vec<WantedColumn>>,
        mut files: Vec<KnownFile>,
        options: ReadOptions<'_>,
    ) -> Result<Self, Error> {
        let dataset = connection.dataset(name)?;
        let identity = identity(connection, name, &files);
        files.iter_mut().for_each(|file| file.hash = options.hash && file.seen.sha256.is_none());
        let seen = files.iter().map(|file| file.seen.clone()).collect();
        let layout = dataset.layout.as_deref().map(|layout| Layout::read(options.root, layout)).transpose()?;
        let types = wanted.iter().flatten().map(|column| column.ty).collect();
        let wanted = wanted.map(|columns| columns.into_iter().map(|column| column.name).collect());
        let job = Job { source_type: connection.source_type, dataset: dataset.clone(), layout, wanted, types, files };
        Self::start(seen, identity, move |out| job.run(out))
    }

    /// Decodes on a thread of its own. `run` sends what it finds, and returns the wanted columns that never came.
    pub(crate) fn start(
        files: Vec<FileSeen>,
        identity: String,
        run: impl FnOnce(&Output) -> Result<Vec<String>, Stop> + Send + 'static,
    ) -> Result<Self, Error> {
        let (sender, receiver) = crossbeam_channel::bounded(BATCHES_AHEAD);
        let thread = std::thread::Builder::new()
            .name("polder-decode".to_owned())
            .spawn(move || {
                let out = Output { sender };
                let last = match run(&out) {
                    Ok(never_seen) => Message::End { never_seen },
                    Err(Stop::Failed(error)) => Message::Failed(error),
                    Err(Stop::Closed) => return,
                };
                // Nobody may be left to hear it.
                let _ = out.send(last);
            })
            .map_err(|_| Error::Internal { step: "start the decoding thread" })?;
        Ok(Self {
            receiver: Some(receiver),
            thread: Some(thread),
            files,
            ended: 0,
            identity,
            names: Vec::new(),
            left_out: Vec::new(),
            left_out_set: BTreeSet::new(),
            never_seen: Vec::new(),
            counted: None,
            done: Some(Some(0)),
            settled: None,
        })
    }

    /// How far open transactions let an increment go; known once the first batch is there.
    pub(crate) fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }
}

impl FileReader {
    /// The columns of the last file that was opened, when all were wanted.
    pub(crate) fn column_names(&self) -> &[String] {
        &self.names
    }
}

impl Job {
    /// Decodes all files; the names of wanted columns that never came.
    fn run(&self, out: &Output) -> Result<Vec<String>, Stop> {
        let pool = Pool::new();
        let wanted = self.wanted.as_deref();
        let mut never: Option<Vec<String>> = None;
        let mut place = Place { file: Arc::from(""), record: 1, ordinal: 0 };
        for file in &self.files {
            place.file = Arc::from(file.seen.path.as_str());
            place.record = 1;
            // What a storage did not give is told in its words, not in those of a decoder, and never passed over.
            let missing = match (self.file(file, wanted, &pool, &mut place, out), file.failure()) {
                (Ok(_) | Err(Stop::Failed(_)), Some(error)) => return Err(error.into()),
                (decoded, _) => decoded?,
            };
            never = match (never, missing) {
                (None, missing) => missing,
                (Some(before), Some(missing)) => Some(before.into_iter().filter(|name| missing.contains(name)).collect()),
                (before, None) => before,
            };
        }
        Ok(never.unwrap_or_default())
    }
}

impl Job {
    /// Decodes one file; the wanted columns that no record of it held, for types whose records say for themselves what they hold.
    fn file(
        &self,
        file: &KnownFile,
        wanted: Option<&[String]>,
        pool: &Pool,
        place: &mut Place,
        out: &Output,
    ) -> Result<Option<Vec<String>>, Stop> {
        let names = wanted.unwrap_or_default();
        match self.source_type {
            SourceType::Csv => csv::decode(file, &self.dataset, wanted, pool, place, out)?,
            SourceType::Fixed => {
                let layout = self.layout.as_ref().ok_or(Error::Internal { step: "read a fixed-width file without its layout" })?;
                fixed::decode(file, &self.dataset, layout, wanted, pool, place, out)?;
            }
            SourceType::Excel => excel::decode(file, &self.dataset, wanted, &self.types, place, out)?,
            SourceType::Parquet => parquet_file::decode(file, wanted, place, out)?,
            SourceType::Avro => avro::decode(file, wanted, place, out)?,
            SourceType::Arrow => arrow_file::decode(file, wanted, place, out)?,
            SourceType::Ndjson => return ndjson::decode(file, &self.dataset, names, pool, place, out).map(Some),
            SourceType::Json => return json::decode(file, &self.dataset, names, pool, place, out).map(Some),
            SourceType::Xml => return xml::decode(file, &self.dataset, names, place, out).map(Some),
            SourceType::Postgres | SourceType::Mysql | SourceType::Sqlite | SourceType::Adbc | SourceType::Push => {
                return Err(Error::Internal { step: "read as a file what is none" }.into());
            }
        }
        Ok(None)
    }
}

impl SourceReader for FileReader {
    fn next(&mut self) -> Result<Option<RawBatch>, Error> {
        loop {
            let Some(receiver) = &self.receiver else { return Ok(None) };
            match receiver.recv() {
                Ok(Message::Batch(batch)) => return Ok(Some(batch)),
                Ok(Message::Names(names)) => self.names = names,
                Ok(Message::LeftOut(names)) => {
                    for name in names {
                        if self.left_out_set.insert(name.clone()) {
                            self.left_out.push(name);
                        }
                    }
                }
                Ok(Message::FileEnd { counted, sha256 }) => {
                    if let Some(file) = self.files.get_mut(self.ended) {
                        file.sha256 = file.sha256.or(sha256);
                    }
                    self.ended += 1;
                    self.done = self.done.map(|sum| sum.zip(counted).and_then(|(sum, count)| sum.checked_add(count)));
                }
                Ok(Message::Settled(settled)) => self.settled = Some(settled),
                Ok(Message::End { never_seen }) => {
                    self.never_seen = never_seen;
                    self.counted = self.done.take().flatten();
                    self.receiver = None;
                }
                Ok(Message::Failed(error)) => {
                    self.receiver = None;
                    return Err(error);
                }
                Err(_) => {
                    self.receiver = None;
                    return Err(Error::Internal { step: "decode on a thread that ended without a word" });
                }
            }
        }
    }

    fn left_out(&self) -> &[String] {
        &self.left_out
    }

    fn never_seen(&self) -> &[String] {
        &self.never_seen
    }

    fn counted(&self) -> Option<u64> {
        self.counted
    }

    fn files(&self) -> Vec<FileSeen> {
        self.files.clone()
    }

    fn source_identity(&self) -> &str {
        &self.identity
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        // Closing the channel ends the thread at its next batch.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Hashes what identifies the files, each part with its length before it.
fn identity(connection: &Connection, dataset: &str, files: &[KnownFile]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    part(b"polder source identity 1");
    part(connection.name.as_bytes());
    part(dataset.as_bytes());
    for file in files {
        part(file.seen.path.as_bytes());
        part(&file.digest);
        part(&file.seen.size_bytes.to_be_bytes());
        part(&file.seen.modified_ns.to_be_bytes());
    }
    context.finish().as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
        text
    })
}
