//! Parquet: projection, the footer's promise, nested columns, damaged and lying files.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::{Read, cases, read_bytes};
use crate::Error;

fn file(compression: Compression, text: &str, rows: i64) -> Vec<u8> {
    let numbers: ArrayRef = Arc::new((0..rows).map(|row| (row % 7 != 3).then_some(row)).collect::<Int64Array>());
    let texts: ArrayRef = Arc::new((0..rows).map(|row| Some(format!("{text}{}", row % 3))).collect::<StringArray>());
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(|_| Some(vec![Some(1)]))));
    let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts), ("l", lists)]).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(5000)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn parquet(bytes: &[u8], columns: &[&str]) -> Result<Read, Error> {
    read_bytes("f.parquet", bytes, "", columns)
}

#[test]
fn wanted_columns_come_in_the_wanted_order() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(GzipLevel::default()),
    ] {
        let read = parquet(&file(compression, "x", 12_000), &["t", "n"]).unwrap();
        assert_eq!(read.rows.len(), 12_000);
        assert_eq!(read.texts()[4], ["x1", "4"]);
        assert_eq!(read.texts()[3], ["x0", ""]);
        assert_eq!(read.left_out, ["l"]);
        assert!(read.largest_batch <= 8192);
    }
}

#[test]
fn what_cannot_be_read_within_limits_is_refused() {
    let bytes = file(Compression::BROTLI(parquet::basic::BrotliLevel::default()), "x", 10);
    let error = parquet(&bytes, &["n"]).unwrap_err();
    assert!(matches!(error, Error::Parquet { .. }), "{error}");
    let good = file(Compression::SNAPPY, "x", 10);
    assert!(matches!(parquet(&good, &["l"]), Err(Error::ParquetNested { .. })));
    assert!(matches!(parquet(&good, &["m"]), Err(Error::MissingColumn { .. })));
    assert!(matches!(parquet(b"", &["n"]), Err(Error::Parquet { .. })));
    assert!(matches!(parquet(&good[..good.len() - 1], &["n"]), Err(Error::Parquet { .. })));
}

#[test]
fn one_long_value_in_many_rows_does_not_fill_the_memory() {
    let long = "y".repeat(512 << 10);
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(long.as_str(), 600)));
    let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_dictionary_page_size_limit(8 << 20).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let read = parquet(&bytes, &["t"]).unwrap();
    assert_eq!(read.rows.len(), 600);
    assert!(read.largest_batch <= 64, "cut by the bytes of its text: {}", read.largest_batch);
}

/// The footer's thrift holds the row count of the file as a zigzag varint after field 3's byte; 300 is written as d8 04.
#[test]
fn a_footer_that_lies_is_found_out() {
    let good = file(Compression::UNCOMPRESSED, "x", 300);
    assert_eq!(parquet(&good, &["n"]).unwrap().rows.len(), 300);
    let footer = good.len() - 8 - u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().unwrap()) as usize;
    let places: Vec<usize> = (footer..good.len() - 9).filter(|at| good[*at..*at + 2] == [0xd8, 0x04]).collect();
    assert!(places.len() >= 2, "the file's and the row group's counts");
    let mut caught = 0;
    for place in &places {
        let mut lying = good.clone();
        lying[*place] = 0xda;
        match parquet(&lying, &["n"]) {
            Ok(read) => assert_eq!(read.rows.len(), 300),
            Err(error) => {
                caught += usize::from(matches!(error, Error::ParquetFooter { .. }));
            }
        }
    }
    assert!(caught >= 2, "{caught}");
    // Every count at once: then only the pages tell.
    let mut lying = good.clone();
    for place in &places {
        lying[*place] = 0xda;
    }
    assert!(parquet(&lying, &["n"]).is_err());
}

#[test]
fn a_gzip_page_that_grows_beyond_its_promise_is_refused() {
    use std::io::Write;
    let good = file(Compression::GZIP(GzipLevel::default()), "x", 3000);
    // Swaps a data page's body for a bomb of the same length or less, padded with an empty member's bytes.
    let start = (0..good.len()).find(|at| good[*at..].starts_with(&[0x1f, 0x8b])).unwrap();
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 200 << 10]).unwrap();
    let bomb = bomb.finish().unwrap();
    let mut bad = good.clone();
    bad[start..start + bomb.len()].copy_from_slice(&bomb);
    let error = parquet(&bad, &["n"]).unwrap_err();
    assert!(matches!(error, Error::Parquet { step: "check the size of a page", .. }), "{error}");
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn damaged_files_end_in_an_error_or_in_closed_counts(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in prop::option::of(any::<prop::sample::Index>()), snappy in any::<bool>()) {
        let mut bytes = file(if snappy { Compression::SNAPPY } else { Compression::UNCOMPRESSED }, "x", 200);
        for (index, byte) in changes {
            let place = index.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            let length = cut.index(bytes.len());
            bytes.truncate(length);
        }
        // `read` itself compares the counts.
        let _ = parquet(&bytes, &["n", "t"]);
    }
}
