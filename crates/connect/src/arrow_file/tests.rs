//! Files and streams that have lost rows, and dictionaries that change or grow.

use arrow::array::{AsArray, DictionaryArray, Int8Array, RecordBatch, StringArray};
use arrow::ipc::root_as_footer;
use arrow::ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
use polder_contract::Cells;

use super::*;
use crate::files::FoundFile;

/// Batches of two rows of one column, whose dictionary grows by a value at each.
fn batches(count: usize) -> Vec<RecordBatch> {
    let batch = |place: usize| {
        let values: ArrayRef = Arc::new((0..=place).map(|value| Some(format!("v{value}"))).collect::<StringArray>());
        let last = i8::try_from(place).unwrap();
        let coded: ArrayRef = Arc::new(DictionaryArray::new(Int8Array::from(vec![0, last]), values));
        RecordBatch::try_from_iter([("c", coded)]).unwrap()
    };
    (0..count).map(batch).collect()
}

fn options(how: DictionaryHandling) -> IpcWriteOptions {
    IpcWriteOptions::try_new(8, false, MetadataVersion::V5).unwrap().with_dictionary_handling(how)
}

fn stream(count: usize, how: DictionaryHandling) -> Vec<u8> {
    let (mut bytes, batches) = (Vec::new(), batches(count));
    let mut writer = StreamWriter::try_new_with_options(&mut bytes, &batches[0].schema(), options(how)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn file(count: usize) -> Vec<u8> {
    let (mut bytes, batches) = (Vec::new(), batches(count));
    let mut writer = FileWriter::try_new_with_options(&mut bytes, &batches[0].schema(), options(DictionaryHandling::Delta)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    drop(writer);
    bytes
}

#[test]
fn files_may_begin_with_more_padding() {
    let batches = batches(3);
    for alignment in [8, 16, 32, 64] {
        let mut bytes = Vec::new();
        let options =
            IpcWriteOptions::try_new(alignment, false, MetadataVersion::V5).unwrap().with_dictionary_handling(DictionaryHandling::Delta);
        let mut writer = FileWriter::try_new_with_options(&mut bytes, &batches[0].schema(), options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        drop(writer);
        assert_eq!(read(&bytes).unwrap().len(), 6, "{alignment}");
    }
}

fn known(bytes: &[u8]) -> (tempfile::TempDir, KnownFile) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.arrow");
    std::fs::write(&path, bytes).unwrap();
    let known = KnownFile::look(&FoundFile::on_disk(path, "f.arrow".to_owned())).unwrap();
    (dir, known)
}

/// The values that are read, or why none are.
fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
    let (_dir, known) = known(bytes);
    let (sender, receiver) = crossbeam_channel::unbounded();
    let mut place = Place { file: "f.arrow".into(), record: 1, ordinal: 0 };
    match decode(&known, None, &mut place, &Output { sender }) {
        Ok(()) => {}
        Err(Stop::Failed(error)) => return Err(error.to_string()),
        Err(Stop::Closed) => panic!("nobody reads"),
    }
    let mut values = Vec::new();
    for message in receiver {
        let Message::Batch(batch) = message else { continue };
        for column in batch.columns {
            let Cells::Typed(column) = column else { panic!("no array") };
            let texts = arrow::compute::cast(&column, &arrow::datatypes::DataType::Utf8).unwrap();
            values.extend(texts.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()));
        }
    }
    Ok(values)
}

fn expected(count: usize) -> Vec<String> {
    (0..count).flat_map(|last| ["v0".to_owned(), format!("v{last}")]).collect()
}

/// Where the footer begins.
fn footer_at(bytes: &[u8]) -> usize {
    let tail = bytes.len() - 10;
    tail - usize::try_from(i32::from_le_bytes(bytes[tail..tail + 4].try_into().unwrap())).unwrap()
}

/// The places of the batches that the footer lists, or of the dictionaries.
fn listed(bytes: &[u8], batches: bool) -> Vec<i64> {
    let footer = root_as_footer(&bytes[footer_at(bytes)..bytes.len() - 10]).unwrap();
    let blocks = if batches { footer.recordBatches() } else { footer.dictionaries() };
    blocks.unwrap().iter().map(|block| block.offset()).collect()
}

#[test]
fn streams_end_with_their_mark() {
    for how in [DictionaryHandling::Delta, DictionaryHandling::Resend] {
        let whole = stream(5, how);
        assert_eq!(read(&whole).unwrap(), expected(5));
        let unmarked = whole.strip_suffix(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]).unwrap();
        assert!(read(unmarked).unwrap_err().contains("it ends without its end mark"));
        // As old writers do it, and with something behind that.
        assert_eq!(read(&[unmarked, &[0; 4]].concat()).unwrap(), expected(5));
        assert!(read(&[unmarked, &[0; 5]].concat()).is_err());
    }
}

#[test]
fn batches_that_the_footer_does_not_list_are_not_lost() {
    let whole = file(5);
    assert_eq!(read(&whole).unwrap(), expected(5));
    let places = listed(&whole, true);
    assert_eq!(places.len(), 5);
    // The list's length stands before its first block.
    let pattern = [5u32.to_le_bytes().as_slice(), &places[0].to_le_bytes()].concat();
    let footer = footer_at(&whole);
    let at = footer + whole[footer..].windows(pattern.len()).position(|window| window == pattern).unwrap();
    for count in [0u8, 3, 4] {
        let mut fewer = whole.clone();
        fewer[at] = count;
        assert_eq!(listed(&fewer, true).len(), usize::from(count));
        assert!(read(&fewer).unwrap_err().contains("its footer does not list"), "{count}");
    }
    // Padding before the footer does no harm.
    let padded = [&whole[..footer], &[0; 64], &whole[footer..]].concat();
    assert_eq!(read(&padded).unwrap(), expected(5));
}

#[test]
fn a_second_dictionary_does_not_change_a_file() {
    let mut whole = file(2);
    let start = usize::try_from(listed(&whole, false)[1]).unwrap() + 8;
    let at = {
        let message = arrow::ipc::root_as_message(&whole[start..]).unwrap();
        let dictionary = message.header_as_dictionary_batch().unwrap();
        assert!(dictionary.isDelta());
        let table = dictionary._tab;
        start + table.loc() + usize::from(table.vtable().get(DictionaryBatch::VT_ISDELTA))
    };
    assert_eq!(whole[at], 1);
    whole[at] = 0;
    assert!(read(&whole).unwrap_err().contains("two dictionaries for one column"));
}

#[test]
fn dictionaries_are_not_copied_without_end() {
    let (_dir, known) = known(&stream(100, DictionaryHandling::Delta));
    let path = &known.path;
    let copy = |copied_max: u64| {
        let mut messages = Messages::open(&known)?;
        let schema = schema(&known, &mut messages)?;
        let mut dictionaries = Dictionaries::new(false, copied_max);
        while let Some(framed) = messages.next(path)? {
            let message = described(path, &framed.metadata)?;
            if let Some(dictionary) = message.header_as_dictionary_batch() {
                dictionaries.read(path, &framed.body, dictionary, &schema, &message.version())?;
            }
        }
        Ok::<_, Error>(dictionaries.copied)
    };
    let copied = copy(COPIED_MAX_BYTES).unwrap();
    assert!(copied > 0);
    assert_eq!(copy(copied).unwrap(), copied);
    assert!(copy(copied - 1).unwrap_err().to_string().contains("added to so often"));
}
