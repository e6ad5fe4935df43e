//! RFC 6962 hashing and RFC 9162 proofs, pure: which subtrees a proof needs, how they fold, and whether a proof holds.

use std::fmt;

use polder_crypto::Sha256;

/// A SHA-256 hash of the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// The hash of a leaf: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(&[0]);
    hash.update(entry);
    Hash(hash.finish())
}

/// The hash of two subtrees: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update(&[1]);
    hash.update(&left.0);
    hash.update(&right.0);
    Hash(hash.finish())
}

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(polder_crypto::sha256(b""))
}

/// A complete subtree: the 2^`level` leaves from `index` · 2^`level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) level: u8,
    pub(crate) index: u64,
}

/// Leaves `start..end`, a range that RFC 6962's splitting meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The complete subtrees that make up a span, from the left.
pub(crate) fn cover(span: Span) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut start = span.start;
    while start < span.end {
        let fits = u64::BITS - 1 - (span.end - start).leading_zeros();
        let level = fits.min(start.trailing_zeros());
        nodes.push(Node { level: u8::try_from(level).unwrap_or(63), index: start >> level });
        start += 1 << level;
    }
    nodes
}

/// The hash of a span from the hashes of the subtrees that cover it; `None` for no hashes.
pub(crate) fn fold_cover(hashes: &[Hash]) -> Option<Hash> {
    let (last, rest) = hashes.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node_hash(*left, right)))
}

/// The root of a complete subtree from its 2^n leaves or lower roots.
pub(crate) fn fold_complete(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Some(node_hash(fold_complete(left)?, fold_complete(right)?))
        }
    }
}

/// Largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// What the inclusion proof of leaf `index` in a tree of `size` holds, in order. Empty unless `index < size`.
pub(crate) fn inclusion_plan(index: u64, size: u64) -> Vec<Span> {
    let (mut start, mut end) = (0, size);
    let mut plan = Vec::new();
    while index < size && end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            plan.push(Span { start: middle, end });
            end = middle;
        } else {
            plan.push(Span { start, end: middle });
            start = middle;
        }
    }
    plan.reverse();
    plan
}

/// What the consistency proof between the trees of `old` and of `size` leaves holds, in order. Empty unless `0 < old < size`.
pub(crate) fn consistency_plan(old: u64, size: u64) -> Vec<Span> {
    if old == 0 || old >= size {
        return Vec::new();
    }
    let (mut start, mut end) = (0, size);
    let mut plan = Vec::new();
    let mut from_left = true;
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            plan.push(Span { start: middle, end });
            end = middle;
        } else {
            plan.push(Span { start, end: middle });
            start = middle;
            from_left = false;
        }
    }
    if !from_left {
        plan.push(Span { start, end });
    }
    plan.reverse();
    plan
}

/// Whether `proof` shows that the entry with hash `leaf` is number `index` of the tree of `size` leaves with `root`.
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(*step, hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, *step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Whether `proof` shows that the tree of `old` leaves with `old_root` is a beginning of that of `size` leaves with `root`.
pub fn verify_consistency(old: u64, old_root: Hash, size: u64, root: Hash, proof: &[Hash]) -> bool {
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    if old == 0 {
        return proof.is_empty() && old_root == empty_root();
    }
    if old > size {
        return false;
    }
    // A complete old tree is itself the first node; the proof leaves it out.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        match proof.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let (mut at, mut last) = (old - 1, size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut hash) = (first, first);
    for step in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(*step, old_hash);
            hash = node_hash(*step, hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, *step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == old_root && hash == root
}

#[cfg(test)]
mod tests;
