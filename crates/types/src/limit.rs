//! A limit on everything. Units stand last in the names.

/// Largest project file (contract, source, model, policy) that is read, in bytes.
pub const PROJECT_FILE_MAX_BYTES: u64 = 1 << 20;
/// Longest name of a table or model, in bytes, each of which is a character.
pub const TABLE_NAME_MAX_BYTES: usize = 63;
/// Longest record (CSV row, NDJSON line) that is decoded, in bytes. A longer one is rejected and counted.
pub const RECORD_MAX_BYTES: usize = 16 << 20;
/// Longest text value that a column takes unless its contract says less, in bytes.
pub const FIELD_MAX_BYTES: usize = 1 << 20;
/// Most columns that a source may have.
pub const COLUMNS_MAX: usize = 4096;
/// Deepest nesting of a JSON value.
pub const JSON_DEPTH_MAX: usize = 64;
/// A compressed source may not grow by more than this factor (past the first 64 MiB that come out of it).
pub const DECOMPRESSION_RATIO_MAX: u64 = 1000;
/// Bytes that stay preallocated so that refusals can still be recorded on a full disk.
pub const AUDIT_RESERVE_BYTES: u64 = 64 << 20;
/// Largest leaf of the audit log, in bytes (the tile format has two-byte lengths).
pub const LEAF_MAX_BYTES: usize = 65_535;
/// Longest SQL text that is parsed, in bytes.
pub const SQL_MAX_BYTES: usize = 1 << 20;
/// Longest purpose that is stated of a question, in bytes.
pub const PURPOSE_MAX_BYTES: usize = 256;
