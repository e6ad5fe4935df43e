//! C2SP tlog-tiles: 256 hashes a tile, 256 entries a bundle, their names, and the right edge of the tree.

use bytes::Bytes;

use crate::merkle::{Hash, Node, Span, cover, empty_root, fold_complete, fold_cover};

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const TILE_WIDTH: usize = 256;
/// The same as a count of leaves.
pub(crate) const TILE_LEAVES: u64 = 256;
/// Levels of the tree that one tile spans.
const TILE_HEIGHT: u8 = 8;

/// The prefix of all entry bundles.
pub(crate) const BUNDLES: &str = "tile/entries";

/// `001` or `x001/x234/067`: three digits a path element.
fn index_path(mut index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    while index >= 1000 {
        index /= 1000;
        path = format!("x{:03}/{path}", index % 1000);
    }
    path
}

/// Reads what [`index_path`] writes, and nothing else.
pub(crate) fn parse_index(path: &str) -> Option<u64> {
    let mut index: u64 = 0;
    for element in path.split('/') {
        let digits = element.strip_prefix('x').unwrap_or(element);
        if digits.len() != 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    (index_path(index) == path).then_some(index)
}

fn width_suffix(width: usize) -> String {
    if width == TILE_WIDTH { String::new() } else { format!(".p/{width}") }
}

/// `tile/0/001.p/44`
pub(crate) fn hash_tile_path(level: u8, index: u64, width: usize) -> String {
    format!("tile/{level}/{}{}", index_path(index), width_suffix(width))
}

/// `tile/entries/001.p/44`
pub(crate) fn bundle_path(index: u64, width: usize) -> String {
    format!("{BUNDLES}/{}{}", index_path(index), width_suffix(width))
}

/// Entries one after another, each behind its length in two bytes, big-endian. `None` when one is longer than 65,535 bytes.
pub(crate) fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a Bytes>) -> Option<Vec<u8>> {
    let mut bundle = Vec::new();
    for entry in entries {
        bundle.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Some(bundle)
}

/// The entries of a bundle, sharing its memory. `None` when a length reaches past the end.
pub(crate) fn decode_bundle(bundle: &Bytes) -> Option<Vec<Bytes>> {
    let mut entries = Vec::new();
    let mut rest = bundle.clone();
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?));
        let end = length.checked_add(2)?;
        if rest.len() < end {
            return None;
        }
        let entry = rest.split_to(end);
        entries.push(entry.slice(2..));
    }
    Some(entries)
}

/// A tile's hashes one after another.
pub(crate) fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile. `None` when the length is not a multiple of 32.
pub(crate) fn decode_hashes(tile: &[u8]) -> Option<Vec<Hash>> {
    let (chunks, rest) = tile.as_chunks::<32>();
    rest.is_empty().then(|| chunks.iter().map(|chunk| Hash(*chunk)).collect())
}

/// A tile that has become full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FullTile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

/// Which tile holds a subtree, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) level: u8,
    pub(crate) index: u64,
    start: usize,
    width: usize,
}

impl Place {
    pub(crate) fn of(node: Node) -> Self {
        let height = node.level % TILE_HEIGHT;
        let first = node.index << height;
        let start = usize::from(u8::try_from(first % TILE_LEAVES).unwrap_or_default());
        Self { level: node.level / TILE_HEIGHT, index: first / TILE_LEAVES, start, width: 1 << height }
    }

    /// The subtree's hash from its tile.
    pub(crate) fn hash(&self, tile: &[Hash]) -> Option<Hash> {
        fold_complete(tile.get(self.start..self.start + self.width)?)
    }
}

/// The right edge: the hashes of the tile at each level that is not full yet. It is all that appending needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// An edge as it was stored. `None` when the widths are not those of a tree of `size` leaves.
    pub(crate) fn restore(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let mut full = size;
        for level in &levels {
            if level.len() as u64 != full % TILE_LEAVES {
                return None;
            }
            full /= TILE_LEAVES;
        }
        (full == 0).then_some(Self { size, levels })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of each level's partial tile, level 0 first; empty where the last tile is full.
    pub(crate) fn levels(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// Adds a leaf; gives the tiles that became full, level 0 first.
    pub(crate) fn push(&mut self, leaf: Hash) -> Vec<FullTile> {
        self.size += 1;
        let mut full = Vec::new();
        let mut carry = Some(leaf);
        let mut index = self.size;
        let mut level: u8 = 0;
        while let Some(hash) = carry.take() {
            let depth = usize::from(level);
            if self.levels.len() == depth {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(depth) else { break };
            tile.push(hash);
            index /= TILE_LEAVES;
            if tile.len() == TILE_WIDTH {
                let hashes = std::mem::take(tile);
                carry = fold_complete(&hashes);
                full.push(FullTile { level, index: index.saturating_sub(1), hashes });
                level += 1;
            }
        }
        full
    }

    /// The hash of a complete subtree, when the edge's tiles hold it.
    pub(crate) fn node(&self, node: Node) -> Option<Hash> {
        let place = Place::of(node);
        self.tile(place.level, place.index).and_then(|tile| place.hash(tile))
    }

    /// The partial tile of a level, when `index` is its number.
    pub(crate) fn tile(&self, level: u8, index: u64) -> Option<&[Hash]> {
        let current = self.size.checked_shr(u32::from(TILE_HEIGHT) * (u32::from(level) + 1)).unwrap_or(0);
        if index != current {
            return None;
        }
        self.levels.get(usize::from(level)).map(Vec::as_slice)
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Hash {
        let nodes = cover(Span { start: 0, end: self.size });
        let hashes: Option<Vec<Hash>> = nodes.into_iter().map(|node| self.node(node)).collect();
        hashes.as_deref().and_then(fold_cover).unwrap_or_else(empty_root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog_tiles::{HashReader, Tile};

    use super::*;
    use crate::merkle::leaf_hash;

    #[test]
    fn names_are_those_of_the_specification() {
        assert_eq!(hash_tile_path(0, 1, 44), "tile/0/001.p/44");
        assert_eq!(hash_tile_path(3, 1_234_067, TILE_WIDTH), "tile/3/x001/x234/067");
        assert_eq!(bundle_path(0, TILE_WIDTH), "tile/entries/000");
        for index in [0, 1, 999, 1000, 1_234_067, u64::MAX] {
            assert_eq!(parse_index(&index_path(index)), Some(index));
            if index < 1 << 40 {
                // The other implementation writes the height (8) where the specification has nothing.
                let theirs = Tile::new(8, 2, index, 7, false).path().replacen("tile/8/", "tile/", 1);
                assert_eq!(hash_tile_path(2, index, 7), theirs);
            }
        }
        for bad in ["", "1", "0001", "x000/001", "001/002", "x001", "x001/2", "-01", "00a", "x018/x446/x744/x073/x709/x551/616"] {
            assert_eq!(parse_index(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn bundles_read_back(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20), cut in 1usize..50) {
            let entries: Vec<Bytes> = entries.into_iter().map(Bytes::from).collect();
            let bundle = Bytes::from(encode_bundle(&entries).unwrap());
            prop_assert_eq!(decode_bundle(&bundle).unwrap(), entries.clone());
            let shorter = bundle.slice(..bundle.len().saturating_sub(cut));
            if let Some(read) = decode_bundle(&shorter) {
                prop_assert!(read.len() < entries.len() || bundle.is_empty());
            }
        }
    }

    #[test]
    fn the_longest_entry_fits_and_no_longer_one() {
        assert!(encode_bundle(&[Bytes::from(vec![0; 65_535])]).is_some());
        assert!(encode_bundle(&[Bytes::from(vec![0; 65_536])]).is_none());
    }

    struct Stored(Vec<tlog_tiles::Hash>);
    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
        }
    }

    /// The tiles of a tree of 66,000 leaves (three levels), each as the other implementation has it.
    #[test]
    fn tiles_equal_those_of_another_implementation() {
        let mut stored = Stored(Vec::new());
        let mut edge = Edge::default();
        let mut full = Vec::new();
        let size = 66_000;
        for n in 0..size {
            let entry = u64::to_be_bytes(n);
            let hashes = tlog_tiles::stored_hashes(n, &entry, &stored).unwrap();
            stored.0.extend(hashes);
            full.extend(edge.push(leaf_hash(&entry)));
        }
        assert_eq!(edge.root().0, tlog_tiles::tree_hash(size, &stored).unwrap().0);
        assert_eq!(full.len(), 257 + 1);
        for tile in full {
            let theirs = Tile::new(8, tile.level, tile.index, 256, false).read_data(&stored).unwrap();
            assert_eq!(encode_hashes(&tile.hashes), theirs);
        }
        for (level, hashes) in edge.levels().iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()) {
            let level = u8::try_from(level).unwrap();
            let index = size >> (8 * (u64::from(level) + 1));
            let theirs = Tile::new(8, level, index, hashes.len() as u32, false).read_data(&stored).unwrap();
            assert_eq!(encode_hashes(hashes), theirs);
        }
        assert_eq!(Edge::restore(size, edge.levels().to_vec()), Some(edge.clone()));
        assert_eq!(Edge::restore(size + 1, edge.levels().to_vec()), None);
        assert_eq!(Edge::restore(size, edge.levels()[..2].to_vec()), None);
    }
}
