//! Walks over the records of a block by the schema alone: how many there are, and whether they fill it. It decodes nothing.

use polder_types::limit::{JSON_DEPTH_MAX, RECORD_MAX_BYTES};

use super::schema::{Node, Wrong};

/// Steps that a walk may take over and above those that bytes pay for.
pub(crate) const STEPS_FREE: u64 = 1_000_000;
/// Steps that each byte pays for. Values without bytes cost one as well, and the decoder takes them too.
const STEPS_PER_BYTE: u64 = 64;

/// Bytes that are walked over.
struct Walk<'a> {
    bytes: &'a [u8],
    /// Steps that are left.
    steps: &'a mut u64,
}

const ENDS: Wrong = "a record of it ends behind its block";

/// How many records a block holds. They must be as many as it says. The steps are those of a whole file, `STEPS_FREE` at its beginning.
pub(crate) fn records(root: &Node, block: &[u8], promised: u64, steps: &mut u64) -> Result<u64, Wrong> {
    *steps = steps.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX).saturating_mul(STEPS_PER_BYTE));
    let mut walk = Walk { bytes: block, steps };
    let mut found = 0u64;
    while !walk.bytes.is_empty() {
        if found == promised {
            return Err("a block of it holds more records than it says");
        }
        let before = walk.bytes.len();
        walk.value(root, 0)?;
        let length = before - walk.bytes.len();
        if length == 0 {
            return Err("a record of it takes no bytes");
        }
        if length > RECORD_MAX_BYTES {
            return Err("a record of it is longer than 16 MiB");
        }
        found += 1;
    }
    if found == promised { Ok(found) } else { Err("a block of it holds fewer records than it says") }
}

/// A number of variable length at the beginning of bytes, and how many it takes.
pub(crate) fn varint(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        if place == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * place);
        if byte & 0x80 == 0 {
            let half = i64::try_from(value >> 1).ok()?;
            return Some((if value & 1 == 0 { half } else { -half - 1 }, place + 1));
        }
    }
    None
}

impl Walk<'_> {
    fn skip(&mut self, len: usize) -> Result<(), Wrong> {
        self.bytes = self.bytes.get(len..).ok_or(ENDS)?;
        Ok(())
    }

    fn long(&mut self) -> Result<i64, Wrong> {
        let (value, len) = varint(self.bytes).ok_or("a number in it is cut or too long")?;
        self.skip(len)?;
        Ok(value)
    }

    fn value(&mut self, node: &Node, depth: usize) -> Result<(), Wrong> {
        if depth > JSON_DEPTH_MAX {
            return Err("a record of it is nested too deeply");
        }
        *self.steps = self.steps.checked_sub(1).ok_or("its records have more than 64 fields for each byte that they take")?;
        match node {
            Node::Null => Ok(()),
            Node::Boolean => self.skip(1),
            Node::Varint => self.long().map(drop),
            Node::Fixed(size) => self.skip(*size),
            Node::Bytes => {
                let length = usize::try_from(self.long()?).map_err(|_| "a text in it has a negative length")?;
                self.skip(length)
            }
            Node::Union(branches) => {
                let branch = usize::try_from(self.long()?).ok().and_then(|branch| branches.get(branch));
                self.value(branch.ok_or("a value in it is of a type that its union does not have")?, depth + 1)
            }
            Node::Record(fields, _) => fields.iter().try_for_each(|field| self.value(field, depth + 1)),
            Node::Array(items) => self.blocks(items, false, depth),
            Node::Map(values) => self.blocks(values, true, depth),
        }
    }

    /// The items of an array or map, which come in blocks until one has none.
    fn blocks(&mut self, items: &Node, keys: bool, depth: usize) -> Result<(), Wrong> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            // How many bytes they take, by which the decoder steps over them.
            let promised = if count < 0 { Some(self.long()?) } else { None };
            let before = self.bytes.len();
            let least = items.least() + usize::from(keys);
            let count = count.unsigned_abs();
            // Items without bytes could be any number.
            if least == 0 || count > u64::try_from(self.bytes.len() / least).unwrap_or(u64::MAX) {
                return Err("a list in it says that it has more items than it has bytes for");
            }
            for _ in 0..count {
                if keys {
                    self.value(&Node::Bytes, depth)?;
                }
                self.value(items, depth + 1)?;
            }
            if promised.is_some_and(|promised| usize::try_from(promised).ok() != before.checked_sub(self.bytes.len())) {
                return Err("the items of a list in it take another number of bytes than it says");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::Schema;
    use super::*;

    fn walked(root: &Node, block: &[u8], promised: u64) -> Result<u64, Wrong> {
        let mut steps = STEPS_FREE;
        records(root, block, promised, &mut steps)
    }

    #[test]
    fn numbers_of_variable_length_are_read() {
        for (bytes, value) in [
            (&[0u8][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[0x80, 0x01], 64),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], i64::MIN),
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], i64::MAX),
        ] {
            assert_eq!(varint(bytes), Some((value, bytes.len())));
        }
        assert_eq!((varint(&[]), varint(&[0x80]), varint(&[0xff; 11])), (None, None, None));
    }

    #[test]
    fn records_are_counted_and_must_fill_the_block() {
        let schema = r#"{"type":"record","name":"r","namespace":"x","fields":[
            {"name":"n","type":"long"},{"name":"t","type":["null","string"]},
            {"name":"a","type":{"type":"array","items":{"type":"record","name":"i","fields":[{"name":"b","type":"boolean"}]}}},
            {"name":"m","type":{"type":"map","values":"x.i"}},{"name":"f","type":{"type":"fixed","name":"f","size":2}}]}"#;
        let root = Schema::parse(schema.as_bytes()).unwrap().root;
        let record = [2, 2, 4, b'h', b'i', 4, 1, 0, 0, 2, 2, b'k', 1, 0, 9, 9];
        let two = [record, record].concat();
        assert_eq!((walked(&root, &two, 2), walked(&root, &[], 0)), (Ok(2), Ok(0)));
        for promised in [0, 1, 3] {
            assert!(walked(&root, &two, promised).is_err());
        }
        for cut in 1..record.len() {
            assert!(walked(&root, &record[..cut], 1).is_err(), "{cut}");
        }
    }

    #[test]
    fn blocks_of_items_take_as_many_bytes_as_they_say() {
        let schema = r#"{"type":"record","name":"r","fields":[{"name":"n","type":"long"},
            {"name":"a","type":{"type":"array","items":"string"}},{"name":"m","type":{"type":"map","values":"int"}}]}"#;
        let root = Schema::parse(schema.as_bytes()).unwrap().root;
        // Two items of two bytes each; one entry of three.
        let record = |items: u8, entries: u8| [2, 3, items, 2, b'x', 2, b'y', 0, 1, entries, 2, b'k', 2, 0];
        assert_eq!(walked(&root, &record(8, 6), 1), Ok(1));
        for (items, entries) in [(6, 6), (10, 6), (0, 6), (7, 6), (8, 4), (8, 8)] {
            assert!(walked(&root, &record(items, entries), 1).unwrap_err().contains("another number of bytes"), "{items}, {entries}");
        }
    }

    #[test]
    fn fields_without_bytes_cost_steps() {
        let fields: Vec<String> = (0..1000).map(|field| format!(r#"{{"name":"f{field}","type":"null"}}"#)).collect();
        let schema = format!(r#"{{"type":"record","name":"r","fields":[{{"name":"b","type":"boolean"}},{}]}}"#, fields.join(","));
        let root = Schema::parse(schema.as_bytes()).unwrap().root;
        assert_eq!(walked(&root, &[1; 900], 900), Ok(900));
        assert!(walked(&root, &[1; 10_000], 10_000).unwrap_err().contains("64 fields"));
        // What one block has used up is gone for the next.
        let mut steps = STEPS_FREE;
        assert_eq!(records(&root, &[1; 900], 900, &mut steps), Ok(900));
        assert!(records(&root, &[1; 900], 900, &mut steps).is_err());
    }

    #[test]
    fn schemas_that_grow_or_hold_themselves_are_refused() {
        let wrong = |schema: &str| Schema::parse(schema.as_bytes()).unwrap_err();
        let record = |fields: &str| format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#);
        assert!(wrong(&record(r#"{"name":"next","type":["null","r"]}"#)).contains("holds itself"));
        assert!(wrong(&record(r#"{"name":"n","type":"null"}"#)).contains("no bytes"));
        assert!(wrong(&record(r#"{"name":"n","type":"unheard"}"#)).contains("does not define"));
        assert!(wrong("[]").contains("no record") && wrong("{").contains("not JSON"));
        let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(70), "}".repeat(70));
        assert!(wrong(&record(&format!(r#"{{"name":"d","type":{deep}}}"#))).contains("too deeply"));
        let mut fields = r#"{"name":"f0","type":{"type":"record","name":"t0","fields":[{"name":"i","type":"int"}]}}"#.to_owned();
        for level in 1..40 {
            fields += &format!(
                r#",{{"name":"f{level}","type":{{"type":"record","name":"t{level}","fields":[{{"name":"a","type":"t{0}"}},{{"name":"b","type":"t{0}"}}]}}}}"#,
                level - 1
            );
        }
        assert!(wrong(&record(&fields)).contains("100000"));
    }
}
