//! Looks at the page headers of the wanted columns before anything is decompressed, so that no page can promise one size and grow to another.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use parquet::arrow::ProjectionMask;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use polder_types::limit::DECOMPRESSION_RATIO_MAX;

use crate::error::Error;
use crate::input::BOMB_FREE_BYTES;
use crate::opened::OpenedFile;

/// Largest page, compressed or not.
const PAGE_MAX_BYTES: u64 = 256 << 20;
/// Largest row group, uncompressed, over the wanted columns.
const ROW_GROUP_MAX_BYTES: u64 = 16 << 30;
/// Longest page header.
const HEADER_MAX_BYTES: u64 = 1 << 20;

/// Limits on what is held at once.
pub(crate) struct Limits {
    /// The largest data page and the dictionary of each wanted column of a row group, decompressed, together: the decoder holds them
    /// all at once.
    pages_bytes: u64,
    /// Output of a column chunk up to here is never called a bomb.
    bomb_free_bytes: u64,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self { pages_bytes: 512 << 20, bomb_free_bytes: BOMB_FREE_BYTES };
}

/// Where the wanted columns lie in the file.
pub(crate) fn chunks(metadata: &ParquetMetaData, wanted: &ProjectionMask) -> Vec<Range<u64>> {
    let of_groups = metadata.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
    let of_wanted = of_groups.filter(|(leaf, _)| wanted.leaf_included(*leaf)).map(|(_, chunk)| chunk);
    let range = |chunk: &parquet::file::metadata::ColumnChunkMetaData| {
        let start = u64::try_from(chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset())).ok()?;
        Some(start..start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?)
    };
    of_wanted.filter_map(range).collect()
}

/// Checks each page of the wanted columns.
pub(crate) fn check(
    path: &Path,
    file: &OpenedFile,
    metadata: &ParquetMetaData,
    wanted: &ProjectionMask,
    limits: &Limits,
) -> Result<(), Error> {
    let damaged = |text: &str| Error::Parquet {
        path: path.to_path_buf(),
        step: "read a page header",
        source: ParquetError::General(text.to_owned()),
    };
    let grows = |promised: u64| Error::Parquet {
        path: path.to_path_buf(),
        step: "check the size of a page",
        source: ParquetError::General(format!("it grows beyond the {promised} bytes that its header promises")),
    };
    let too_large = |what, found_bytes, max_bytes| Error::ParquetTooLarge { path: path.to_path_buf(), what, found_bytes, max_bytes };
    for group in metadata.row_groups() {
        let (mut group_bytes, mut pages_bytes) = (0u64, 0u64);
        for (_, chunk) in group.columns().iter().enumerate().filter(|(leaf, _)| wanted.leaf_included(*leaf)) {
            let size = u64::try_from(chunk.uncompressed_size()).map_err(|_| damaged("a column chunk of negative size"))?;
            group_bytes = group_bytes.saturating_add(size);
            if group_bytes > ROW_GROUP_MAX_BYTES {
                return Err(too_large("a row group", group_bytes, ROW_GROUP_MAX_BYTES));
            }
            let bounded = match chunk.compression() {
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::LZ4_RAW | Compression::ZSTD(_) => true,
                Compression::GZIP(_) => false,
                _ => return Err(damaged("its compression cannot be read within limits; use zstd, snappy or gzip")),
            };
            // Where the decoder begins, so that what is checked is what it reads. Its own `byte_range` panics on negative offsets.
            let first = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let (Ok(start), Ok(length)) = (u64::try_from(first), u64::try_from(chunk.compressed_size())) else {
                return Err(damaged("a column chunk at a negative place"));
            };
            let end = start.checked_add(length).ok_or_else(|| damaged("a column chunk that ends nowhere"))?;
            let mut at = start;
            let (mut data_bytes, mut dictionary_bytes, mut grown_bytes) = (0, 0, 0u64);
            while at < end {
                let read_error = |source: io::Error| match source.kind() {
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => damaged("it is not a page header"),
                    _ => Error::Read { path: path.to_path_buf(), source },
                };
                let mut clone = file.try_clone().map_err(read_error)?;
                clone.seek(SeekFrom::Start(at)).map_err(read_error)?;
                let mut reader = Thrift { inner: BufReader::with_capacity(512, clone.take(HEADER_MAX_BYTES)), read: 0 };
                let header = reader.page_header().map_err(read_error)?;
                let body = at.saturating_add(reader.read);
                for (what, bytes) in [("a page", header.uncompressed), ("a compressed page", header.compressed)] {
                    if bytes > PAGE_MAX_BYTES {
                        return Err(too_large(what, bytes, PAGE_MAX_BYTES));
                    }
                }
                let largest = if header.dictionary { &mut dictionary_bytes } else { &mut data_bytes };
                *largest = header.uncompressed.max(*largest);
                grown_bytes = grown_bytes.saturating_add(header.uncompressed);
                at = body.saturating_add(header.compressed);
                if at > end {
                    return Err(damaged("a page that is longer than its column chunk"));
                }
                if !bounded && header.compressed > 0 {
                    let grown = inflate(file, body, header.compressed, header.uncompressed).map_err(read_error)?;
                    if grown > header.uncompressed {
                        return Err(grows(header.uncompressed));
                    }
                }
            }
            if grown_bytes > limits.bomb_free_bytes && grown_bytes > length.saturating_mul(DECOMPRESSION_RATIO_MAX) {
                return Err(Error::Bomb { path: path.to_path_buf(), ratio_max: DECOMPRESSION_RATIO_MAX });
            }
            pages_bytes = pages_bytes.saturating_add(data_bytes).saturating_add(dictionary_bytes);
            if pages_bytes > limits.pages_bytes {
                return Err(too_large(
                    "what the wanted columns of a row group take at once (a page and a dictionary each)",
                    pages_bytes,
                    limits.pages_bytes,
                ));
            }
        }
    }
    Ok(())
}

/// How far a gzip page grows, counted up to a little beyond its promise and never kept. A page that is no gzip is left to the decoder.
fn inflate(file: &OpenedFile, at: u64, compressed: u64, promised: u64) -> io::Result<u64> {
    let mut clone = file.try_clone()?;
    clone.seek(SeekFrom::Start(at))?;
    let mut reader = flate2::bufread::MultiGzDecoder::new(BufReader::new(clone.take(compressed))).take(promised.saturating_add(1));
    let mut buffer = vec![0; 64 << 10];
    let mut grown = 0u64;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(grown),
            Ok(count) => grown = grown.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
            Err(error) if error.raw_os_error().is_some() => return Err(error),
            Err(_) => return Ok(grown),
        }
    }
}

/// The sizes in a page header.
#[derive(Debug, Default, Clone, Copy)]
struct PageSizes {
    dictionary: bool,
    uncompressed: u64,
    compressed: u64,
}

/// Thrift's compact protocol, as far as a page header needs it.
struct Thrift<R> {
    inner: R,
    read: u64,
}

fn invalid() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

impl<R: Read> Thrift<R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.inner.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(invalid())
    }

    /// A zigzag number that must not be negative.
    fn size(&mut self) -> io::Result<u64> {
        let value = self.varint()?;
        if value & 1 == 0 { Ok(value >> 1) } else { Err(invalid()) }
    }

    fn skip_bytes(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.inner).take(count), &mut io::sink())?;
        self.read += skipped;
        if skipped == count { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
    }

    /// The type of the next field and its number, or none at the end of a struct.
    fn field(&mut self, last: &mut i64) -> io::Result<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        match byte >> 4 {
            0 => {
                let number = self.varint()?;
                *last = i64::try_from(number >> 1).map_err(|_| invalid())?;
            }
            delta => *last = last.saturating_add(i64::from(delta)),
        }
        Ok(Some(byte & 15))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> io::Result<()> {
        if depth > 16 {
            return Err(invalid());
        }
        match kind {
            1 | 2 => Ok(()),
            3 => self.skip_bytes(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip_bytes(8),
            8 => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // In a list a boolean takes a byte of its own.
                    if matches!(head & 15, 1 | 2) { self.skip_bytes(1)? } else { self.skip(head & 15, depth + 1)? }
                }
                Ok(())
            }
            12 => {
                let mut last = 0;
                while let Some(kind) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(invalid()),
        }
    }

    fn page_header(&mut self) -> io::Result<PageSizes> {
        let mut sizes = PageSizes::default();
        let mut last = 0;
        while let Some(kind) = self.field(&mut last)? {
            match (last, kind) {
                // 2 is the dictionary page, as a zigzag number.
                (1, 5) => sizes.dictionary = self.varint()? == 4,
                (2, 5) => sizes.uncompressed = self.size()?,
                (3, 5) => sizes.compressed = self.size()?,
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
    use parquet::basic::ZstdLevel;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// Checks columns that hold one long value over and over, with or without a dictionary.
    fn check_columns(columns: usize, value_bytes: usize, rows: usize, dictionary: bool, limits: &Limits) -> Result<(), Error> {
        let value = "y".repeat(value_bytes);
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value.as_str(), rows)));
        let batch = RecordBatch::try_from_iter((0..columns).map(|at| (format!("t{at}"), Arc::clone(&texts)))).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(dictionary)
            .set_data_page_size_limit(usize::MAX)
            .set_dictionary_page_size_limit(usize::MAX)
            .build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let file = OpenedFile::Disk(file);
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
        check(Path::new("f.parquet"), &file, metadata.metadata(), &ProjectionMask::all(), limits)
    }

    #[test]
    fn pages_and_dictionaries_of_all_columns_count_together() {
        let limits = Limits { pages_bytes: 10 << 20, bomb_free_bytes: u64::MAX };
        for (dictionary, rows) in [(false, 4), (true, 1)] {
            let value_bytes = (4 << 20) / rows;
            check_columns(2, value_bytes, rows, dictionary, &limits).unwrap();
            let error = check_columns(3, value_bytes, rows, dictionary, &limits).unwrap_err();
            assert!(matches!(error, Error::ParquetTooLarge { max_bytes: 10_485_760, .. }), "{error}");
        }
    }

    #[test]
    fn a_column_chunk_that_grows_like_a_bomb_is_one() {
        let limits = |bomb_free_bytes| Limits { pages_bytes: u64::MAX, bomb_free_bytes };
        let error = check_columns(1, 1 << 20, 8, false, &limits(4 << 20)).unwrap_err();
        assert!(matches!(error, Error::Bomb { .. }), "{error}");
        check_columns(1, 1 << 20, 8, false, &limits(16 << 20)).unwrap();
    }
}
