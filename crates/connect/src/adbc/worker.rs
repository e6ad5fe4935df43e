//! The process of a driver, seen from within: it gives up what it does not need, reads its one job, loads the library if it is the one that
//! is meant, and sends what the driver gives. No project, no key and no store is opened here.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use adbc_core::error::Status;
use adbc_core::options::{AdbcVersion, IsolationLevel, ObjectDepth, OptionConnection, OptionDatabase, OptionValue};
use adbc_core::{Connection, Database, Driver, Optionable, Statement};
use adbc_driver_manager::{ManagedConnection, ManagedDriver, ManagedStatement};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchReader, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use aws_lc_rs::digest;
use polder_types::Secret;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::process::{Resource, Rlimit, Signal};

use crate::adbc::frames::{self, Kind, PIECE_BYTES, Pieces};
use crate::adbc::incoming::EXTENSION;
use crate::adbc::job::{Class, Job, Outcome, Problem, Step, Work};
use crate::adbc::objects;
use crate::csv::BATCH_ROWS;

/// Longest job that is read.
const JOB_MAX_BYTES: u64 = 16 << 20;
/// Largest library that is loaded.
const DRIVER_MAX_BYTES: u64 = 1 << 30;
/// What goes into one batch of rows, about, unless one row is larger.
const BATCH_BYTES: usize = 32 << 20;
/// Memory that a driver may map. Some reserve far more than they use.
const MEMORY_MAX_BYTES: u64 = 32 << 30;
/// Files and connections that it may have open.
const FILES_MAX: u64 = 256;
/// Standard input, output and error.
const STANDARD_STREAMS: i32 = 3;

/// How far it came, and why no further.
type Failed = (Step, Problem);
type Outcomes<T> = Result<T, Failed>;

/// The whole of the process. It says how it ended to the one that started it, and to nobody else.
pub fn worker() -> ExitCode {
    let Ok(mut out) = close_inherited().and_then(|()| own_output()) else { return ExitCode::FAILURE };
    let outcome = confined(&mut out).unwrap_or_else(|(step, problem)| Outcome::Failed { step, problem });
    let told = serde_json::to_vec(&outcome).ok().is_some_and(|told| frames::write(&mut out, Kind::Outcome, &told).is_ok());
    if told { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Closes what the process was given beside its standard streams: whatever it is, a driver has no part in it.
fn close_inherited() -> std::io::Result<()> {
    let mut inherited = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        inherited.extend(number.filter(|number| *number >= STANDARD_STREAMS));
    }
    for number in inherited {
        // That of the directory itself is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Takes the standard output for the answers; what the library prints goes nowhere.
fn own_output() -> std::io::Result<File> {
    let own = std::io::stdout().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Ok(File::from(own))
}

fn confined(out: &mut File) -> Outcomes<Outcome> {
    let refused = |_| (Step::Confine, Problem::Confinement);
    // Whatever the library may execute gains nothing by it, and it ends with the process that wants it.
    nix::sys::prctl::set_no_new_privs().map_err(|_| (Step::Confine, Problem::Confinement))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(refused)?;
    let mut told = Vec::new();
    let read = std::io::stdin().lock().take(JOB_MAX_BYTES).read_to_end(&mut told);
    // Secrets stand in it, which are wiped where they stood.
    let told = Secret::new(told);
    let job = read.ok().and_then(|_| serde_json::from_slice::<Job>(told.expose_secret()).ok());
    let job = job.ok_or((Step::Confine, Problem::Confinement))?;
    drop(told);
    // It may have ended before the signal was asked for.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(job.parent) {
        return Err((Step::Confine, Problem::Confinement));
    }
    let library = library(&job.driver, &job.sha256)?;
    for (resource, most) in [
        // A file that the library writes would lie in the clear. This one leaves it none.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nofile, FILES_MAX),
        (Resource::As, MEMORY_MAX_BYTES),
    ] {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(refused)?;
    }
    let mut driver = load(&library, &job.entrypoint)?;
    drop(library);
    let options = job.options.into_iter().map(|(key, value)| (OptionDatabase::from(key.as_str()), OptionValue::String(value)));
    let database = driver.new_database_with_opts(options).map_err(at(Step::Connect))?;
    let mut connection = database.new_connection().map_err(at(Step::Connect))?;
    send(out, Kind::Connected, &[])?;
    match job.work {
        Work::Tables => tables(&connection).map(Outcome::Tables),
        Work::Columns { select } => {
            let schema = columns(&mut connection, &select)?;
            rows(out, &schema, std::iter::empty()).map(|rows| Outcome::Rows { rows, counted: None })
        }
        Work::Read { columns: of, count, select } => {
            let snapshot = snapshot(&mut connection);
            let schema = columns(&mut connection, &of)?;
            let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
            send(out, Kind::Columns, &serde_json::to_vec(&names).map_err(|_| (Step::Prepare, Problem::Arrow))?)?;
            let counted = match count.filter(|_| snapshot) {
                Some(count) => Some(number(&mut connection, &count)?),
                None => None,
            };
            let mut statement = statement(&mut connection, &select)?;
            let read = statement.execute().map_err(at(Step::Read))?;
            let schema = read.schema();
            rows(out, &schema, read).map(|rows| Outcome::Rows { rows, counted })
        }
    }
}

/// Copies the library into memory that nobody can change any more, if it is the one that is meant: what is loaded is what was hashed.
fn library(path: &Path, sha256: &str) -> Outcomes<File> {
    let none = |_| (Step::Load, Problem::NoDriver);
    if !path.metadata().map_err(none)?.is_file() {
        return Err((Step::Load, Problem::NoDriver));
    }
    let mut file = File::open(path).map_err(none)?.take(DRIVER_MAX_BYTES);
    let refused = |_| (Step::Confine, Problem::Confinement);
    let mut sealed = File::from(rustix::fs::memfd_create("driver", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(refused)?);
    let mut context = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece).map_err(none)?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
        context.update(read);
        sealed.write_all(read).map_err(|_| (Step::Confine, Problem::Confinement))?;
    }
    rustix::fs::fcntl_add_seals(&sealed, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).map_err(refused)?;
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if hex == sha256 { Ok(sealed) } else { Err((Step::Load, Problem::OtherDriver)) }
}

/// Loads the library from there, in the newest version of ADBC that it speaks.
fn load(library: &File, entrypoint: &str) -> Outcomes<ManagedDriver> {
    let path = format!("/proc/self/fd/{}", library.as_raw_fd());
    let load = |version| ManagedDriver::load_dynamic_from_filename(&path, Some(entrypoint.as_bytes()), version);
    load(AdbcVersion::V110).or_else(|_| load(AdbcVersion::V100)).map_err(|_| (Step::Load, Problem::NotADriver))
}

/// Begins a transaction that reads one snapshot, and says whether there is one.
fn snapshot(connection: &mut ManagedConnection) -> bool {
    let set = |connection: &mut ManagedConnection, option, value: &str| connection.set_option(option, OptionValue::from(value)).is_ok();
    // A driver that knows none of it reads all the same.
    set(connection, OptionConnection::ReadOnly, "true");
    if !set(connection, OptionConnection::AutoCommit, "false") {
        return false;
    }
    let begun = statement(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .and_then(|mut statement| statement.execute_update().map_err(at(Step::Prepare)));
    if begun.is_ok() {
        return true;
    }
    if connection.rollback().is_err() {
        set(connection, OptionConnection::AutoCommit, "true");
        return false;
    }
    [IsolationLevel::Snapshot, IsolationLevel::Serializable, IsolationLevel::Linearizable]
        .into_iter()
        .any(|level| connection.set_option(OptionConnection::IsolationLevel, level.into()).is_ok())
}

fn statement(connection: &mut ManagedConnection, sql: &str) -> Outcomes<ManagedStatement> {
    let mut statement = connection.new_statement().map_err(at(Step::Prepare))?;
    statement.set_sql_query(sql).map_err(at(Step::Prepare))?;
    Ok(statement)
}

fn tables(connection: &ManagedConnection) -> Outcomes<Vec<String>> {
    let catalog = connection.get_option_string(OptionConnection::CurrentCatalog).ok().filter(|catalog| !catalog.is_empty());
    let listed = connection.get_objects(ObjectDepth::Tables, None, None, None, None, None).map_err(at(Step::List))?;
    let mut found = BTreeSet::new();
    for batch in listed {
        let batch = batch.map_err(|_| (Step::List, Problem::Arrow))?;
        objects::tables(&batch, catalog.as_deref(), &mut found).ok_or((Step::List, Problem::Arrow))?;
    }
    Ok(found.into_iter().collect())
}

/// The schema of a statement that gives no rows.
fn columns(connection: &mut ManagedConnection, select: &str) -> Outcomes<Arc<Schema>> {
    let mut statement = statement(connection, select)?;
    let read = statement.execute().map_err(at(Step::Prepare))?;
    Ok(read.schema())
}

/// The one number that a statement gives.
fn number(connection: &mut ManagedConnection, sql: &str) -> Outcomes<u64> {
    let wrong = || (Step::Count, Problem::Arrow);
    let mut statement = statement(connection, sql)?;
    let mut read = statement.execute().map_err(at(Step::Count))?;
    let batch = read.next().and_then(Result::ok).filter(|batch| batch.num_rows() == 1 && batch.num_columns() == 1).ok_or_else(wrong)?;
    let column = cast(batch.column(0), &DataType::Int64).map_err(|_| wrong())?;
    let numbers = column.as_primitive_opt::<Int64Type>().filter(|numbers| numbers.is_valid(0)).ok_or_else(wrong)?;
    numbers.values().first().and_then(|number| u64::try_from(*number).ok()).ok_or_else(wrong)
}

/// Sends rows as an Arrow stream, without dictionaries, and says how many there were.
fn rows(out: &mut File, schema: &Schema, batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>) -> Outcomes<u64> {
    // To what is at the other end there is nothing to say any more where it is closed.
    let lost = |_| (Step::Read, Problem::Arrow);
    let plain = Arc::new(Schema::new(schema.fields().iter().map(|field| unpacked(field)).collect::<Vec<_>>()));
    let mut pieces = Pieces(out);
    let mut writer = StreamWriter::try_new(BufWriter::with_capacity(PIECE_BYTES, &mut pieces), &plain).map_err(lost)?;
    let mut sent = 0u64;
    for batch in batches {
        let batch = batch.map_err(|_| (Step::Read, Problem::Driver { class: Class::Unknown, sqlstate: String::new(), vendor_code: 0 }))?;
        let columns = batch.columns().iter().zip(schema.fields()).zip(plain.fields());
        let columns = columns.map(|((column, told), field)| if is_uuid(told) { uuids(column) } else { cast(column, field.data_type()) });
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(lost)?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&plain), columns, &options).map_err(lost)?;
        let mut left = vec![(0, batch.num_rows())];
        while let Some((start, rows)) = left.pop() {
            if rows > BATCH_ROWS || (rows > 1 && weight(&batch.slice(start, rows)) > BATCH_BYTES) {
                let half = rows / 2;
                left.extend([(start + half, rows - half), (start, half)]);
            } else if rows > 0 {
                writer.write(&batch.slice(start, rows)).map_err(lost)?;
                sent += u64::try_from(rows).unwrap_or(0);
            }
        }
    }
    writer.finish().map_err(lost)?;
    let buffered = writer.into_inner().map_err(lost)?;
    buffered.into_inner().map_err(|_| (Step::Read, Problem::Arrow))?;
    Ok(sent)
}

/// The field as it is sent: of a dictionary its values, of UUIDs their texts. Any may be null: no driver is believed that it never is.
fn unpacked(field: &Field) -> Field {
    if is_uuid(field) {
        return Field::new(field.name(), DataType::Utf8, true);
    }
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type).with_nullable(true)
}

/// Arrow's own extension for them, which is sixteen bytes.
fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(16) && field.metadata().get(EXTENSION).is_some_and(|name| name == "arrow.uuid")
}

fn uuids(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let bytes = column.as_fixed_size_binary_opt().ok_or_else(|| ArrowError::CastError(String::new()))?;
    let texts = bytes.iter().map(|bytes| bytes.and_then(|bytes| uuid::Uuid::from_slice(bytes).ok()).map(|uuid| uuid.to_string()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

fn weight(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).fold(0, usize::saturating_add)
}

fn send(out: &mut File, kind: Kind, bytes: &[u8]) -> Outcomes<()> {
    frames::write(out, kind, bytes).map_err(|_| (Step::Read, Problem::Arrow))
}

/// An error of the driver by its class. Its words stay here: they may quote a row, or the URL.
fn at(step: Step) -> impl Fn(adbc_core::error::Error) -> Failed {
    move |error| {
        let class = match error.status {
            Status::Ok | Status::Unknown | Status::AlreadyExists => Class::Unknown,
            Status::NotImplemented => Class::NotImplemented,
            Status::NotFound => Class::NotFound,
            Status::InvalidArguments => Class::InvalidArguments,
            Status::InvalidState => Class::InvalidState,
            Status::InvalidData => Class::InvalidData,
            Status::Integrity => Class::Integrity,
            Status::Internal => Class::Internal,
            Status::IO => Class::Io,
            Status::Cancelled => Class::Cancelled,
            Status::Timeout => Class::Timeout,
            Status::Unauthenticated => Class::Unauthenticated,
            Status::Unauthorized => Class::Unauthorized,
        };
        let letters = error.sqlstate.iter().filter_map(|letter| u8::try_from(*letter).ok()).map(char::from);
        let sqlstate: String = letters.filter(char::is_ascii_alphanumeric).collect();
        let sqlstate = if sqlstate == "00000" { String::new() } else { sqlstate };
        // One number says that there is none, but more of the driver's own.
        let vendor_code = if error.vendor_code == i32::MIN { 0 } else { error.vendor_code };
        (step, Problem::Driver { class, sqlstate, vendor_code })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, FixedSizeBinaryArray, Int8Array};
    use arrow::ipc::reader::StreamReader;
    use std::io::{Seek, SeekFrom};

    use super::*;

    #[test]
    fn only_the_library_that_is_meant_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.so");
        std::fs::write(&path, b"library").unwrap();
        let hash: String = digest::digest(&digest::SHA256, b"library").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut taken = library(&path, &hash).unwrap();
        // What lies on the disk may change now, what was taken may not.
        std::fs::write(&path, b"another").unwrap();
        assert_eq!(library(&path, &hash).map(drop).unwrap_err(), (Step::Load, Problem::OtherDriver));
        assert!(taken.write_all(b"x").is_err() && taken.set_len(0).is_err());
        let mut text = String::new();
        taken.seek(SeekFrom::Start(0)).unwrap();
        taken.read_to_string(&mut text).unwrap();
        assert_eq!(text, "library");
        for missing in [dir.path(), &dir.path().join("none.so")] {
            assert_eq!(library(missing, &hash).map(drop).unwrap_err(), (Step::Load, Problem::NoDriver));
        }
        // Whatever is hashed is only loaded if it is a driver.
        assert_eq!(load(&taken, "AdbcDriverInit").map(drop).unwrap_err(), (Step::Load, Problem::NotADriver));
    }

    #[test]
    fn rows_are_sent_in_pieces_without_dictionaries() {
        let keys: Int8Array = (0..20_000).map(|row| Some(i8::from(row % 2 == 1))).collect();
        let coded: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef));
        let batch = RecordBatch::try_from_iter([("c", coded)]).unwrap();
        let mut out = File::from(rustix::fs::memfd_create("out", MemfdFlags::CLOEXEC).unwrap());
        assert_eq!(rows(&mut out, &batch.schema(), [Ok(batch.clone()), Ok(batch.slice(0, 0)), Ok(batch.clone())].into_iter()), Ok(40_000));
        out.seek(SeekFrom::Start(0)).unwrap();
        let mut stream = Vec::new();
        while let Ok((kind, bytes)) = frames::read(&mut out) {
            assert_eq!(kind, Kind::Arrow);
            stream.extend(bytes);
        }
        let read: Vec<RecordBatch> = StreamReader::try_new(stream.as_slice(), None).unwrap().map(Result::unwrap).collect();
        assert!(read.iter().all(|batch| batch.num_rows() <= BATCH_ROWS && *batch.schema().field(0).data_type() == DataType::Utf8));
        let texts: Vec<&str> = read.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten()).collect();
        assert_eq!((texts.len(), texts[1], texts[39_998]), (40_000, "b", "a"));
    }

    #[test]
    fn uuids_are_sent_as_texts() {
        let told = std::collections::HashMap::from([(EXTENSION.to_owned(), "arrow.uuid".to_owned())]);
        let field = Field::new("u", DataType::FixedSizeBinary(16), true).with_metadata(told);
        let values = [Some([0x5d; 16]), None].into_iter();
        let column: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 16).unwrap());
        let texts = uuids(&column).unwrap();
        let texts: Vec<_> = texts.as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("5d5d5d5d-5d5d-5d5d-5d5d-5d5d5d5d5d5d"), None]);
        assert_eq!(unpacked(&field), Field::new("u", DataType::Utf8, true));
        assert!(!is_uuid(&Field::new("u", DataType::FixedSizeBinary(16), true)));
    }

    #[test]
    fn a_drivers_words_are_not_passed_on() {
        let mut error = adbc_core::error::Error::with_message_and_status("a value of a row", Status::InvalidData);
        error.vendor_code = 7;
        error.sqlstate = *b"22P02".map(|byte| byte as std::ffi::c_char).first_chunk().unwrap();
        let (step, problem) = at(Step::Read)(error);
        assert_eq!(
            (step, problem),
            (Step::Read, Problem::Driver { class: Class::InvalidData, sqlstate: "22P02".to_owned(), vendor_code: 7 })
        );
    }
}
